//! Owns reading Auto Scaling groups and their launch hooks.

use aws_sdk_autoscaling::types::{AutoScalingGroup, Filter, LifecycleState};
use futures_util::future::try_join;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use vmimage_plan::definition::Fleet;
use vmimage_plan::fleet::inventory::GroupInventory;
use vmimage_plan::fleet::names::{self, tag};
use vmimage_plan::fleet::objects::LaunchHook;

use super::{launches, number, text};
use crate::account::Clients;
use crate::error::{CallError, autoscaling, refused};

/// Hooks are asked for group by group: more at once would only be throttled.
const HOOKS_AT_ONCE: usize = 8;

/// The most names that one call takes is not said; fifty is the size of a page.
const NAMES_AT_ONCE: usize = 50;

/// Groups with the cluster's tag or with the name of one of its. `state` is the region of the state.
pub(super) async fn observe_groups(
    clients: &Clients,
    state: &Clients,
    fleet: &Fleet,
) -> Result<Vec<GroupInventory>, CallError> {
    let (tagged, named) = try_join(tagged(clients, &fleet.cluster), named(clients, fleet)).await?;
    let mut groups: Vec<GroupInventory> = tagged.iter().chain(&named).map(group).collect();
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    groups.dedup_by(|a, b| a.name == b.name);
    stream::iter(groups)
        .map(async |group| {
            let group = with_hooks(clients, group).await?;
            if group.in_service >= group.desired {
                return Ok(group);
            }
            launches::with_launches(clients, state, fleet, group).await
        })
        .buffered(HOOKS_AT_ONCE)
        .try_collect()
        .await
}

async fn tagged(clients: &Clients, cluster: &str) -> Result<Vec<AutoScalingGroup>, CallError> {
    let by = Filter::builder()
        .name(format!("tag:{}", tag::CLUSTER))
        .values(cluster)
        .build();
    clients
        .autoscaling
        .describe_auto_scaling_groups()
        .filters(by)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await
        .map_err(refused(autoscaling("DescribeAutoScalingGroups")))
}

async fn named(clients: &Clients, fleet: &Fleet) -> Result<Vec<AutoScalingGroup>, CallError> {
    let roles = fleet.roles.iter();
    let wanted: Vec<String> = roles
        .flat_map(|role| names::groups(&fleet.cluster, role))
        .collect();
    let mut groups = Vec::new();
    for names in wanted.chunks(NAMES_AT_ONCE) {
        let found: Vec<AutoScalingGroup> = clients
            .autoscaling
            .describe_auto_scaling_groups()
            .set_auto_scaling_group_names(Some(names.to_vec()))
            .into_paginator()
            .items()
            .send()
            .collect::<Result<_, _>>()
            .await
            .map_err(refused(autoscaling("DescribeAutoScalingGroups")))?;
        groups.extend(found);
    }
    Ok(groups)
}

async fn with_hooks(
    clients: &Clients,
    mut group: GroupInventory,
) -> Result<GroupInventory, CallError> {
    let answer = clients
        .autoscaling
        .describe_lifecycle_hooks()
        .auto_scaling_group_name(&group.name)
        .send()
        .await
        .map_err(refused(autoscaling("DescribeLifecycleHooks")))?;
    group.launch_hooks = answer
        .lifecycle_hooks()
        .iter()
        .filter(|hook| hook.lifecycle_transition() == Some("autoscaling:EC2_INSTANCE_LAUNCHING"))
        .map(|hook| LaunchHook {
            name: text(hook.lifecycle_hook_name()),
            default_result: text(hook.default_result()),
            heartbeat_timeout_secs: number(hook.heartbeat_timeout()),
        })
        .collect();
    Ok(group)
}

fn group(group: &AutoScalingGroup) -> GroupInventory {
    let template = group.launch_template();
    let mut subnets: Vec<String> = group
        .vpc_zone_identifier()
        .unwrap_or_default()
        .split(',')
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .collect();
    subnets.sort();
    let mut target_groups = group.target_group_arns().to_vec();
    target_groups.sort();
    let in_service = group
        .instances()
        .iter()
        .filter(|instance| instance.lifecycle_state() == Some(&LifecycleState::InService));
    let tags = || {
        let tags = group.tags().iter();
        tags.filter_map(|tag| Some((tag.key()?.to_owned(), tag)))
    };
    GroupInventory {
        name: text(group.auto_scaling_group_name()),
        min: number(group.min_size()),
        max: number(group.max_size()),
        desired: number(group.desired_capacity()),
        subnets,
        template: template
            .and_then(|t| t.launch_template_name())
            .map(str::to_owned),
        version: text(template.and_then(|template| template.version())),
        target_groups,
        tags: tags().map(|(key, tag)| (key, text(tag.value()))).collect(),
        unpropagated: tags()
            .filter(|(_, tag)| !tag.propagate_at_launch().unwrap_or(false))
            .map(|(key, _)| key)
            .collect(),
        launch_hooks: Vec::new(),
        health_check_grace_secs: number(group.health_check_grace_period()),
        deleting: group
            .status()
            .is_some_and(|status| status.starts_with("Delete")),
        instances: u32::try_from(group.instances().len()).unwrap_or(u32::MAX),
        in_service: u32::try_from(in_service.count()).unwrap_or(u32::MAX),
        launches: Vec::new(),
        launched: false,
    }
}
