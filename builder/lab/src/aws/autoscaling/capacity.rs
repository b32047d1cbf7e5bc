//! Owns what users do to the size of a group and to single instances of it.

use super::activities::write_activity;
use super::group::Group;
use super::member::Member;
use crate::aws::error::ApiError;
use crate::aws::operation::{Call, Operation};
use crate::aws::region::Region;
use crate::aws::xml::Xml;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "SetDesiredCapacity",
        takes: &[(
            "",
            &["AutoScalingGroupName", "DesiredCapacity", "HonorCooldown"],
        )],
        writes: true,
        handle: set_desired_capacity,
    },
    Operation {
        name: "TerminateInstanceInAutoScalingGroup",
        takes: &[("", &["InstanceId", "ShouldDecrementDesiredCapacity"])],
        writes: true,
        handle: terminate_instance_in_auto_scaling_group,
    },
    Operation {
        name: "SetInstanceHealth",
        takes: &[(
            "",
            &["InstanceId", "HealthStatus", "ShouldRespectGracePeriod"],
        )],
        writes: true,
        handle: set_instance_health,
    },
    Operation {
        name: "SetInstanceProtection",
        takes: &[(
            "",
            &[
                "AutoScalingGroupName",
                "InstanceIds.#",
                "ProtectedFromScaleIn",
            ],
        )],
        writes: true,
        handle: set_instance_protection,
    },
];

fn set_desired_capacity(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    let name = call.params.required("AutoScalingGroupName")?;
    let wanted: u32 = call.params.required_integer("DesiredCapacity")?;
    let honors = call.params.boolean("HonorCooldown")? == Some(true);
    let (now, at) = (region.now, region.epoch.to_the_second(region.now));
    let group = region.scaling.group_mut(name)?;
    if wanted > group.max {
        return Err(ApiError::validation(format!(
            "New SetDesiredCapacity value {wanted} is above max value {} for the AutoScalingGroup.",
            group.max
        )));
    }
    if wanted < group.min {
        return Err(ApiError::validation(format!(
            "New SetDesiredCapacity value {wanted} is below min value {} for the AutoScalingGroup.",
            group.min
        )));
    }
    let cools = group.scaled_at.is_some_and(|at| now < at + group.cooldown);
    if honors && (cools || !group.is_settled()) {
        return Err(ApiError::new(
            "ScalingActivityInProgress",
            "Scaling activity is in progress and blocking this action",
        ));
    }
    if wanted != group.desired {
        group.cause = format!(
            "At {at} a user request explicitly set group desired capacity changing the desired \
             capacity from {} to {wanted}.",
            group.desired
        );
    }
    group.desired = wanted;
    group.scaled_at = Some(now);
    region.reconcile_soon(name);
    Ok(())
}

impl Region {
    /// The group of an instance.
    pub(crate) fn managed(&self, id: &str) -> Result<(&Group, &Member), ApiError> {
        let name = self.group_of(id);
        let group = name.and_then(|name| self.scaling.groups.get(&name));
        let member = group.and_then(|group| Some((group, group.members.get(id)?)));
        member.ok_or_else(|| {
            ApiError::validation(format!(
                "Instance Id not found - No managed instance found for instance ID: {id}"
            ))
        })
    }
}

fn terminate_instance_in_auto_scaling_group(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let id = call.params.required("InstanceId")?;
    let decrements = call.params.boolean("ShouldDecrementDesiredCapacity")?;
    let decrements =
        decrements.ok_or_else(|| ApiError::missing("ShouldDecrementDesiredCapacity"))?;
    let (group, member) = region.managed(id)?;
    if member.lifecycle.is_ending() {
        return Err(ApiError::new(
            "ScalingActivityInProgress",
            format!("The instance {id} is already being terminated"),
        ));
    }
    let (name, desired) = (group.name.clone(), group.desired);
    if decrements && desired == group.min {
        return Err(ApiError::validation(format!(
            "Currently, desiredSize equals minSize ({desired}). Terminating instance without \
             replacement will violate group's min size constraint. Either set \
             shouldDecrementDesiredCapacity flag to false or lower group's min size."
        )));
    }
    let at = region.epoch.to_the_second(region.now);
    let cause = if decrements {
        format!(
            "At {at} instance {id} was taken out of service in response to a user request, \
             shrinking the capacity from {desired} to {}.",
            desired - 1
        )
    } else {
        format!("At {at} instance {id} was taken out of service in response to a user request.")
    };
    if decrements {
        region.scaling.group_mut(&name)?.desired -= 1;
    }
    region.end_member(&name, id, cause);
    let group = region.scaling.group(&name)?;
    let ended = group.members.get(id).map(|member| &member.activity);
    let mut newest_first = group.activities.iter().rev();
    let activity = newest_first.find(|activity| Some(&activity.id) == ended);
    if let Some(activity) = activity {
        xml.within("Activity", |xml| write_activity(xml, activity));
    }
    Ok(())
}

fn set_instance_health(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    let id = call.params.required("InstanceId")?;
    let respects = call.params.boolean("ShouldRespectGracePeriod")? != Some(false);
    let healthy = match call.params.required("HealthStatus")? {
        "Healthy" => true,
        "Unhealthy" => false,
        other => {
            return Err(ApiError::validation(format!(
                "Invalid health status {other}: it must be Healthy or Unhealthy"
            )));
        }
    };
    let (group, member) = region.managed(id)?;
    let since = member.in_service_since;
    let in_grace = since.is_none_or(|since| region.now < since + group.grace);
    let name = group.name.clone();
    if healthy {
        if let Some(member) = region.scaling.member_mut(&name, id) {
            member.healthy = true;
        }
    } else if !(member.lifecycle.is_ending() || respects && in_grace) {
        region.mark_unhealthy(&name, id, "a user health-check");
    }
    Ok(())
}

fn set_instance_protection(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    let name = call.params.required("AutoScalingGroupName")?;
    let ids = call.params.strings("InstanceIds");
    let protects = call.params.boolean("ProtectedFromScaleIn")?;
    let protects = protects.ok_or_else(|| ApiError::missing("ProtectedFromScaleIn"))?;
    let group = region.scaling.group_mut(name)?;
    if ids.is_empty() {
        return Err(ApiError::missing("InstanceIds"));
    }
    for id in &ids {
        let member = group.named(id)?;
        if member.lifecycle.is_ending() {
            return Err(ApiError::validation(format!(
                "The instance {id} is not in InService or EnteringStandby or Standby."
            )));
        }
    }
    for id in ids {
        if let Some(member) = group.members.get_mut(id) {
            member.protected = protects;
        }
    }
    region.reconcile_soon(name);
    Ok(())
}
