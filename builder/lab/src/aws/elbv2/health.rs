//! Owns how the health of targets changes: checks, draining, instances that come and go.

use std::time::Duration;

use super::target_groups::TargetGroup;
use super::targets::{Health, Target};
use crate::aws::Machines;
use crate::aws::region::Region;
use crate::aws::report::{TargetAnswer, TargetReport};
use crate::aws::schedule::Event;

impl Region {
    fn target_mut(&mut self, arn: &str, key: &str) -> Option<&mut Target> {
        let group = self.balancing.target_groups.get_mut(arn)?;
        group.targets.get_mut(key)
    }

    /// Imagined targets pass as many checks as they need, if somebody checks them.
    pub(crate) fn await_checks(&mut self, arn: &str, key: &str) {
        if self.machines != Machines::Imagined || !self.balancing.is_used(arn) {
            return;
        }
        let Some(group) = self.balancing.target_groups.get(arn) else {
            return;
        };
        let checks = group.check_number("HealthyThresholdCount");
        let seconds = group.check_number("HealthCheckIntervalSeconds") * checks;
        let event = Event::TargetHealthy {
            target_group: arn.to_owned(),
            target: key.to_owned(),
        };
        self.later(Duration::from_secs(seconds), event);
    }

    /// A listener forwards to a target group now: its targets are checked from now on.
    pub(crate) fn target_group_used(&mut self, arn: &str) {
        let Some(group) = self.balancing.target_groups.get(arn) else {
            return;
        };
        let keys: Vec<String> = group.targets.keys().cloned().collect();
        for key in keys {
            self.await_checks(arn, &key);
        }
    }

    /// An imagined target passed its checks.
    pub(crate) fn target_healthy(&mut self, arn: &str, key: &str) {
        let is_used = self.balancing.is_used(arn);
        let running = |region: &Self, id: &str| {
            use crate::aws::ec2::State;
            let instance = region.instances.get(id);
            instance.is_none_or(|instance| *instance.state.get() == State::Running)
        };
        let group = self.balancing.target_groups.get(arn);
        let target = group.and_then(|group| group.targets.get(key));
        let passes = target
            .is_some_and(|target| target.health == Health::Initial && running(self, &target.id));
        if is_used
            && passes
            && let Some(target) = self.target_mut(arn, key)
        {
            target.health = Health::Healthy;
        }
    }

    /// The outside checked a target.
    pub(crate) fn target_health(&mut self, report: &TargetReport<'_>) {
        let Some(group) = self.balancing.target_groups.get_mut(report.target_group) else {
            return;
        };
        let key = super::targets::key_of(report.target, report.port);
        let target = group.targets.get_mut(&key);
        if let Some(target) = target.filter(|one| !matches!(one.health, Health::Draining(_))) {
            target.health = match report.health {
                TargetAnswer::Healthy => Health::Healthy,
                TargetAnswer::Unhealthy(how) => Health::Unhealthy(how),
            };
        }
        self.member_changed(report.target);
    }

    /// Removes a target, after it has drained if it may have connections.
    pub(crate) fn deregister_one(&mut self, arn: &str, key: &str) {
        let is_used = self.balancing.is_used(arn);
        let now = self.now;
        let Some(group) = self.balancing.target_groups.get_mut(arn) else {
            return;
        };
        let delay = group.delay();
        let Some(target) = group.targets.get_mut(key) else {
            return;
        };
        match target.health {
            Health::Draining(_) => (),
            Health::Healthy | Health::Unhealthy(_) if is_used && !delay.is_zero() => {
                target.health = Health::Draining(now + delay);
                let event = Event::TargetDrained {
                    target_group: arn.to_owned(),
                    target: key.to_owned(),
                };
                self.later(delay, event);
            }
            Health::Healthy | Health::Unhealthy(_) | Health::Initial => {
                group.targets.remove(key);
            }
        }
    }

    /// A target may have drained long enough.
    pub(crate) fn target_drained(&mut self, arn: &str, key: &str) {
        let now = self.now;
        let Some(group) = self.balancing.target_groups.get_mut(arn) else {
            return;
        };
        let target = group.targets.get(key);
        if target.is_some_and(|target| is_done(target, now))
            && let Some(target) = group.targets.remove(key)
        {
            self.member_drained(&target.id);
        }
    }

    /// Whether an instance still drains somewhere.
    pub(crate) fn is_draining(&self, id: &str) -> bool {
        self.targets_of(id)
            .any(|(_, target)| matches!(target.health, Health::Draining(_)))
    }

    fn targets_of(&self, id: &str) -> impl Iterator<Item = (&TargetGroup, &Target)> {
        let groups = self.balancing.target_groups.values();
        let all = groups.flat_map(|group| group.targets.values().map(move |one| (group, one)));
        all.filter(move |(_, target)| target.id == id)
    }

    /// An instance runs (again): it is checked anew.
    pub(crate) fn targets_of_running(&mut self, id: &str) {
        let places: Vec<(String, String)> = self.places_of(id);
        for (arn, key) in places {
            let Some(target) = self.target_mut(&arn, &key) else {
                continue;
            };
            if !matches!(target.health, Health::Draining(_)) {
                target.health = Health::Initial;
                self.await_checks(&arn, &key);
            }
        }
    }

    /// An instance is gone: so are its targets.
    pub(crate) fn targets_of_gone(&mut self, id: &str) {
        for (arn, key) in self.places_of(id) {
            self.deregister_one(&arn, &key);
        }
    }

    fn places_of(&self, id: &str) -> Vec<(String, String)> {
        self.targets_of(id)
            .map(|(group, target)| {
                let key = super::targets::key_of(&target.id, target.port);
                (group.arn.clone(), key)
            })
            .collect()
    }

    /// Whether an instance fails the checks of any of these target groups.
    pub(crate) fn fails_as_target(&self, arns: &[String], id: &str) -> bool {
        self.targets_of(id).any(|(group, target)| {
            arns.contains(&group.arn) && self.health_told(group, target).state == "unhealthy"
        })
    }

    /// Target groups by name, and the health of an instance in each.
    pub(crate) fn target_reports(&self, id: &str) -> Vec<(String, String)> {
        self.targets_of(id)
            .map(|(group, target)| {
                let told = self.health_told(group, target);
                (group.name.clone(), told.state.to_owned())
            })
            .collect()
    }
}

fn is_done(target: &Target, now: Duration) -> bool {
    match target.health {
        Health::Draining(until) => until <= now,
        Health::Initial | Health::Healthy | Health::Unhealthy(_) => false,
    }
}
