//! Owns the addresses of a region in the lab: its network, its gateway, its resolver and its
//! endpoint. Pure: must not touch any network.

use std::net::Ipv4Addr;

use super::NetworkError;

/// Where every instance finds its metadata service.
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// The first two octets of the VPC that AWS makes in each region of a new account.
const DEFAULT_VPC: [u8; 2] = [172, 31];

/// A region of the lab: the network 10.N.0.0/16, or that of AWS's own default VPC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Region {
    name: String,
    first: u8,
    octet: u8,
}

impl Region {
    /// The region `name` with the network of AWS's default VPC, 172.31.0.0/16. Of a lab's regions one
    /// can have it: nodes of two could not reach each other.
    pub fn default_vpc(name: &str) -> Self {
        let [first, octet] = DEFAULT_VPC;
        Self {
            name: name.to_owned(),
            first,
            octet,
        }
    }

    /// The region `name` with the network 10.`octet`.0.0/16.
    pub fn new(name: &str, octet: u8) -> Self {
        Self {
            name: name.to_owned(),
            first: 10,
            octet,
        }
    }

    /// For example `eu-west-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The second octet of its addresses, which no other region of a lab has.
    pub fn octet(&self) -> u8 {
        self.octet
    }

    /// The first two octets of its addresses.
    pub fn octets(&self) -> [u8; 2] {
        [self.first, self.octet]
    }

    /// Its network, for example `10.1.0.0/16`.
    pub fn network(&self) -> String {
        format!("{}.{}.0.0/16", self.first, self.octet)
    }

    /// The router, the first address as in every VPC.
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.first, self.octet, 0, 1)
    }

    /// The name server, the second address as in every VPC.
    pub fn resolver(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.first, self.octet, 0, 2)
    }

    /// Where the region's simulated AWS endpoints listen: the third address, which a VPC keeps free.
    pub fn endpoint(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.first, self.octet, 0, 3)
    }

    /// The domain of its instances' private names.
    pub fn domain(&self) -> String {
        if self.name == "us-east-1" {
            "ec2.internal".to_owned()
        } else {
            format!("{}.compute.internal", self.name)
        }
    }

    /// Whether `address` is one that an instance here may have.
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        let [first, octet, high, low] = address.octets();
        let host = u16::from_be_bytes([high, low]);
        // A VPC keeps the first four addresses and the last one.
        [first, octet] == self.octets() && host > 3 && host < u16::MAX
    }

    /// The name of its bridge.
    pub(crate) fn bridge(&self) -> String {
        format!("br{}", self.octet)
    }
}

/// The name that EC2 gives an instance by its address.
pub fn host_name(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("ip-{a}-{b}-{c}-{d}")
}

/// A MAC address for the interface with this address, of the block that is free for local use.
pub fn mac_of(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// The lab's end of a node's cable. The kernel's limit of 15 characters holds for every address.
pub(super) fn cable(address: Ipv4Addr) -> String {
    let [_, b, c, d] = address.octets();
    format!("v{b}-{c}-{d}")
}

/// Refuses regions that share a name or a network, and names that are no DNS labels.
pub(super) fn check(regions: &[Region]) -> Result<(), NetworkError> {
    for (index, region) in regions.iter().enumerate() {
        let label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.name.is_empty() || !region.name.bytes().all(label) {
            return Err(NetworkError::RegionName {
                region: region.name.clone(),
            });
        }
        let earlier = regions.get(..index).unwrap_or_default();
        if let Some(other) = earlier
            .iter()
            .find(|other| other.name == region.name || other.octet == region.octet)
        {
            return Err(NetworkError::SharedNetwork {
                region: region.name.clone(),
                other: other.name.clone(),
                network: region.network(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Region, cable, check, host_name, mac_of};
    use std::net::Ipv4Addr;

    #[test]
    fn addresses_follow_from_the_octet() {
        let region = Region::new("eu-west-1", 7);
        assert_eq!(region.network(), "10.7.0.0/16");
        assert_eq!(region.gateway(), Ipv4Addr::new(10, 7, 0, 1));
        assert_eq!(region.resolver(), Ipv4Addr::new(10, 7, 0, 2));
        assert_eq!(region.endpoint(), Ipv4Addr::new(10, 7, 0, 3));
        assert_eq!(region.domain(), "eu-west-1.compute.internal");
        assert_eq!(Region::new("us-east-1", 1).domain(), "ec2.internal");
        let default = Region::default_vpc("us-east-1");
        assert_eq!(default.network(), "172.31.0.0/16");
        assert_eq!(default.resolver(), Ipv4Addr::new(172, 31, 0, 2));
        assert!(default.holds(Ipv4Addr::new(172, 31, 0, 4)));
        assert!(!default.holds(Ipv4Addr::new(10, 31, 0, 4)));
        let address = Ipv4Addr::new(10, 7, 255, 254);
        assert_eq!(host_name(address), "ip-10-7-255-254");
        assert_eq!(mac_of(address), "02:00:0a:07:ff:fe");
        assert_eq!(cable(Ipv4Addr::new(10, 255, 255, 254)).len(), 12);
    }

    #[test]
    fn a_region_keeps_addresses_as_a_vpc_does() {
        let region = Region::new("eu-west-1", 7);
        let table = [
            ([10, 7, 0, 3], false),
            ([10, 7, 0, 4], true),
            ([10, 7, 255, 254], true),
            ([10, 7, 255, 255], false),
            ([10, 8, 0, 4], false),
            ([11, 7, 0, 4], false),
        ];
        for (octets, expected) in table {
            assert_eq!(region.holds(Ipv4Addr::from(octets)), expected, "{octets:?}");
        }
    }

    #[test]
    fn regions_must_differ() {
        let said = |regions: &[Region]| check(regions).unwrap_err().to_string();
        assert_eq!(
            said(&[Region::new("a", 1), Region::new("b", 1)]),
            "regions `b` and `a` cannot both be the network 10.1.0.0/16"
        );
        assert_eq!(
            said(&[Region::new("eu west", 1)]),
            "`eu west` is no name of a region"
        );
    }
}
