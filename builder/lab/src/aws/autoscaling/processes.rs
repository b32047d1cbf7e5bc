//! Owns suspending what a group does by itself.

use crate::aws::error::ApiError;
use crate::aws::operation::{Call, Operation, Takes};
use crate::aws::region::Region;
use crate::aws::schedule::Event;
use crate::aws::xml::Xml;

/// What a group does by itself. Alarms, schedules and refreshes are no part of the simulation,
/// but may be suspended.
const PROCESSES: &[&str] = &[
    "AZRebalance",
    "AddToLoadBalancer",
    "AlarmNotification",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
];

const TAKES: Takes = ("", &["AutoScalingGroupName", "ScalingProcesses.#"]);

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "SuspendProcesses",
        takes: &[TAKES],
        writes: true,
        handle: suspend_processes,
    },
    Operation {
        name: "ResumeProcesses",
        takes: &[TAKES],
        writes: true,
        handle: resume_processes,
    },
];

/// The processes that a call names; all of them if it names none.
fn named(call: &Call<'_>) -> Result<Vec<&'static str>, ApiError> {
    let names = call.params.strings("ScalingProcesses");
    if names.is_empty() {
        return Ok(PROCESSES.to_vec());
    }
    let mut found = Vec::new();
    for name in names {
        let process = PROCESSES.iter().find(|process| **process == name);
        found.push(*process.ok_or_else(|| {
            let text = format!("{name} is not a valid Scaling Process Type");
            ApiError::validation(text)
        })?);
    }
    Ok(found)
}

fn suspend_processes(region: &mut Region, call: &Call<'_>, _xml: &mut Xml) -> Result<(), ApiError> {
    let processes = named(call)?;
    let name = call.params.required("AutoScalingGroupName")?;
    region.scaling.group_mut(name)?.suspended.extend(processes);
    Ok(())
}

fn resume_processes(region: &mut Region, call: &Call<'_>, _xml: &mut Xml) -> Result<(), ApiError> {
    let processes = named(call)?;
    let name = call.params.required("AutoScalingGroupName")?;
    let group = region.scaling.group_mut(name)?;
    group
        .suspended
        .retain(|process| !processes.contains(process));
    let ids: Vec<String> = group.members.keys().cloned().collect();
    // What was not looked at meanwhile is looked at now.
    for instance_id in ids {
        let event = Event::HealthCheck {
            group: name.to_owned(),
            instance_id,
        };
        region.later(std::time::Duration::ZERO, event);
    }
    region.replace_unhealthy(name);
    region.reconcile_soon(name);
    Ok(())
}
