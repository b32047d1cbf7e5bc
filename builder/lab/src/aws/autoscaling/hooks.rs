//! Owns lifecycle hooks: what makes a valid one, and keeping them.

use std::time::Duration;

use super::member::{Outcome, Wait};
use crate::aws::error::ApiError;
use crate::aws::operation::{Call, Operation};
use crate::aws::params::Params;
use crate::aws::region::Region;
use crate::aws::schedule::Event;
use crate::aws::xml::Xml;

/// A group has at most so many hooks.
const HOOKS_AT_MOST: usize = 50;
/// How long an action waits unless the hook says.
const TIMEOUT: u64 = 3_600;
/// No action waits longer, whatever heartbeats say, ...
const CAP: Duration = Duration::from_hours(48);
/// ... or longer than so many timeouts.
const TIMEOUTS_AT_MOST: u32 = 100;

/// What a hook is made of.
pub(crate) const HOOK: &[&str] = &[
    "LifecycleHookName",
    "LifecycleTransition",
    "HeartbeatTimeout",
    "DefaultResult",
    "NotificationMetadata",
    "NotificationTargetARN",
    "RoleARN",
];

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PutLifecycleHook",
        takes: &[("", HOOK), ("", &["AutoScalingGroupName"])],
        writes: true,
        handle: put_lifecycle_hook,
    },
    Operation {
        name: "DescribeLifecycleHooks",
        takes: &[("", &["AutoScalingGroupName", "LifecycleHookNames.#"])],
        writes: false,
        handle: describe_lifecycle_hooks,
    },
    Operation {
        name: "DeleteLifecycleHook",
        takes: &[("", &["AutoScalingGroupName", "LifecycleHookName"])],
        writes: true,
        handle: delete_lifecycle_hook,
    },
];

/// A lifecycle hook.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) name: String,
    pub(crate) transition: Transition,
    pub(crate) timeout: Duration,
    pub(crate) default: Outcome,
    metadata: Option<String>,
    target: Option<String>,
    role: Option<String>,
}

/// When a hook takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    Launching,
    Terminating,
}

impl Transition {
    fn name(self) -> &'static str {
        match self {
            Self::Launching => "autoscaling:EC2_INSTANCE_LAUNCHING",
            Self::Terminating => "autoscaling:EC2_INSTANCE_TERMINATING",
        }
    }
}

/// Reads a hook. What is not said stays as it was `before`.
pub(crate) fn parse_hook(params: &Params, before: Option<&Hook>) -> Result<Hook, ApiError> {
    let name = params.required("LifecycleHookName")?;
    let transition = match (params.filled("LifecycleTransition"), before) {
        (Some(text), _) => [Transition::Launching, Transition::Terminating]
            .into_iter()
            .find(|transition| transition.name() == text)
            .ok_or_else(|| {
                ApiError::validation(format!(
                    "Invalid LifecycleTransition '{text}': it must be \
                     autoscaling:EC2_INSTANCE_LAUNCHING or autoscaling:EC2_INSTANCE_TERMINATING"
                ))
            })?,
        (None, Some(before)) => before.transition,
        (None, None) => {
            return Err(ApiError::validation(
                "Parameter LifecycleTransition cannot be null when creating a lifecycle hook",
            ));
        }
    };
    let timeout = match (params.integer("HeartbeatTimeout")?, before) {
        (Some(seconds), _) if (30..=7_200).contains(&seconds) => Duration::from_secs(seconds),
        (Some(seconds), _) => {
            return Err(ApiError::validation(format!(
                "Lifecycle hook heartbeat timeout {seconds} must be between 30 and 7200 seconds"
            )));
        }
        (None, Some(before)) => before.timeout,
        (None, None) => Duration::from_secs(TIMEOUT),
    };
    let default = match (params.filled("DefaultResult"), before) {
        (Some(text), _) => parse_outcome("DefaultResult", text)?,
        (None, Some(before)) => before.default,
        (None, None) => Outcome::Abandon,
    };
    let text = |name: &str, was: Option<&String>| {
        let own = params.filled(name).map(str::to_owned);
        own.or_else(|| was.cloned())
    };
    Ok(Hook {
        name: name.to_owned(),
        transition,
        timeout,
        default,
        metadata: text(
            "NotificationMetadata",
            before.and_then(|hook| hook.metadata.as_ref()),
        ),
        target: text(
            "NotificationTargetARN",
            before.and_then(|hook| hook.target.as_ref()),
        ),
        role: text("RoleARN", before.and_then(|hook| hook.role.as_ref())),
    })
}

