//! Owns taking members aside: in standby they are neither counted nor looked at.

use super::activities::write_activity;
use super::member::Lifecycle;
use crate::aws::error::ApiError;
use crate::aws::operation::{Call, Operation};
use crate::aws::region::Region;
use crate::aws::xml::Xml;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "EnterStandby",
        takes: &[(
            "",
            &[
                "AutoScalingGroupName",
                "InstanceIds.#",
                "ShouldDecrementDesiredCapacity",
            ],
        )],
        writes: true,
        handle: enter_standby,
    },
    Operation {
        name: "ExitStandby",
        takes: &[("", &["AutoScalingGroupName", "InstanceIds.#"])],
        writes: true,
        handle: exit_standby,
    },
];

/// The members that a call names, all in the state that it needs.
fn named<'c>(
    region: &Region,
    call: &Call<'c>,
    state: Lifecycle,
) -> Result<(&'c str, Vec<&'c str>), ApiError> {
    let params = call.params;
    let name = params.required("AutoScalingGroupName")?;
    let group = region.scaling.group(name)?;
    let mut ids = params.strings("InstanceIds");
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Err(ApiError::missing("InstanceIds"));
    }
    for id in &ids {
        let member = group.named(id)?;
        if member.lifecycle != state {
            return Err(ApiError::validation(format!(
                "The instance {id} is not in {}.",
                state.name()
            )));
        }
    }
    Ok((name, ids))
}

fn enter_standby(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let (name, ids) = named(region, call, Lifecycle::InService)?;
    let decrements = call.params.boolean("ShouldDecrementDesiredCapacity")?;
    let decrements =
        decrements.ok_or_else(|| ApiError::missing("ShouldDecrementDesiredCapacity"))?;
    let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    let group = region.scaling.group_mut(name)?;
    let targets = group.target_groups.clone();
    let (before, min) = (group.desired, group.min);
    if decrements && before < min + count {
        return Err(ApiError::validation(format!(
            "AutoScalingGroup {name} has min-size={min}, max-size={}, and desired-size={before}. \
             To place into standby {count} instance, please update the AutoScalingGroup sizes \
             appropriately.",
            group.max
        )));
    }
    if decrements {
        group.desired -= count;
    }
    let at = region.epoch.to_the_second(region.now);
    let mut activities = Vec::new();
    for id in ids {
        let description = format!("Moving EC2 instance to Standby: {id}");
        let cause =
            format!("At {at} instance {id} was moved to standby in response to a user request.");
        activities.push(aside(region, name, id, description, cause));
        region.set_lifecycle(name, id, Lifecycle::Standby);
        region.remove_from_load_balancers(&targets, id);
    }
    write_all(region, name, xml, &activities)?;
    region.reconcile_soon(name);
    Ok(())
}

/// Notes something that is done at once.
fn aside(region: &mut Region, name: &str, id: &str, description: String, cause: String) -> String {
    let place = region.instances.get(id);
    let place = place.map(|one| (one.subnet_id.clone(), one.zone.clone()));
    let (subnet, zone) = place.unwrap_or_default();
    let activity = region.begin_activity(name, description, cause, (&subnet, &zone));
    region.end_activity(name, &activity, "Successful", None);
    activity
}

fn write_all(region: &Region, name: &str, xml: &mut Xml, ids: &[String]) -> Result<(), ApiError> {
    let activities = region.scaling.group(name)?.activities.iter();
    let written = activities.filter(|activity| ids.contains(&activity.id));
    xml.list("Activities", written, write_activity);
    Ok(())
}

/// Members come back as if they were launched: through the hooks of a launch.
fn exit_standby(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let (name, ids) = named(region, call, Lifecycle::Standby)?;
    let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    let group = region.scaling.group_mut(name)?;
    if group.desired + count > group.max {
        return Err(ApiError::validation(format!(
            "AutoScalingGroup {name} has min-size={}, max-size={}, and desired-size={}. To take \
             {count} instance out of standby, please update the AutoScalingGroup sizes \
             appropriately.",
            group.min, group.max, group.desired
        )));
    }
    group.desired += count;
    let at = region.epoch.to_the_second(region.now);
    let mut activities = Vec::new();
    for id in ids {
        let description = format!("Moving EC2 instance out of Standby: {id}");
        let cause = format!(
            "At {at} instance {id} was moved out of standby in response to a user request."
        );
        activities.push(aside(region, name, id, description, cause));
        region.set_lifecycle(name, id, Lifecycle::Pending);
        region.member_running(id);
    }
    write_all(region, name, xml, &activities)?;
    region.reconcile_soon(name);
    Ok(())
}
