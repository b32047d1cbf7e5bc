//! Owns the default VPC of a region: its subnets, its security group, and which addresses are
//! free.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::aws::RegionSettings;
use crate::aws::error::ApiError;
use crate::aws::filter::{Filters, Tags};
use crate::aws::history::History;
use crate::aws::ids::Ids;
use crate::aws::operation::{Call, DRY_RUN, FILTERS, Operation, PAGES};
use crate::aws::page::Page;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

/// The first host of a subnet that instances get. EC2 keeps four for itself; the lab keeps its
/// endpoints below this one.
const FIRST_HOST: u32 = 10;
/// The hosts of a /20; the last address is the broadcast address, which EC2 keeps.
const HOSTS: u32 = 4_095;
/// How many of them instances get.
const USABLE: usize = (HOSTS - FIRST_HOST) as usize;
/// The addresses of a /20 without the five that EC2 keeps.
const ADDRESSES: usize = 4_091;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "DescribeVpcs",
        takes: &[DRY_RUN, FILTERS, PAGES, ("", &["VpcId.#"])],
        writes: false,
        handle: describe_vpcs,
    },
    Operation {
        name: "DescribeSubnets",
        takes: &[DRY_RUN, FILTERS, PAGES, ("", &["SubnetId.#"])],
        writes: false,
        handle: describe_subnets,
    },
    Operation {
        name: "DescribeSecurityGroups",
        takes: &[DRY_RUN, FILTERS, PAGES, ("", &["GroupId.#", "GroupName.#"])],
        writes: false,
        handle: describe_security_groups,
    },
];

/// The default VPC.
#[derive(Debug)]
pub(crate) struct Network {
    /// For example `vpc-0123456789abcdef0`.
    pub(crate) vpc_id: String,
    /// For example `172.31.0.0/16`.
    pub(crate) vpc_cidr: String,
    pub(crate) vpc_tags: History<Tags>,
    pub(crate) group_id: String,
    pub(crate) group_tags: History<Tags>,
    /// One for each zone, in the order of the zones.
    pub(crate) subnets: Vec<Subnet>,
}

/// The default subnet of a zone.
#[derive(Debug)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    /// For example `eu-west-1a`.
    pub(crate) zone: String,
    /// For example `euw1-az1`.
    pub(crate) zone_id: String,
    pub(crate) tags: History<Tags>,
    base: u32,
    next: u32,
    used: BTreeSet<u32>,
}

impl Network {
    /// The VPC as an account has it from its start.
    pub(crate) fn new(settings: &RegionSettings, ids: &mut Ids) -> Self {
        let [first, second] = settings.vpc;
        let new_tags = || History::new(Duration::ZERO, Tags::new());
        let subnet = |(number, letter): (u8, char)| Subnet {
            id: ids.resource("subnet"),
            zone: format!("{}{letter}", settings.name),
            zone_id: format!("{}-az{}", short_name(&settings.name), number + 1),
            tags: new_tags(),
            base: Ipv4Addr::new(first, second, number * 16, 0).to_bits(),
            next: FIRST_HOST,
            used: BTreeSet::new(),
        };
        let zones = (0..16_u8).zip('a'..).take(settings.zones);
        let subnets = zones.map(subnet).collect();
        Self {
            vpc_id: ids.resource("vpc"),
            vpc_cidr: format!("{first}.{second}.0.0/16"),
            vpc_tags: new_tags(),
            group_id: ids.resource("sg"),
            group_tags: new_tags(),
            subnets,
        }
    }

    /// The subnet with this id.
    pub(crate) fn subnet(&self, id: &str) -> Result<&Subnet, ApiError> {
        let subnet = self.subnets.iter().find(|subnet| subnet.id == id);
        subnet.ok_or_else(|| {
            let text = format!("The subnet ID '{id}' does not exist");
            ApiError::new("InvalidSubnetID.NotFound", text)
        })
    }

    /// The default subnet of `zone`.
    pub(crate) fn in_zone(&self, zone: &str) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.zone == zone)
    }

    /// Whether there is a security group of this id.
    pub(crate) fn check_security_group(&self, id: &str) -> Result<(), ApiError> {
        if id == self.group_id {
            return Ok(());
        }
        let text = format!("The security group '{id}' does not exist");
        Err(ApiError::new("InvalidGroup.NotFound", text))
    }

    /// Takes a free address of a subnet. An address that was given back is used again only when
    /// all others were: what is left of the instance before must not meet the next one.
    pub(crate) fn take_address(&mut self, subnet_id: &str) -> Result<Ipv4Addr, ApiError> {
        self.subnet(subnet_id)?;
        let mut subnets = self.subnets.iter_mut();
        let subnet = subnets.find(|subnet| subnet.id == subnet_id);
        let subnet = subnet.expect("it was found a line above");
        for _ in FIRST_HOST..HOSTS {
            let host = subnet.next;
            subnet.next = if host + 1 == HOSTS {
                FIRST_HOST
            } else {
                host + 1
            };
            if subnet.used.insert(host) {
                return Ok(Ipv4Addr::from_bits(subnet.base + host));
            }
        }
        Err(no_free_addresses(subnet_id))
    }

    /// Gives an address back.
    pub(crate) fn free_address(&mut self, subnet_id: &str, address: Ipv4Addr) {
        if let Some(subnet) = self.subnets.iter_mut().find(|one| one.id == subnet_id) {
            let host = address.to_bits().wrapping_sub(subnet.base);
            subnet.used.remove(&host);
        }
    }
}

