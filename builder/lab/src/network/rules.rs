//! Owns which packets the lab drops: from what is cut off to the kernel's routing rules. Pure: must
//! not apply them.
//!
//! Every packet between nodes passes the lab's routing, also within a region: the ports of a bridge
//! are isolated from each other and the bridge answers their ARP requests, as the network of a VPC
//! does. So one list of rules is the whole truth about who reaches whom.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::Region;
use super::region::METADATA;

/// Something that is cut off from the rest of the lab.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cut {
    /// A region: no packet between it and any other region, their endpoints included.
    Region(u8),
    /// An address: it still reaches what the hypervisor provides, its metadata service, its router
    /// and its resolver, and nothing else.
    Address(Ipv4Addr),
}

/// The rules of a lab with nothing cut off. The kernel's first rule delivers local packets before any
/// other is asked; here it comes last, because the endpoints are local.
pub(super) fn standing(regions: &[Region]) -> Vec<String> {
    let mut rules = vec![
        "pref 1000 lookup local".to_owned(),
        "pref 10 iif lo lookup local".to_owned(),
        "pref 11 iif lo lookup main".to_owned(),
        format!("pref 20 to {METADATA} lookup local"),
    ];
    for region in regions {
        for address in [region.gateway(), region.resolver()] {
            let bridge = region.bridge();
            rules.push(format!("pref 20 iif {bridge} to {address} lookup local"));
        }
    }
    rules
}

/// The rules on top of the standing ones.
pub(super) fn cutting(regions: &[Region], cuts: &BTreeSet<Cut>) -> BTreeSet<String> {
    let mut rules = BTreeSet::new();
    for cut in cuts {
        match cut {
            Cut::Address(address) => {
                rules.insert(format!("pref 100 from {address} blackhole"));
                rules.insert(format!("pref 100 to {address} blackhole"));
            }
            Cut::Region(octet) => {
                for one in regions.iter().filter(|region| region.octet() == *octet) {
                    for other in regions.iter().filter(|region| region.octet() != *octet) {
                        for (from, to) in [(one, other), (other, one)] {
                            let (bridge, network) = (from.bridge(), to.network());
                            rules.insert(format!("pref 100 iif {bridge} to {network} blackhole"));
                        }
                    }
                }
            }
        }
    }
    rules
}

/// What `ip -batch` reads to get from one set of rules to the other. What is dropped is added before
/// anything is let through again.
pub(super) fn change(from: &BTreeSet<String>, to: &BTreeSet<String>) -> String {
    let added = to.difference(from).map(|rule| format!("rule add {rule}\n"));
    let removed = from.difference(to).map(|rule| format!("rule del {rule}\n"));
    added.chain(removed).collect()
}

#[cfg(test)]
mod tests {
    use super::{Cut, change, cutting, standing};
    use crate::network::Region;
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    fn regions() -> Vec<Region> {
        vec![
            Region::new("a", 1),
            Region::new("b", 2),
            Region::new("c", 3),
        ]
    }

    #[test]
    fn a_region_is_cut_from_each_other_both_ways() {
        let cuts = BTreeSet::from([Cut::Region(2)]);
        let rules: Vec<String> = cutting(&regions(), &cuts).into_iter().collect();
        let expected = [
            "pref 100 iif br1 to 10.2.0.0/16 blackhole",
            "pref 100 iif br2 to 10.1.0.0/16 blackhole",
            "pref 100 iif br2 to 10.3.0.0/16 blackhole",
            "pref 100 iif br3 to 10.2.0.0/16 blackhole",
        ];
        assert_eq!(rules, expected);
    }

    #[test]
    fn what_the_hypervisor_provides_comes_before_the_cuts() {
        let rules = standing(&regions());
        assert!(rules.contains(&"pref 20 to 169.254.169.254 lookup local".to_owned()));
        assert!(rules.contains(&"pref 20 iif br3 to 10.3.0.2 lookup local".to_owned()));
        assert_eq!(rules.len(), 10);
    }

    #[test]
    fn a_change_adds_before_it_removes() {
        let cut = |octets: [u8; 4]| {
            let cuts = BTreeSet::from([Cut::Address(Ipv4Addr::from(octets))]);
            cutting(&regions(), &cuts)
        };
        let text = change(&cut([10, 1, 0, 4]), &cut([10, 1, 0, 5]));
        assert_eq!(
            text,
            "rule add pref 100 from 10.1.0.5 blackhole\n\
             rule add pref 100 to 10.1.0.5 blackhole\n\
             rule del pref 100 from 10.1.0.4 blackhole\n\
             rule del pref 100 to 10.1.0.4 blackhole\n"
        );
        assert_eq!(change(&cut([10, 1, 0, 4]), &cut([10, 1, 0, 4])), "");
    }
}
