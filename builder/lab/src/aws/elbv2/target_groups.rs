//! Owns target groups: what one is, and its operations.

use std::collections::BTreeMap;

use super::tags::parse_tags;
use super::targets::Target;
use crate::aws::check::Codes;
use crate::aws::error::ApiError;
use crate::aws::filter::Tags;
use crate::aws::operation::{Call, Operation};
use crate::aws::page::Page;
use crate::aws::params::Params;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

/// AWS's quota of target groups in a region.
const TARGET_GROUPS_AT_MOST: usize = 3_000;

/// How targets are checked.
const CHECK: &[&str] = &[
    "HealthCheckEnabled",
    "HealthCheckIntervalSeconds",
    "HealthCheckPath",
    "HealthCheckPort",
    "HealthCheckProtocol",
    "HealthCheckTimeoutSeconds",
    "HealthyThresholdCount",
    "Matcher.HttpCode",
    "UnhealthyThresholdCount",
];

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateTargetGroup",
        takes: &[
            ("", CHECK),
            (
                "",
                &[
                    "IpAddressType",
                    "Name",
                    "Port",
                    "Protocol",
                    "ProtocolVersion",
                    "TargetType",
                    "VpcId",
                ],
            ),
            ("Tags.#", &["Key", "Value"]),
        ],
        writes: true,
        handle: create_target_group,
    },
    Operation {
        name: "DescribeTargetGroups",
        takes: &[(
            "",
            &[
                "LoadBalancerArn",
                "TargetGroupArns.#",
                "Names.#",
                "Marker",
                "PageSize",
            ],
        )],
        writes: false,
        handle: describe_target_groups,
    },
    Operation {
        name: "ModifyTargetGroup",
        takes: &[("", CHECK), ("", &["TargetGroupArn"])],
        writes: true,
        handle: modify_target_group,
    },
    Operation {
        name: "DeleteTargetGroup",
        takes: &[("", &["TargetGroupArn"])],
        writes: true,
        handle: delete_target_group,
    },
];

/// A target group.
#[derive(Debug)]
pub(crate) struct TargetGroup {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) port: u16,
    pub(crate) kind: String,
    protocol_version: Option<String>,
    /// How targets are checked, by AWS's names.
    pub(crate) check: BTreeMap<&'static str, String>,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) tags: Tags,
    /// By id and port.
    pub(crate) targets: BTreeMap<String, Target>,
}

impl TargetGroup {
    /// A number that says how targets are checked.
    pub(crate) fn check_number(&self, name: &str) -> u64 {
        let number = self.check.get(name).and_then(|text| text.parse().ok());
        number.unwrap_or_default()
    }

    pub(crate) fn is_http(&self) -> bool {
        self.protocol.starts_with("HTTP")
    }
}

/// No target group has this ARN or name.
pub(crate) fn target_group_not_found() -> ApiError {
    ApiError::new("TargetGroupNotFound", "One or more target groups not found")
}

impl Region {
    /// The target group that a request names.
    pub(crate) fn target_group(&self, params: &Params) -> Result<&TargetGroup, ApiError> {
        let arn = params.required("TargetGroupArn")?;
        let group = self.balancing.target_groups.get(arn);
        group.ok_or_else(target_group_not_found)
    }

