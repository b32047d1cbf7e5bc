//! Owns groups as a whole: creating, updating, describing, deleting them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::group::{Group, Source};
use super::group_settings::{Changes, MIXED, SETTINGS, check_sizes};
use super::group_tags::{GROUP_TAG, filter_groups, parse_group_tags, write_group_tags};
use super::hooks::{HOOK, parse_hook};
use super::reports::write_member;
use crate::aws::error::ApiError;
use crate::aws::operation::{Call, Operation, Takes};
use crate::aws::page::Page;
use crate::aws::params::Params;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

/// Auto Scaling's filters.
pub(crate) const FILTERS: Takes = ("Filters.#", &["Name", "Values.#"]);

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateAutoScalingGroup",
        takes: &[
            SETTINGS,
            MIXED,
            ("", &["TargetGroupARNs.#"]),
            ("LifecycleHookSpecificationList.#", HOOK),
            ("Tags.#", GROUP_TAG),
        ],
        writes: true,
        handle: create_auto_scaling_group,
    },
    Operation {
        name: "UpdateAutoScalingGroup",
        takes: &[SETTINGS, MIXED],
        writes: true,
        handle: update_auto_scaling_group,
    },
    Operation {
        name: "DescribeAutoScalingGroups",
        takes: &[
            FILTERS,
            (
                "",
                &[
                    "AutoScalingGroupNames.#",
                    "IncludeInstances",
                    "MaxRecords",
                    "NextToken",
                ],
            ),
        ],
        writes: false,
        handle: describe_auto_scaling_groups,
    },
    Operation {
        name: "DeleteAutoScalingGroup",
        takes: &[("", &["AutoScalingGroupName", "ForceDelete"])],
        writes: true,
        handle: delete_auto_scaling_group,
    },
];

fn create_auto_scaling_group(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    let params = call.params;
    let name = params.required("AutoScalingGroupName")?;
    if name.len() > 255 || name.contains(':') {
        return Err(ApiError::validation(format!(
            "The group name '{name}' is too long or contains a colon"
        )));
    }
    if region.scaling.groups.contains_key(name) {
        let text = format!(
            "AutoScalingGroup by this name already exists - A group with the name {name} already \
             exists"
        );
        return Err(ApiError::new("AlreadyExists", text));
    }
    let changes = Changes::parse(region, params)?;
    let (min, max) = (
        params.required_integer("MinSize")?,
        params.required_integer("MaxSize")?,
    );
    let desired = changes.desired.unwrap_or(min);
    check_sizes(min, max, desired)?;
    let mut group = new_group(region, name, params, &changes)?;
    (group.min, group.max, group.desired) = (min, max, desired);
    let at = region.epoch.to_the_second(region.now);
    group.cause = format!(
        "At {at} a user request created an AutoScalingGroup changing the desired capacity from 0 \
         to {desired}."
    );
    changes.apply(&mut group);
    region.scaling.groups.insert(name.to_owned(), group);
    region.reconcile_soon(name);
    Ok(())
}

/// A group with the settings that have no other place, checked.
fn new_group(
    region: &mut Region,
    name: &str,
    params: &Params,
    changes: &Changes,
) -> Result<Group, ApiError> {
    let Some(source) = changes.source.clone() else {
        return Err(ApiError::validation(
            "Valid requests must contain either launchTemplate, launchConfigurationName, \
             instanceId or mixedInstancesPolicy parameter.",
        ));
    };
    if changes.subnets.is_none() {
        return Err(ApiError::validation(
            "At least one Availability Zone or VPC Subnet is required.",
        ));
    }
    let target_groups = params.strings("TargetGroupARNs");
    region.check_target_groups(&target_groups)?;
    let mut hooks = BTreeMap::new();
    for entry in params.list("LifecycleHookSpecificationList") {
        let hook = parse_hook(entry, None)?;
        hooks.insert(hook.name.clone(), hook);
    }
    let tags = parse_group_tags(params)?.into_iter();
    let tags = tags.map(|tag| (tag.key, (tag.value, tag.propagates)));
    let unique = region.ids.uuid();
    let resource = format!("autoScalingGroup:{unique}:autoScalingGroupName/{name}");
    Ok(Group {
        name: name.to_owned(),
        arn: region.arn("autoscaling", &resource),
        created: region.time_text(),
        min: 0,
        max: 0,
        desired: 0,
        cooldown: Duration::from_mins(5),
        scaled_at: None,
        source,
        subnets: Vec::new(),
        elb_health: false,
        grace: Duration::ZERO,
        target_groups: target_groups.into_iter().map(str::to_owned).collect(),
        hooks,
        tags: tags.collect(),
        policies: vec!["Default".to_owned()],
        protects_new: false,
        suspended: BTreeSet::new(),
        kept: Params::default(),
        members: BTreeMap::new(),
        activities: Vec::new(),
        cause: String::new(),
        replacing: 0,
        rebalancing: None,
        failures: 0,
        retry_at: Duration::ZERO,
        deleting: false,
    })
}

