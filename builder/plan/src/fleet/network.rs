//! Owns where a region's instances go: the subnets and security groups of the cluster, or else those
//! of the default VPC, and the one subnet of each slot.

use serde::Serialize;

use super::inventory::RegionInventory;
use super::problem::RegionProblem;

/// The network of a region's instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Network {
    /// The VPC.
    pub vpc: String,
    /// Its subnets that are used, by zone and then by id.
    pub subnets: Vec<Subnet>,
    /// The security groups, sorted.
    pub security_groups: Vec<String>,
}

/// A subnet that is used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Subnet {
    /// Its zone.
    pub zone: String,
    /// Its id.
    pub id: String,
}

impl Network {
    /// Chooses among what is there.
    pub(super) fn choose(region: &str, found: &RegionInventory) -> Result<Self, RegionProblem> {
        let tagged = found.subnets.iter().any(|subnet| subnet.tagged);
        let used = || {
            found
                .subnets
                .iter()
                .filter(|subnet| subnet.tagged == tagged)
        };
        let mut vpcs: Vec<&str> = used().map(|subnet| subnet.vpc.as_str()).collect();
        vpcs.sort_unstable();
        vpcs.dedup();
        let vpc = match vpcs.as_slice() {
            [vpc] => (*vpc).to_owned(),
            [] => return Err(RegionProblem::NoSubnet(region.to_owned())),
            several => {
                return Err(RegionProblem::SeveralVpcs {
                    region: region.to_owned(),
                    vpcs: several.join("`, `"),
                });
            }
        };
        let mut subnets: Vec<Subnet> = used()
            .map(|subnet| Subnet {
                zone: subnet.zone.clone(),
                id: subnet.id.clone(),
            })
            .collect();
        subnets.sort();
        subnets.dedup();
        let security_groups = security_groups(found, &vpc);
        if security_groups.is_empty() {
            let region = region.to_owned();
            return Err(RegionProblem::NoSecurityGroup { region, vpc });
        }
        Ok(Self {
            vpc,
            subnets,
            security_groups,
        })
    }

    /// The ids of all subnets, sorted.
    pub(super) fn subnet_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self
            .subnets
            .iter()
            .map(|subnet| subnet.id.clone())
            .collect();
        ids.sort();
        ids
    }

    /// The same with only the subnets whose zone is wanted.
    pub(super) fn in_zones(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let mut network = self.clone();
        network.subnets.retain(|subnet| wanted(&subnet.zone));
        network
    }

    /// The subnet for a slot that has nothing yet: slots go around the zones.
    pub(super) fn subnet_of_slot(&self, slot: u32) -> &Subnet {
        let mut firsts: Vec<&Subnet> = Vec::new();
        for subnet in &self.subnets {
            if firsts.last().is_none_or(|last| last.zone != subnet.zone) {
                firsts.push(subnet);
            }
        }
        let turn = usize::try_from(slot.saturating_sub(1)).unwrap_or(0);
        firsts[turn % firsts.len()]
    }

    /// The subnet in `zone`.
    pub(super) fn subnet_in(&self, zone: &str) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.zone == zone)
    }
}

fn security_groups(found: &RegionInventory, vpc: &str) -> Vec<String> {
    let of_vpc = || {
        found
            .security_groups
            .iter()
            .filter(|group| group.vpc == vpc)
    };
    let tagged = of_vpc().any(|group| group.tagged);
    let mut ids: Vec<String> = of_vpc()
        .filter(|group| group.tagged == tagged)
        .map(|group| group.id.clone())
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use super::Network;
    use crate::fleet::inventory::{RegionInventory, SecurityGroupInventory, SubnetInventory};

    fn subnet(id: &str, vpc: &str, zone: &str, tagged: bool) -> SubnetInventory {
        SubnetInventory {
            id: id.to_owned(),
            vpc: vpc.to_owned(),
            zone: zone.to_owned(),
            tagged,
        }
    }

    fn security_group(id: &str, vpc: &str, tagged: bool) -> SecurityGroupInventory {
        SecurityGroupInventory {
            id: id.to_owned(),
            vpc: vpc.to_owned(),
            tagged,
        }
    }

    fn found() -> RegionInventory {
        RegionInventory {
            subnets: vec![
                subnet("subnet-d", "vpc-0", "b", false),
                subnet("subnet-c", "vpc-0", "a", false),
                subnet("subnet-e", "vpc-0", "a", false),
            ],
            security_groups: vec![security_group("sg-0", "vpc-0", false)],
            ..RegionInventory::default()
        }
    }

    #[test]
    fn without_tags_the_default_vpc_is_used() {
        let network = Network::choose("x", &found()).unwrap();
        assert_eq!(network.vpc, "vpc-0");
        assert_eq!(network.subnet_ids(), ["subnet-c", "subnet-d", "subnet-e"]);
        assert_eq!(network.security_groups, ["sg-0"]);
        let slots: Vec<&str> = (1..=4)
            .map(|slot| network.subnet_of_slot(slot).id.as_str())
            .collect();
        assert_eq!(slots, ["subnet-c", "subnet-d", "subnet-c", "subnet-d"]);
    }

    #[test]
    fn what_is_tagged_is_used_alone() {
        let mut found = found();
        found.subnets.push(subnet("subnet-1", "vpc-1", "a", true));
        found.security_groups.extend([
            security_group("sg-1", "vpc-1", false),
            security_group("sg-2", "vpc-1", true),
        ]);
        let network = Network::choose("x", &found).unwrap();
        assert_eq!(network.subnet_ids(), ["subnet-1"]);
        assert_eq!(network.security_groups, ["sg-2"]);
        found.security_groups.clear();
        assert_eq!(
            Network::choose("x", &found).unwrap_err().to_string(),
            "`vpc-1` in `x` has no security group for the fleet"
        );
        found.subnets.push(subnet("subnet-2", "vpc-2", "a", true));
        assert_eq!(
            Network::choose("x", &found).unwrap_err().to_string(),
            "the fleet's subnets in `x` lie in several VPCs: `vpc-1`, `vpc-2`"
        );
        found.subnets.clear();
        assert_eq!(
            Network::choose("x", &found).unwrap_err().to_string(),
            "`x` has no subnet for the fleet"
        );
    }
}
