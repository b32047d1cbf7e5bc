//! Owns the operations on targets: registering, deregistering, telling their health. How the
//! health changes lies in `health.rs`.

use std::time::Duration;

use super::target_groups::TargetGroup;
use crate::aws::check::TargetFailure;
use crate::aws::ec2::State;
use crate::aws::error::ApiError;
use crate::aws::operation::{Call, Operation, Takes};
use crate::aws::params::Params;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

const TAKES: Takes = ("Targets.#", &["Id", "Port", "AvailabilityZone"]);
const GROUP: Takes = ("", &["TargetGroupArn"]);

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "RegisterTargets",
        takes: &[GROUP, TAKES],
        writes: true,
        handle: register_targets,
    },
    Operation {
        name: "DeregisterTargets",
        takes: &[GROUP, TAKES],
        writes: true,
        handle: deregister_targets,
    },
    Operation {
        name: "DescribeTargetHealth",
        takes: &[GROUP, TAKES, ("", &["Include.#"])],
        writes: false,
        handle: describe_target_health,
    },
];

/// A registered target.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) id: String,
    pub(crate) port: u16,
    pub(crate) health: Health,
}

/// How a target is, as far as checks tell. Whether it is used is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Not yet checked often enough.
    Initial,
    Healthy,
    Unhealthy(TargetFailure),
    /// It is deregistered, and drains until then.
    Draining(Duration),
}

/// Targets are told apart by id and port.
pub(crate) fn key_of(id: &str, port: u16) -> String {
    format!("{id}:{port}")
}

/// The targets that a request names: ids and ports.
fn named(group: &TargetGroup, params: &Params) -> Result<Vec<(String, Option<u16>)>, ApiError> {
    let mut targets = Vec::new();
    for entry in params.list("Targets") {
        let id = entry.required("Id")?;
        let is_valid = match group.kind.as_str() {
            "ip" => id.parse::<std::net::IpAddr>().is_ok(),
            _ => id.starts_with("i-"),
        };
        if !is_valid {
            let text = format!("The following targets are not valid: '{id}'");
            return Err(ApiError::new("InvalidTarget", text));
        }
        targets.push((id.to_owned(), entry.integer("Port")?));
    }
    Ok(targets)
}

fn register_targets(region: &mut Region, call: &Call<'_>, _xml: &mut Xml) -> Result<(), ApiError> {
    let group = region.target_group(call.params)?;
    let (arn, by_instance) = (group.arn.clone(), group.kind == "instance");
    let targets = named(group, call.params)?;
    if targets.is_empty() {
        return Err(ApiError::missing("Targets"));
    }
    for (id, _) in targets.iter().filter(|_| by_instance) {
        let state = region.instances.get(id).map(|one| *one.state.get());
        let text = match state {
            Some(State::Running) => continue,
            None => format!("The following targets are not valid instances: '{id}'"),
            Some(_) => format!(
                "The following targets are not in a running state and cannot be registered: '{id}'"
            ),
        };
        return Err(ApiError::new("InvalidTarget", text));
    }
    for (id, port) in targets {
        region.register_target(&arn, &id, port);
    }
    Ok(())
}

fn deregister_targets(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    let group = region.target_group(call.params)?;
    let arn = group.arn.clone();
    let targets = named(group, call.params)?;
    if targets.is_empty() {
        return Err(ApiError::missing("Targets"));
    }
    for (id, port) in targets {
        match port {
            Some(port) => region.deregister_one(&arn, &key_of(&id, port)),
            None => region.deregister_target(&arn, &id),
        }
    }
    Ok(())
}