fn update_auto_scaling_group(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    let params = call.params;
    let name = params.required("AutoScalingGroupName")?;
    let group = region.scaling.group(name)?;
    if group.deleting {
        let text = format!("AutoScalingGroup '{name}' is pending delete");
        return Err(ApiError::new("ScalingActivityInProgress", text));
    }
    let changes = Changes::parse(region, params)?;
    let (min, max) = (
        changes.min.unwrap_or(group.min),
        changes.max.unwrap_or(group.max),
    );
    // New bounds move the wanted capacity along; one that is said must fit.
    let before = group.desired;
    let desired = changes
        .desired
        .unwrap_or_else(|| before.max(min).min(max.max(min)));
    check_sizes(min, max, desired)?;
    let at = region.epoch.to_the_second(region.now);
    let group = region.scaling.group_mut(name)?;
    changes.apply(group);
    (group.min, group.max, group.desired) = (min, max, desired);
    if desired != before {
        group.cause = format!(
            "At {at} a user request update of AutoScalingGroup constraints to min: {min}, max: \
             {max}, desired: {desired} changing the desired capacity from {before} to {desired}."
        );
    }
    // What failed may work with the new settings.
    (group.failures, group.retry_at) = (0, Duration::ZERO);
    region.reconcile_soon(name);
    Ok(())
}

fn delete_auto_scaling_group(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    let name = call.params.required("AutoScalingGroupName")?;
    let force = call.params.boolean("ForceDelete")? == Some(true);
    let group = region.scaling.group_mut(name)?;
    if !force {
        if group.members.values().any(|one| !one.lifecycle.is_ending()) || group.desired > 0 {
            return Err(ApiError::new(
                "ResourceInUse",
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot \
                 instance request(s) still in the group.",
            ));
        }
        if !group.members.is_empty() {
            return Err(ApiError::new(
                "ScalingActivityInProgress",
                "You cannot delete an AutoScalingGroup while there are scaling activities in \
                 progress for that group.",
            ));
        }
    }
    group.deleting = true;
    group.desired = 0;
    region.force_end(name);
    region.finish_deletion(name);
    Ok(())
}

fn describe_auto_scaling_groups(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let page = Page::of_autoscaling(call.params)?;
    let names = call.params.strings("AutoScalingGroupNames");
    let accepts = filter_groups(call.params)?;
    let groups = region.scaling.groups.values();
    let asked = groups.filter(|group| {
        (names.is_empty() || names.contains(&group.name.as_str())) && accepts(group)
    });
    let (groups, next) = page.cut(asked.map(|group| (&group.name, group)));
    let members = call.params.boolean("IncludeInstances")? != Some(false);
    xml.list("AutoScalingGroups", groups, |xml, group| {
        write_group(xml, group);
        let shown = group.members.values().filter(|_| members);
        xml.list("Instances", shown, write_member);
    });
    xml.maybe("NextToken", next.as_deref());
    Ok(())
}

fn write_group(xml: &mut Xml, group: &Group) {
    xml.text("AutoScalingGroupName", &group.name);
    xml.text("AutoScalingGroupARN", &group.arn);
    match &group.source {
        Source::Template(named) => xml.within("LaunchTemplate", |xml| xml.tree(named)),
        Source::Mixed(policy) => {
            xml.within("MixedInstancesPolicy", |xml| xml.tree(policy));
        }
    }
    xml.show("MinSize", group.min);
    xml.show("MaxSize", group.max);
    xml.show("DesiredCapacity", group.desired);
    xml.show("DefaultCooldown", group.cooldown.as_secs());
    let zones: BTreeSet<&String> = group.subnets.iter().map(|(_, zone)| zone).collect();
    xml.texts("AvailabilityZones", zones);
    xml.texts("LoadBalancerNames", [""; 0]);
    xml.texts("TargetGroupARNs", &group.target_groups);
    let health = if group.elb_health { "ELB" } else { "EC2" };
    xml.text("HealthCheckType", health);
    xml.show("HealthCheckGracePeriod", group.grace.as_secs());
    xml.text("CreatedTime", &group.created);
    xml.list("SuspendedProcesses", &group.suspended, |xml, process| {
        xml.text("ProcessName", process);
        xml.text("SuspensionReason", "User suspended");
    });
    let ids: Vec<&str> = group.subnets.iter().map(|(id, _)| id.as_str()).collect();
    xml.text("VPCZoneIdentifier", &ids.join(","));
    xml.list("EnabledMetrics", [(); 0], |_, ()| ());
    if group.deleting {
        xml.text("Status", "Delete in progress");
    }
    write_group_tags(xml, group);
    xml.texts("TerminationPolicies", &group.policies);
    xml.show("NewInstancesProtectedFromScaleIn", group.protects_new);
    xml.tree(&group.kept);
}
