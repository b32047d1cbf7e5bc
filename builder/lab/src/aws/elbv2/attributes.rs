//! Owns the attributes of target groups.

use std::collections::BTreeMap;
use std::time::Duration;

use super::target_groups::{TargetGroup, target_group_not_found};
use crate::aws::error::ApiError;
use crate::aws::operation::{Call, Operation};
use crate::aws::region::Region;
use crate::aws::xml::Xml;

/// How long a target drains.
const DELAY: &str = "deregistration_delay.timeout_seconds";

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "DescribeTargetGroupAttributes",
        takes: &[("", &["TargetGroupArn"])],
        writes: false,
        handle: describe,
    },
    Operation {
        name: "ModifyTargetGroupAttributes",
        takes: &[
            ("", &["TargetGroupArn"]),
            ("Attributes.#", &["Key", "Value"]),
        ],
        writes: true,
        handle: modify,
    },
];

/// The attributes that a new target group has.
pub(crate) fn usual() -> BTreeMap<String, String> {
    let pairs = [
        (DELAY, "300"),
        ("load_balancing.algorithm.type", "round_robin"),
        (
            "load_balancing.cross_zone.enabled",
            "use_load_balancer_configuration",
        ),
        ("slow_start.duration_seconds", "0"),
        ("stickiness.enabled", "false"),
        ("stickiness.lb_cookie.duration_seconds", "86400"),
        ("stickiness.type", "lb_cookie"),
    ];
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

impl TargetGroup {
    /// How long a target drains.
    pub(crate) fn delay(&self) -> Duration {
        let seconds = self
            .attributes
            .get(DELAY)
            .and_then(|text| text.parse().ok());
        Duration::from_secs(seconds.unwrap_or(300))
    }
}

fn write(xml: &mut Xml, group: &TargetGroup) {
    xml.list("Attributes", &group.attributes, |xml, (key, value)| {
        xml.text("Key", key);
        xml.text("Value", value);
    });
}

fn describe(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    write(xml, region.target_group(call.params)?);
    Ok(())
}

fn modify(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let group = region.target_group(call.params)?;
    let mut changed = group.attributes.clone();
    for entry in call.params.list("Attributes") {
        let key = entry.required("Key")?;
        let value = entry.get("Value").unwrap_or_default();
        if !changed.contains_key(key) {
            let text = format!("Target group attribute key '{key}' is not recognized");
            return Err(ApiError::validation(text));
        }
        let seconds: Option<u64> = value.parse().ok();
        if key == DELAY && seconds.is_none_or(|seconds| seconds > 3_600) {
            return Err(ApiError::validation(format!(
                "'{DELAY}' must be between '0' and '3600'"
            )));
        }
        changed.insert(key.to_owned(), value.to_owned());
    }
    let arn = group.arn.clone();
    let group = region.balancing.target_groups.get_mut(&arn);
    let group = group.ok_or_else(target_group_not_found)?;
    group.attributes = changed;
    write(xml, group);
    Ok(())
}