fn describe_target_health(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let group = region.target_group(call.params)?;
    let asked = named(group, call.params)?;
    let mut shown: Vec<(String, u16)> = Vec::new();
    for (id, port) in &asked {
        shown.push((id.clone(), port.unwrap_or(group.port)));
    }
    if asked.is_empty() {
        let targets = group.targets.values();
        shown.extend(targets.map(|target| (target.id.clone(), target.port)));
    }
    let check_port = group.check.get("HealthCheckPort").map(String::as_str);
    xml.list("TargetHealthDescriptions", shown, |xml, (id, port)| {
        xml.within("Target", |xml| {
            xml.text("Id", &id);
            xml.show("Port", port);
        });
        match check_port {
            Some("traffic-port") | None => xml.show("HealthCheckPort", port),
            Some(other) => xml.text("HealthCheckPort", other),
        }
        let target = group.targets.get(&key_of(&id, port));
        let told = target.map_or_else(not_registered, |target| region.health_told(group, target));
        xml.within("TargetHealth", |xml| {
            xml.text("State", told.state);
            xml.maybe("Reason", told.reason);
            xml.maybe("Description", told.description.as_deref());
        });
    });
    Ok(())
}

/// The health of a target as it is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) state: &'static str,
    pub(crate) reason: Option<&'static str>,
    pub(crate) description: Option<String>,
}

fn told(state: &'static str, reason: &'static str, description: &str) -> Told {
    Told {
        state,
        reason: Some(reason),
        description: Some(description.to_owned()),
    }
}

fn not_registered() -> Told {
    let text = "Target is not registered to the target group";
    told("unused", "Target.NotRegistered", text)
}

impl Region {
    /// The health of a target as it is told: checks only count where there is something to check.
    pub(crate) fn health_told(&self, group: &TargetGroup, target: &Target) -> Told {
        if let Health::Draining(_) = target.health {
            let text = "Target deregistration is in progress";
            return told("draining", "Target.DeregistrationInProgress", text);
        }
        if !self.balancing.is_used(&group.arn) {
            let text = "Target group is not configured to receive traffic from the load balancer";
            return told("unused", "Target.NotInUse", text);
        }
        let instance = self.instances.get(&target.id);
        let state = instance.map(|instance| *instance.state.get());
        match state {
            Some(State::Stopping | State::Stopped) => {
                return told(
                    "unused",
                    "Target.InvalidState",
                    "Target is in the stopped state",
                );
            }
            Some(State::ShuttingDown | State::Terminated) => {
                let text = "Target is in the terminated state";
                return told("unused", "Target.InvalidState", text);
            }
            Some(State::Pending | State::Running) | None => (),
        }
        match &target.health {
            Health::Initial | Health::Draining(_) => {
                let text = "Initial health checks in progress";
                told("initial", "Elb.InitialHealthChecking", text)
            }
            Health::Healthy => Told {
                state: "healthy",
                reason: None,
                description: None,
            },
            Health::Unhealthy(how) => {
                // Network load balancers tell no more than that.
                let how = if group.is_http() {
                    *how
                } else {
                    TargetFailure::Refused
                };
                told("unhealthy", how.reason(), &how.description())
            }
        }
    }

    /// Adds a target, or takes one back that drains.
    pub(crate) fn register_target(&mut self, arn: &str, id: &str, port: Option<u16>) {
        let Some(group) = self.balancing.target_groups.get_mut(arn) else {
            return;
        };
        let port = port.unwrap_or(group.port);
        let key = key_of(id, port);
        let known = group.targets.get(&key).map(|target| &target.health);
        if known.is_none_or(|health| matches!(health, Health::Draining(_))) {
            let target = Target {
                id: id.to_owned(),
                port,
                health: Health::Initial,
            };
            group.targets.insert(key.clone(), target);
            self.await_checks(arn, &key);
        }
    }

    /// Removes an instance, whatever its port.
    pub(crate) fn deregister_target(&mut self, arn: &str, id: &str) {
        let Some(group) = self.balancing.target_groups.get(arn) else {
            return;
        };
        let targets = group.targets.iter().filter(|(_, target)| target.id == id);
        let keys: Vec<String> = targets.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.deregister_one(arn, &key);
        }
    }
}