/// Reads the result of a lifecycle action.
pub(crate) fn parse_outcome(name: &str, text: &str) -> Result<Outcome, ApiError> {
    Outcome::parse(text).ok_or_else(|| {
        let text = format!("Invalid {name} '{text}': it must be CONTINUE or ABANDON");
        ApiError::validation(text)
    })
}

impl Hook {
    /// An action of this hook that begins `now`.
    pub(crate) fn wait(&self, token: String, now: Duration) -> Wait {
        Wait {
            hook: self.name.clone(),
            token,
            deadline: now + self.timeout,
            cap: now + self.cap(),
            timeout: self.timeout,
            default: self.default,
        }
    }

    fn cap(&self) -> Duration {
        CAP.min(self.timeout * TIMEOUTS_AT_MOST)
    }
}

fn put_lifecycle_hook(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    let params = call.params;
    let name = params.required("AutoScalingGroupName")?;
    let group = region.scaling.group_mut(name)?;
    let before = group.hooks.get(params.required("LifecycleHookName")?);
    let hook = parse_hook(params, before)?;
    if before.is_none() && group.hooks.len() >= HOOKS_AT_MOST {
        let text = format!("You have reached the limit of {HOOKS_AT_MOST} lifecycle hooks");
        return Err(ApiError::new("LimitExceeded", text));
    }
    group.hooks.insert(hook.name.clone(), hook);
    Ok(())
}

fn describe_lifecycle_hooks(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let group = region
        .scaling
        .group(call.params.required("AutoScalingGroupName")?)?;
    let names = call.params.strings("LifecycleHookNames");
    let asked = group
        .hooks
        .values()
        .filter(|hook| names.is_empty() || names.contains(&hook.name.as_str()));
    xml.list("LifecycleHooks", asked, |xml, hook| {
        xml.text("LifecycleHookName", &hook.name);
        xml.text("AutoScalingGroupName", &group.name);
        xml.text("LifecycleTransition", hook.transition.name());
        xml.show("HeartbeatTimeout", hook.timeout.as_secs());
        xml.show("GlobalTimeout", hook.cap().as_secs());
        xml.text("DefaultResult", hook.default.name());
        xml.maybe("NotificationMetadata", hook.metadata.as_deref());
        xml.maybe("NotificationTargetARN", hook.target.as_deref());
        xml.maybe("RoleARN", hook.role.as_deref());
    });
    Ok(())
}

/// Ends the actions of the hook: those of starting instances are abandoned.
fn delete_lifecycle_hook(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    let name = call.params.required("AutoScalingGroupName")?;
    let hook = call.params.required("LifecycleHookName")?;
    let group = region.scaling.group_mut(name)?;
    let Some(removed) = group.hooks.remove(hook) else {
        let text = format!("No Lifecycle Hook found with name: {hook}");
        return Err(ApiError::validation(text));
    };
    let waiting: Vec<(String, String)> = group
        .members
        .values()
        .flat_map(|member| {
            let waits = member.waits.iter().filter(|wait| wait.hook == hook);
            waits.map(|wait| (member.instance_id.clone(), wait.token.clone()))
        })
        .collect();
    let outcome = match removed.transition {
        Transition::Launching => Outcome::Abandon,
        Transition::Terminating => Outcome::Continue,
    };
    for (id, token) in waiting {
        region.end_wait(name, &id, &token, outcome, "Lifecycle Hook Deleted");
    }
    Ok(())
}

impl Region {
    /// Opens the lifecycle actions of a transition. Says whether there are any.
    pub(crate) fn open_waits(&mut self, group: &str, id: &str, transition: Transition) -> bool {
        let Ok(found) = self.scaling.group(group) else {
            return false;
        };
        let hooks: Vec<Hook> = found
            .hooks
            .values()
            .filter(|hook| hook.transition == transition)
            .cloned()
            .collect();
        let mut opened = false;
        for hook in hooks {
            let wait = hook.wait(self.ids.uuid(), self.now);
            let event = Event::LifecycleTimeout {
                group: group.to_owned(),
                instance_id: id.to_owned(),
                token: wait.token.clone(),
            };
            self.later(hook.timeout, event);
            if let Some(member) = self.scaling.member_mut(group, id) {
                member.waits.push(wait);
                opened = true;
            }
        }
        opened
    }
}
