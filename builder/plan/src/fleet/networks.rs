//! Owns which addresses the nodes of a fleet have: the ranges of the VPCs that were found, and for a
//! region that cannot be read what an earlier apply has noted. Nodes let nobody else in.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::AddressRange;
use crate::definition::Fleet;

use super::action::{Action, change, changed, create};
use super::inventory::{FleetInventory, RegionInventory};
use super::names;
use super::network::Network;
use super::objects::field;
use super::region::{Draft, Scope};

/// The address ranges of each region of a fleet, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(BTreeMap<String, BTreeSet<AddressRange>>);

impl Networks {
    /// Those of a fleet's regions.
    pub fn of(fleet: &Fleet, inventory: &FleetInventory) -> Self {
        let parameter = names::networks_parameter(&fleet.cluster);
        let mut noted = Self::default();
        let mut found = BTreeMap::new();
        for observation in &inventory.regions {
            let Ok(region) = &observation.found else {
                continue;
            };
            if let Some(ranges) = ranges_of(&observation.region, region) {
                found.insert(observation.region.clone(), ranges);
            }
            let value = region.parameters.get(&parameter);
            if let Some(text) = value.and_then(|parameter| parameter.value.as_deref()) {
                noted.0.extend(Self::parse(text).0);
            }
        }
        noted.0.extend(found);
        noted.0.retain(|name, ranges| {
            !ranges.is_empty() && fleet.regions.iter().any(|region| region.name == *name)
        });
        noted
    }

    /// The ranges of all regions, each once, sorted.
    pub fn ranges(&self) -> Vec<AddressRange> {
        let all: BTreeSet<AddressRange> = self.0.values().flatten().copied().collect();
        all.into_iter().collect()
    }

    /// For the parameter that notes them: `eu-west-1=10.2.0.0/16 us-east-1=10.1.0.0/16,100.64.0.0/16`.
    fn text(&self) -> String {
        let regions = self.0.iter().map(|(region, ranges)| {
            let ranges: Vec<String> = ranges.iter().map(AddressRange::to_string).collect();
            format!("{region}={}", ranges.join(","))
        });
        regions.collect::<Vec<_>>().join(" ")
    }

    /// What does not read like [`Networks::text`] was not noted by an apply.
    fn parse(text: &str) -> Self {
        let regions = text.split_whitespace().filter_map(|word| {
            let (region, ranges) = word.split_once('=')?;
            let ranges = ranges.split(',').filter_map(|range| range.parse().ok());
            Some((region.to_owned(), ranges.collect()))
        });
        Self(regions.collect())
    }

    /// The regions whose nodes cannot reach those of `region`, because addresses of both are the same.
    fn overlapping(&self, region: &str) -> Vec<&str> {
        let Some(own) = self.0.get(region) else {
            return Vec::new();
        };
        let others = self.0.iter().filter(|(name, _)| *name != region);
        others
            .filter(|(_, ranges)| {
                let mut pairs = own
                    .iter()
                    .flat_map(|one| ranges.iter().map(move |other| (one, other)));
                pairs.any(|(one, other)| one.overlaps(*other))
            })
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// Those of the VPC that a region's nodes are in.
fn ranges_of(region: &str, found: &RegionInventory) -> Option<BTreeSet<AddressRange>> {
    let network = Network::choose(region, found).ok()?;
    let vpc = found.vpcs.iter().find(|vpc| vpc.id == network.vpc)?;
    let ranges = vpc.ranges.iter().filter_map(|range| range.parse().ok());
    Some(ranges.collect())
}

/// Plans to note the ranges of all regions in this one, for the applies that cannot read the others.
pub(super) fn plan_networks(scope: &Scope<'_>, networks: &Networks, draft: &mut Draft) {
    for other in networks.overlapping(scope.region) {
        draft.notes.push(format!(
            "`{}` has addresses that `{other}` has too: nodes of one cannot reach nodes of the other, so give the fleet VPCs of different ranges",
            scope.region
        ));
    }
    if networks.0.is_empty() {
        return;
    }
    let parameter = names::networks_parameter(&scope.fleet.cluster);
    let found = scope.found.parameters.get(&parameter);
    let now = found.and_then(|found| found.value.as_ref());
    let value = networks.text();
    if now == Some(&value) {
        draft.unchanged += 1;
        return;
    }
    let object = format!("parameter `{parameter}`");
    let action = Action::PutParameter {
        parameter,
        value: value.clone(),
        data_type: "text",
        overwrite: found.is_some(),
        tags: names::cluster_tags(scope.fleet),
    };
    draft.steps.push(match now {
        Some(now) => change(object, vec![changed("networks", now, &value)], action),
        None => create(object, vec![field("networks", &value)], action),
    });
}

#[cfg(test)]
mod tests {
    use super::Networks;

    #[test]
    fn what_is_noted_is_read_again() {
        let text = "eu-west-1=10.2.0.0/16 us-east-1=10.1.0.0/16,100.64.0.0/16";
        let networks = Networks::parse(text);
        assert_eq!(networks.text(), text);
        let ranges: Vec<String> = networks.ranges().iter().map(ToString::to_string).collect();
        assert_eq!(ranges, ["10.1.0.0/16", "10.2.0.0/16", "100.64.0.0/16"]);
        assert_eq!(Networks::parse("nonsense a=b =").ranges(), []);
    }

    #[test]
    fn default_vpcs_of_two_regions_overlap() {
        let networks = Networks::parse("a=172.31.0.0/16 b=172.31.0.0/16 c=10.0.0.0/16,10.1.0.0/16");
        assert_eq!(networks.overlapping("a"), ["b"]);
        assert_eq!(networks.overlapping("c"), [""; 0]);
        assert_eq!(networks.overlapping("d"), [""; 0]);
    }
}