    /// Whether an Auto Scaling group may use these.
    pub(crate) fn check_target_groups(&self, arns: &[&str]) -> Result<(), ApiError> {
        let known = |arn: &&str| self.balancing.target_groups.contains_key(*arn);
        if arns.iter().all(known) {
            return Ok(());
        }
        Err(ApiError::validation(
            "Provided Target Groups may not be valid. Please ensure they exist and try again.",
        ))
    }
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.len() > 32 {
        return Err(ApiError::validation(format!(
            "Target group name '{name}' cannot be longer than '32' characters"
        )));
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !name.bytes().all(legal) || name.starts_with('-') || name.ends_with('-') {
        return Err(ApiError::validation(format!(
            "Target group name '{name}' can only contain characters that are alphanumeric \
             characters or hyphens(-), and cannot begin or end with a hyphen"
        )));
    }
    Ok(())
}

fn create_target_group(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let params = call.params;
    let name = params.required("Name")?;
    check_name(name)?;
    let group = new_target_group(region, name, params)?;
    let mut groups = region.balancing.target_groups.values();
    if let Some(known) = groups.find(|known| known.name == name) {
        // The same again is no error.
        let same = (&known.protocol, known.port, &known.kind, &known.check)
            == (&group.protocol, group.port, &group.kind, &group.check);
        if !same {
            return Err(ApiError::new(
                "DuplicateTargetGroupName",
                format!(
                    "A target group with the same name '{name}' exists, but with different settings"
                ),
            ));
        }
        xml.list("TargetGroups", [known], |xml, known| {
            write_group(region, xml, known);
        });
        return Ok(());
    }
    if region.balancing.target_groups.len() >= TARGET_GROUPS_AT_MOST {
        let text = "The maximum number of target groups has been reached";
        return Err(ApiError::new("TooManyTargetGroups", text));
    }
    xml.list("TargetGroups", [&group], |xml, group| {
        write_group(region, xml, group);
    });
    region
        .balancing
        .target_groups
        .insert(group.arn.clone(), group);
    Ok(())
}

fn new_target_group(
    region: &mut Region,
    name: &str,
    params: &Params,
) -> Result<TargetGroup, ApiError> {
    let kind = params.filled("TargetType").unwrap_or("instance");
    if kind != "instance" && kind != "ip" {
        let text = format!("Target type '{kind}' is not part of this simulation");
        return Err(ApiError::validation(text));
    }
    let protocol = params
        .filled("Protocol")
        .ok_or_else(|| ApiError::validation("A protocol must be specified"))?;
    if !["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP"].contains(&protocol) {
        return Err(ApiError::validation(format!(
            "Unsupported protocol '{protocol}'"
        )));
    }
    let port: u16 = params
        .integer("Port")?
        .filter(|port| *port > 0)
        .ok_or_else(|| ApiError::validation("A port must be specified"))?;
    let vpc = params.filled("VpcId");
    let vpc = vpc.ok_or_else(|| ApiError::validation("A VPC ID must be specified"))?;
    if vpc != region.network.vpc_id {
        let text = format!("The VPC ID '{vpc}' is not found");
        return Err(ApiError::validation(text));
    }
    let tags = parse_tags(params)?;
    let resource = format!("targetgroup/{name}/{}", region.ids.short());
    let is_http = protocol.starts_with("HTTP");
    let version = params.filled("ProtocolVersion").unwrap_or("HTTP1");
    let mut group = TargetGroup {
        arn: region.arn("elasticloadbalancing", &resource),
        name: name.to_owned(),
        protocol: protocol.to_owned(),
        port,
        kind: kind.to_owned(),
        protocol_version: is_http.then(|| version.to_owned()),
        check: usual_check(is_http),
        attributes: super::attributes::usual(),
        tags,
        targets: BTreeMap::new(),
    };
    change_check(&mut group, params)?;
    Ok(group)
}

fn usual_check(is_http: bool) -> BTreeMap<&'static str, String> {
    let mut check = BTreeMap::from([
        ("HealthCheckEnabled", "true"),
        ("HealthCheckIntervalSeconds", "30"),
        ("HealthCheckPort", "traffic-port"),
        ("HealthCheckProtocol", if is_http { "HTTP" } else { "TCP" }),
        (
            "HealthCheckTimeoutSeconds",
            if is_http { "5" } else { "10" },
        ),
        ("HealthyThresholdCount", "5"),
        ("UnhealthyThresholdCount", "2"),
    ]);
    if is_http {
        check.insert("HealthCheckPath", "/");
        check.insert("Matcher.HttpCode", "200");
    }
    let owned = check.into_iter();
    owned
        .map(|(name, value)| (name, value.to_owned()))
        .collect()
}

/// What a value of the check may be: bounds, or nothing to say.
fn bounds(name: &str) -> Option<(u64, u64)> {
    match name {
        "HealthCheckIntervalSeconds" => Some((5, 300)),
        "HealthCheckTimeoutSeconds" => Some((2, 120)),
        "HealthyThresholdCount" | "UnhealthyThresholdCount" => Some((2, 10)),
        _ => None,
    }
}

/// Whether a value of the check can be understood by whoever checks.
fn may_be(name: &str, value: &str) -> bool {
    match name {
        "HealthCheckPort" => {
            value == "traffic-port" || value.parse::<u16>().is_ok_and(|port| port > 0)
        }
        "HealthCheckProtocol" => ["HTTP", "HTTPS", "TCP"].contains(&value),
        "Matcher.HttpCode" => Codes::parse(value).is_some(),
        _ => true,
    }
}

