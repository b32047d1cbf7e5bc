//! Owns reading target groups.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{ProtocolEnum, TargetGroup};
use vmimage_plan::definition::Fleet;
use vmimage_plan::fleet::inventory::TargetGroupInventory;
use vmimage_plan::fleet::names::{self, tag};
use vmimage_plan::fleet::objects::{TargetGroupHealth, TargetGroupSettings};

use super::{number, text};
use crate::account::Clients;
use crate::error::{CallError, elbv2, refused};

/// As many target groups as one call tells the tags of.
const TAGS_AT_ONCE: usize = 20;

/// Target groups with the cluster's tag or with the name of one of its. There is no filter for tags.
pub(super) async fn observe_target_groups(
    clients: &Clients,
    fleet: &Fleet,
) -> Result<Vec<TargetGroupInventory>, CallError> {
    let all: Vec<TargetGroup> = clients
        .elbv2
        .describe_target_groups()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await
        .map_err(refused(elbv2("DescribeTargetGroups")))?;
    let arns: Vec<String> = all
        .iter()
        .map(|group| text(group.target_group_arn()))
        .collect();
    let mut tags = BTreeMap::new();
    for arns in arns.chunks(TAGS_AT_ONCE) {
        tags.extend(tags_of(clients, arns).await?);
    }
    let wanted: Vec<String> = fleet
        .roles
        .iter()
        .map(|role| names::target_group(&fleet.cluster, role.role))
        .collect();
    let found = all
        .iter()
        .zip(arns)
        .map(|(group, arn)| TargetGroupInventory {
            tags: tags.remove(&arn).unwrap_or_default(),
            arn,
            name: text(group.target_group_name()),
            settings: settings(group),
        });
    let ours = |group: &TargetGroupInventory| {
        group.tags.get(tag::CLUSTER) == Some(&fleet.cluster) || wanted.contains(&group.name)
    };
    Ok(found.filter(ours).collect())
}

type Tags = BTreeMap<String, String>;

async fn tags_of(clients: &Clients, arns: &[String]) -> Result<BTreeMap<String, Tags>, CallError> {
    let answer = clients
        .elbv2
        .describe_tags()
        .set_resource_arns(Some(arns.to_vec()))
        .send()
        .await
        .map_err(refused(elbv2("DescribeTags")))?;
    let described = answer.tag_descriptions().iter().map(|described| {
        let tags = described.tags().iter();
        let tags = tags.filter_map(|tag| Some((tag.key()?.to_owned(), text(tag.value()))));
        (text(described.resource_arn()), tags.collect())
    });
    Ok(described.collect())
}

fn settings(group: &TargetGroup) -> TargetGroupSettings {
    let protocol = |protocol: Option<&ProtocolEnum>| text(protocol.map(ProtocolEnum::as_str));
    TargetGroupSettings {
        protocol: protocol(group.protocol()),
        port: u16::try_from(number(group.port())).unwrap_or(0),
        vpc: text(group.vpc_id()),
        health: TargetGroupHealth {
            protocol: protocol(group.health_check_protocol()),
            path: text(group.health_check_path()),
            codes: text(group.matcher().and_then(|matcher| matcher.http_code())),
            interval_secs: number(group.health_check_interval_seconds()),
            timeout_secs: number(group.health_check_timeout_seconds()),
            healthy: number(group.healthy_threshold_count()),
            unhealthy: number(group.unhealthy_threshold_count()),
        },
    }
}