/// All addresses of a subnet are taken.
pub(crate) fn no_free_addresses(subnet_id: &str) -> ApiError {
    let text = format!("Not enough free addresses in subnet '{subnet_id}'");
    ApiError::new("InsufficientFreeAddressesInSubnet", text)
}

impl Subnet {
    /// How many more instances it has addresses for.
    pub(crate) fn free(&self) -> usize {
        USABLE - self.used.len()
    }

    fn cidr(&self) -> String {
        format!("{}/20", Ipv4Addr::from_bits(self.base))
    }
}

/// `euw1` for `eu-west-1`, as zone ids have it.
fn short_name(region: &str) -> String {
    let mut parts = region.split('-');
    let mut short: String = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        for (direction, letters) in [
            ("northeast", "ne"),
            ("northwest", "nw"),
            ("southeast", "se"),
            ("southwest", "sw"),
        ] {
            if part == direction {
                short.push_str(letters);
            }
        }
        if !part.starts_with("north") && !part.starts_with("south") || part.len() == 5 {
            short.extend(part.chars().take(1));
        }
    }
    short
}

fn describe_vpcs(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let known = [
        "vpc-id",
        "cidr",
        "is-default",
        "isDefault",
        "state",
        "owner-id",
        "tag",
    ];
    let filters = Filters::parse(call.params, &known)?;
    let network = &region.network;
    let ids = call.params.strings("VpcId");
    if let Some(id) = ids.iter().find(|id| **id != network.vpc_id) {
        let text = format!("The vpc ID '{id}' does not exist");
        return Err(ApiError::new("InvalidVpcID.NotFound", text));
    }
    let tags = network.vpc_tags.get();
    let accepted = filters.accept(tags, |name, test| match name {
        "vpc-id" => test(&network.vpc_id),
        "cidr" => test(&network.vpc_cidr),
        "is-default" | "isDefault" => test("true"),
        "state" => test("available"),
        _ => test(&region.account_id),
    });
    xml.list("vpcSet", accepted.then_some(()), |xml, ()| {
        xml.text("vpcId", &network.vpc_id);
        xml.text("ownerId", &region.account_id);
        xml.text("state", "available");
        xml.text("cidrBlock", &network.vpc_cidr);
        xml.list("cidrBlockAssociationSet", [()], |xml, ()| {
            let id = network.vpc_id.replacen("vpc-", "vpc-cidr-assoc-", 1);
            xml.text("associationId", &id);
            xml.text("cidrBlock", &network.vpc_cidr);
            xml.within("cidrBlockState", |xml| xml.text("state", "associated"));
        });
        xml.text("instanceTenancy", "default");
        xml.text("isDefault", "true");
        xml.tags(tags);
    });
    Ok(())
}

fn describe_subnets(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let known = [
        "subnet-id",
        "vpc-id",
        "availability-zone",
        "availabilityZone",
        "availability-zone-id",
        "cidr-block",
        "default-for-az",
        "defaultForAz",
        "state",
        "owner-id",
        "tag",
    ];
    let filters = Filters::parse(call.params, &known)?;
    let page = Page::of_ec2(call.params, &(5..=1000))?;
    let network = &region.network;
    let ids = call.params.strings("SubnetId");
    for id in &ids {
        network.subnet(id)?;
    }
    let accepted = network.subnets.iter().filter(|subnet| {
        (ids.is_empty() || ids.contains(&subnet.id.as_str()))
            && filters.accept(subnet.tags.get(), |name, test| match name {
                "subnet-id" => test(&subnet.id),
                "vpc-id" => test(&network.vpc_id),
                "availability-zone" | "availabilityZone" => test(&subnet.zone),
                "availability-zone-id" => test(&subnet.zone_id),
                "cidr-block" => test(&subnet.cidr()),
                "default-for-az" | "defaultForAz" => test("true"),
                "state" => test("available"),
                _ => test(&region.account_id),
            })
    });
    let (subnets, next) = page.cut(accepted.map(|subnet| (&subnet.zone, subnet)));
    xml.list("subnetSet", subnets, |xml, subnet| {
        xml.text("subnetId", &subnet.id);
        xml.text(
            "subnetArn",
            &region.arn("ec2", &format!("subnet/{}", subnet.id)),
        );
        xml.text("state", "available");
        xml.text("vpcId", &network.vpc_id);
        xml.text("ownerId", &region.account_id);
        xml.text("cidrBlock", &subnet.cidr());
        xml.show("availableIpAddressCount", ADDRESSES - subnet.used.len());
        xml.text("availabilityZone", &subnet.zone);
        xml.text("availabilityZoneId", &subnet.zone_id);
        xml.text("defaultForAz", "true");
        xml.text("mapPublicIpOnLaunch", "false");
        xml.text("assignIpv6AddressOnCreation", "false");
        xml.tags(subnet.tags.get());
    });
    xml.maybe("nextToken", next.as_deref());
    Ok(())
}

