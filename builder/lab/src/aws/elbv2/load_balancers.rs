//! Owns load balancers.

use std::collections::BTreeSet;
use std::time::Duration;

use super::tags::parse_tags;
use crate::aws::error::ApiError;
use crate::aws::filter::Tags;
use crate::aws::operation::{Call, Operation};
use crate::aws::page::Page;
use crate::aws::region::Region;
use crate::aws::schedule::Event;
use crate::aws::xml::Xml;

/// How long a new load balancer is `provisioning`.
const PROVISIONING: Duration = Duration::from_secs(2);

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateLoadBalancer",
        takes: &[
            (
                "",
                &[
                    "IpAddressType",
                    "Name",
                    "Scheme",
                    "SecurityGroups.#",
                    "Subnets.#",
                    "Type",
                ],
            ),
            ("Tags.#", &["Key", "Value"]),
        ],
        writes: true,
        handle: create_load_balancer,
    },
    Operation {
        name: "DescribeLoadBalancers",
        takes: &[("", &["LoadBalancerArns.#", "Names.#", "Marker", "PageSize"])],
        writes: false,
        handle: describe_load_balancers,
    },
    Operation {
        name: "DeleteLoadBalancer",
        takes: &[("", &["LoadBalancerArn"])],
        writes: true,
        handle: delete_load_balancer,
    },
];

/// A load balancer.
#[derive(Debug)]
pub(crate) struct LoadBalancer {
    pub(crate) arn: String,
    pub(crate) name: String,
    dns_name: String,
    kind: String,
    scheme: String,
    /// Ids and zones.
    subnets: Vec<(String, String)>,
    security_groups: Vec<String>,
    created: String,
    active: bool,
    pub(crate) tags: Tags,
}

impl Region {
    /// The load balancer with this ARN.
    pub(crate) fn load_balancer(&self, arn: &str) -> Result<&LoadBalancer, ApiError> {
        let balancer = self.balancing.load_balancers.get(arn);
        balancer.ok_or_else(|| {
            let text = format!("Load balancer '{arn}' not found");
            ApiError::new("LoadBalancerNotFound", text)
        })
    }

    /// A load balancer is ready.
    pub(crate) fn load_balancer_active(&mut self, arn: &str) {
        if let Some(balancer) = self.balancing.load_balancers.get_mut(arn) {
            balancer.active = true;
        }
    }
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.len() <= 32 && name.bytes().all(legal) && !name.starts_with("internal-") {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "The load balancer name '{name}' can only contain characters that are alphanumeric \
         characters and hyphens(-), at most 32, and cannot begin with 'internal-'"
    )))
}

fn create_load_balancer(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let params = call.params;
    let name = params.required("Name")?;
    check_name(name)?;
    let kind = params.filled("Type").unwrap_or("application");
    let letters = match kind {
        "application" => "app",
        "network" => "net",
        _ => {
            let text = format!("Load balancer type '{kind}' is not part of this simulation");
            return Err(ApiError::validation(text));
        }
    };
    let mut known = region.balancing.load_balancers.values();
    if known.any(|balancer| balancer.name == name) {
        let text = format!("A load balancer with the name '{name}' exists");
        return Err(ApiError::new("DuplicateLoadBalancerName", text));
    }
    let subnets = subnets(region, &params.strings("Subnets"), kind)?;
    for id in params.strings("SecurityGroups") {
        region
            .network
            .check_security_group(id)
            .map_err(|error| ApiError::new("InvalidSecurityGroup", error.message))?;
    }
    let scheme = params.filled("Scheme").unwrap_or("internet-facing");
    let tags = parse_tags(params)?;
    let resource = format!("loadbalancer/{letters}/{name}/{}", region.ids.short());
    let prefix = if scheme == "internal" {
        "internal-"
    } else {
        ""
    };
    let number = region.ids.number() % 10_000_000_000;
    let balancer = LoadBalancer {
        arn: region.arn("elasticloadbalancing", &resource),
        name: name.to_owned(),
        dns_name: format!("{prefix}{name}-{number}.{}.elb.amazonaws.com", region.name),
        kind: kind.to_owned(),
        scheme: scheme.to_owned(),
        subnets,
        security_groups: params
            .strings("SecurityGroups")
            .into_iter()
            .map(str::to_owned)
            .collect(),
        created: region.time_text(),
        active: false,
        tags,
    };
    xml.list("LoadBalancers", [&balancer], |xml, one| {
        write(region, xml, one);
    });
    let arn = balancer.arn.clone();
    region
        .balancing
        .load_balancers
        .insert(arn.clone(), balancer);
    region.later(PROVISIONING, Event::LoadBalancerActive(arn));
    Ok(())
}