fn change_check(group: &mut TargetGroup, params: &Params) -> Result<(), ApiError> {
    let mut changed = group.check.clone();
    for name in CHECK {
        let Some(value) = params.filled(name) else {
            continue;
        };
        if let Some((least, most)) = bounds(name) {
            let number: Option<u64> = params.integer(name)?;
            if !number.is_some_and(|number| (least..=most).contains(&number)) {
                return Err(ApiError::validation(format!(
                    "{name} '{value}' must be between '{least}' and '{most}'"
                )));
            }
        }
        if !may_be(name, value) {
            let text = format!("{name} '{value}' is not valid");
            return Err(ApiError::validation(text));
        }
        changed.insert(name, value.to_owned());
    }
    if changed
        .get("HealthCheckPath")
        .is_some_and(|path| !path.starts_with('/'))
    {
        return Err(ApiError::validation(format!(
            "Health check path '{}' must begin with a '/' character",
            changed["HealthCheckPath"]
        )));
    }
    let before = std::mem::replace(&mut group.check, changed);
    let interval = group.check_number("HealthCheckIntervalSeconds");
    if group.is_http() && group.check_number("HealthCheckTimeoutSeconds") >= interval {
        group.check = before;
        return Err(ApiError::validation(
            "Health check timeout must be smaller than the health check interval",
        ));
    }
    Ok(())
}

fn write_group(region: &Region, xml: &mut Xml, group: &TargetGroup) {
    xml.text("TargetGroupArn", &group.arn);
    xml.text("TargetGroupName", &group.name);
    xml.text("Protocol", &group.protocol);
    xml.maybe("ProtocolVersion", group.protocol_version.as_deref());
    xml.show("Port", group.port);
    xml.text("VpcId", &region.network.vpc_id);
    xml.text("TargetType", &group.kind);
    xml.text("IpAddressType", "ipv4");
    for (name, value) in &group.check {
        match name.split_once('.') {
            Some((outer, inner)) => xml.within(outer, |xml| xml.text(inner, value)),
            None => xml.text(name, value),
        }
    }
    let mut users: Vec<&str> = region.balancing.users_of(&group.arn).collect();
    users.dedup();
    xml.texts("LoadBalancerArns", users);
}

fn describe_target_groups(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let params = call.params;
    let page = Page::of_elbv2(params)?;
    let arns = params.strings("TargetGroupArns");
    let names = params.strings("Names");
    let groups = &region.balancing.target_groups;
    let is_named = |name: &&str| groups.values().any(|group| group.name == **name);
    if arns.iter().any(|arn| !groups.contains_key(*arn)) || !names.iter().all(is_named) {
        return Err(target_group_not_found());
    }
    let balancer = params.filled("LoadBalancerArn");
    if let Some(arn) = balancer {
        region.load_balancer(arn)?;
    }
    let asked = groups.values().filter(|group| {
        (arns.is_empty() || arns.contains(&group.arn.as_str()))
            && (names.is_empty() || names.contains(&group.name.as_str()))
            && balancer.is_none_or(|arn| {
                region
                    .balancing
                    .users_of(&group.arn)
                    .any(|user| user == arn)
            })
    });
    let (shown, next) = page.cut(asked.map(|group| (&group.arn, group)));
    xml.list("TargetGroups", shown, |xml, group| {
        write_group(region, xml, group);
    });
    xml.maybe("NextMarker", next.as_deref());
    Ok(())
}

fn modify_target_group(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let arn = region.target_group(call.params)?.arn.clone();
    let group = region.balancing.target_groups.get_mut(&arn);
    change_check(group.ok_or_else(target_group_not_found)?, call.params)?;
    let group = region.target_group(call.params)?;
    xml.list("TargetGroups", [group], |xml, group| {
        write_group(region, xml, group);
    });
    Ok(())
}

fn delete_target_group(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    // One that is not there is deleted already.
    let arn = call.params.required("TargetGroupArn")?;
    if region.balancing.is_used(arn) {
        let text = format!("Target group '{arn}' is currently in use by a listener or a rule");
        return Err(ApiError::new("ResourceInUse", text));
    }
    region.balancing.target_groups.remove(arn);
    Ok(())
}