fn describe_security_groups(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let known = [
        "group-id",
        "group-name",
        "vpc-id",
        "owner-id",
        "description",
        "tag",
    ];
    let filters = Filters::parse(call.params, &known)?;
    let network = &region.network;
    for id in call.params.strings("GroupId") {
        network.check_security_group(id)?;
    }
    let names = call.params.strings("GroupName");
    if let Some(name) = names.iter().find(|name| **name != "default") {
        let text = format!("The security group '{name}' does not exist in default VPC");
        return Err(ApiError::new("InvalidGroup.NotFound", text));
    }
    let accepted = filters.accept(network.group_tags.get(), |name, test| match name {
        "group-id" => test(&network.group_id),
        "group-name" => test("default"),
        "vpc-id" => test(&network.vpc_id),
        "description" => test("default VPC security group"),
        _ => test(&region.account_id),
    });
    xml.list("securityGroupInfo", accepted.then_some(()), |xml, ()| {
        xml.text("ownerId", &region.account_id);
        xml.text("groupId", &network.group_id);
        xml.text("groupName", "default");
        xml.text("groupDescription", "default VPC security group");
        xml.text("vpcId", &network.vpc_id);
        xml.list("ipPermissions", [()], |xml, ()| {
            xml.text("ipProtocol", "-1");
            xml.list("groups", [()], |xml, ()| {
                xml.text("userId", &region.account_id);
                xml.text("groupId", &network.group_id);
            });
        });
        xml.list("ipPermissionsEgress", [()], |xml, ()| {
            xml.text("ipProtocol", "-1");
            xml.list("ipRanges", [()], |xml, ()| xml.text("cidrIp", "0.0.0.0/0"));
        });
        xml.tags(network.group_tags.get());
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        let settings = RegionSettings {
            name: "eu-west-1".to_owned(),
            vpc: [10, 7],
            zones: 3,
        };
        Network::new(&settings, &mut Ids::new(1, "eu-west-1"))
    }

    #[test]
    fn each_zone_has_its_subnet() {
        let network = network();
        let zones: Vec<(&str, &str, String)> = network
            .subnets
            .iter()
            .map(|subnet| (&*subnet.zone, &*subnet.zone_id, subnet.cidr()))
            .collect();
        assert_eq!(
            zones,
            [
                ("eu-west-1a", "euw1-az1", "10.7.0.0/20".to_owned()),
                ("eu-west-1b", "euw1-az2", "10.7.16.0/20".to_owned()),
                ("eu-west-1c", "euw1-az3", "10.7.32.0/20".to_owned()),
            ]
        );
    }

    #[test]
    fn zone_ids_are_those_of_aws() {
        for (region, short) in [
            ("us-east-1", "use1"),
            ("ap-southeast-2", "apse2"),
            ("eu-north-1", "eun1"),
            ("ca-central-1", "cac1"),
            ("ap-northeast-1", "apne1"),
        ] {
            assert_eq!(short_name(region), short);
        }
    }

    #[test]
    fn addresses_are_given_once_and_reused_last() {
        let mut network = network();
        let id = network.subnets[1].id.clone();
        let first = network.take_address(&id).unwrap();
        assert_eq!(first, Ipv4Addr::new(10, 7, 16, 10));
        network.free_address(&id, first);
        let mut given = BTreeSet::new();
        for _ in FIRST_HOST..HOSTS {
            assert!(given.insert(network.take_address(&id).unwrap()));
        }
        assert_eq!(given.last(), Some(&Ipv4Addr::new(10, 7, 31, 254)));
        let error = network.take_address(&id).unwrap_err();
        assert_eq!(error.code, "InsufficientFreeAddressesInSubnet");
    }
}