fn subnets(region: &Region, ids: &[&str], kind: &str) -> Result<Vec<(String, String)>, ApiError> {
    let mut subnets = Vec::new();
    for id in ids {
        let subnet = region.network.subnet(id);
        let subnet = subnet.map_err(|error| ApiError::new("SubnetNotFound", error.message))?;
        subnets.push((subnet.id.clone(), subnet.zone.clone()));
    }
    let zones: BTreeSet<&String> = subnets.iter().map(|(_, zone)| zone).collect();
    if zones.len() < subnets.len() {
        return Err(ApiError::new(
            "InvalidConfigurationRequest",
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        ));
    }
    if zones.is_empty() || kind == "application" && zones.len() < 2 {
        return Err(ApiError::validation(
            "At least two subnets in two different Availability Zones must be specified",
        ));
    }
    Ok(subnets)
}

fn write(region: &Region, xml: &mut Xml, balancer: &LoadBalancer) {
    xml.text("LoadBalancerArn", &balancer.arn);
    xml.text("LoadBalancerName", &balancer.name);
    xml.text("DNSName", &balancer.dns_name);
    xml.text("CanonicalHostedZoneId", "Z0000000000000000000");
    xml.text("CreatedTime", &balancer.created);
    xml.text("Scheme", &balancer.scheme);
    xml.text("VpcId", &region.network.vpc_id);
    xml.text("Type", &balancer.kind);
    xml.text("IpAddressType", "ipv4");
    xml.within("State", |xml| {
        let state = if balancer.active {
            "active"
        } else {
            "provisioning"
        };
        xml.text("Code", state);
    });
    xml.list("AvailabilityZones", &balancer.subnets, |xml, (id, zone)| {
        xml.text("ZoneName", zone);
        xml.text("SubnetId", id);
    });
    xml.texts("SecurityGroups", &balancer.security_groups);
}

fn describe_load_balancers(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let page = Page::of_elbv2(call.params)?;
    let arns = call.params.strings("LoadBalancerArns");
    let names = call.params.strings("Names");
    for arn in &arns {
        region.load_balancer(arn)?;
    }
    let balancers = &region.balancing.load_balancers;
    for name in &names {
        if !balancers.values().any(|balancer| balancer.name == *name) {
            let text = format!("Load balancers '[{name}]' not found");
            return Err(ApiError::new("LoadBalancerNotFound", text));
        }
    }
    let asked = balancers.values().filter(|balancer| {
        (arns.is_empty() || arns.contains(&balancer.arn.as_str()))
            && (names.is_empty() || names.contains(&balancer.name.as_str()))
    });
    let (shown, next) = page.cut(asked.map(|balancer| (&balancer.arn, balancer)));
    xml.list("LoadBalancers", shown, |xml, one| write(region, xml, one));
    xml.maybe("NextMarker", next.as_deref());
    Ok(())
}

/// Its listeners go with it; one that is not there is deleted already.
fn delete_load_balancer(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    let arn = call.params.required("LoadBalancerArn")?;
    region.balancing.load_balancers.remove(arn);
    let listeners = &mut region.balancing.listeners;
    listeners.retain(|_, listener| listener.load_balancer != arn);
    Ok(())
}
