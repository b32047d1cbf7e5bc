//! Owns lifecycle actions that are open: completing them, keeping them alive, letting them time
//! out.

use super::hooks::parse_outcome;
use super::member::{Lifecycle, Member, Outcome, Wait};
use crate::aws::error::ApiError;
use crate::aws::operation::{Call, Operation, Takes};
use crate::aws::region::Region;
use crate::aws::schedule::Event;
use crate::aws::xml::Xml;

/// How an action is named.
const NAMED: Takes = (
    "",
    &[
        "AutoScalingGroupName",
        "LifecycleHookName",
        "LifecycleActionToken",
        "InstanceId",
    ],
);

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CompleteLifecycleAction",
        takes: &[NAMED, ("", &["LifecycleActionResult"])],
        writes: true,
        handle: complete_lifecycle_action,
    },
    Operation {
        name: "RecordLifecycleActionHeartbeat",
        takes: &[NAMED],
        writes: true,
        handle: record_lifecycle_action_heartbeat,
    },
];

/// An open action: whose, and which.
struct Open {
    group: String,
    instance_id: String,
    token: String,
}

fn open_action(region: &Region, call: &Call<'_>) -> Result<Open, ApiError> {
    let params = call.params;
    let name = params.required("AutoScalingGroupName")?;
    // An ARN is taken as well.
    let name = name
        .rsplit_once("autoScalingGroupName/")
        .map_or(name, |(_, name)| name);
    let hook = params.required("LifecycleHookName")?;
    let group = region.scaling.group(name)?;
    let token = params.filled("LifecycleActionToken");
    let instance = params.filled("InstanceId");
    if token.is_none() && instance.is_none() {
        return Err(ApiError::validation(
            "Either LifecycleActionToken or InstanceId must be specified",
        ));
    }
    let is_it = |member: &Member, wait: &Wait| {
        wait.hook == hook
            && token.is_none_or(|token| token == wait.token)
            && instance.is_none_or(|id| id == member.instance_id)
    };
    let mut open = group.members.values().flat_map(|member| {
        let waits = member.waits.iter();
        waits
            .filter(move |wait| is_it(member, wait))
            .map(move |wait| (member, wait))
    });
    match open.next() {
        Some((member, wait)) => Ok(Open {
            group: group.name.clone(),
            instance_id: member.instance_id.clone(),
            token: wait.token.clone(),
        }),
        None => Err(ApiError::validation(match (token, instance) {
            (_, Some(id)) => format!("No active Lifecycle Action found with instance ID {id}"),
            (token, None) => format!(
                "No active Lifecycle Action found with token {}",
                token.unwrap_or_default()
            ),
        })),
    }
}

fn complete_lifecycle_action(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    let result = call.params.required("LifecycleActionResult")?;
    let outcome = parse_outcome("LifecycleActionResult", result)?;
    let open = open_action(region, call)?;
    let how = format!("Lifecycle Action Completed with {} Result", outcome.name());
    region.end_wait(&open.group, &open.instance_id, &open.token, outcome, &how);
    Ok(())
}

fn record_lifecycle_action_heartbeat(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    let open = open_action(region, call)?;
    let now = region.now;
    let member = region.scaling.member_mut(&open.group, &open.instance_id);
    let waits = member.map(|member| &mut member.waits);
    let wait = waits.and_then(|waits| waits.iter_mut().find(|wait| wait.token == open.token));
    if let Some(wait) = wait {
        wait.deadline = wait.cap.min(now + wait.timeout);
        let event = Event::LifecycleTimeout {
            group: open.group,
            instance_id: open.instance_id,
            token: open.token,
        };
        region.schedule.at(wait.deadline, event);
    }
    Ok(())
}

impl Region {
    /// An action may have waited long enough.
    pub(crate) fn lifecycle_timeout(&mut self, group: &str, id: &str, token: &str) {
        let waits = self.scaling.member(group, id).map(|member| &member.waits);
        let wait = waits.and_then(|waits| waits.iter().find(|wait| wait.token == token));
        if let Some(wait) = wait.filter(|wait| wait.deadline <= self.now) {
            let outcome = wait.default;
            self.end_wait(group, id, token, outcome, "Heartbeat Timeout");
        }
    }

    /// Ends one action. An abandoned one ends the others of the instance as well.
    pub(crate) fn end_wait(
        &mut self,
        group: &str,
        id: &str,
        token: &str,
        outcome: Outcome,
        how: &str,
    ) {
        let Some(member) = self.scaling.member_mut(group, id) else {
            return;
        };
        match outcome {
            Outcome::Continue => member.waits.retain(|wait| wait.token != token),
            Outcome::Abandon => member.waits.clear(),
        }
        let is_launching = member.lifecycle == Lifecycle::PendingWait;
        if is_launching && outcome == Outcome::Abandon {
            let message = format!(
                "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token \
                 {token} was abandoned: {how}"
            );
            self.abandon_launch(group, id, message);
        } else if member.waits.is_empty() {
            self.proceed_member(group, id);
        }
    }
}
