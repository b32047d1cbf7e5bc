//! Owns the faults that are active in a lab and the decision whether one strikes.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Fault, Interference, Kind};
use crate::random::Random;
use crate::wire::Service;

/// A fault that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// Its number, by which it is cleared.
    pub id: u32,
    /// The fault.
    pub fault: Fault,
    /// When it was added, since the start of the simulation.
    pub added: Duration,
    /// How often it struck.
    pub hits: u32,
}

impl Active {
    /// Whether it can strike at `now`.
    pub fn is_on(&self, now: Duration) -> bool {
        let begins = self.added.saturating_add(self.fault.from);
        let ends = self
            .fault
            .until
            .map(|until| self.added.saturating_add(until));
        now >= begins
            && ends.is_none_or(|ends| now < ends)
            && self.fault.count.is_none_or(|count| self.hits < count)
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) service: Service,
    pub(crate) action: &'a str,
    pub(crate) region: &'a str,
}

/// What a request meets before anything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Throttle,
    Fail,
    Conflict,
    Close,
}

/// What its response meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Fail,
    Close,
    Cut(usize),
}

/// All that strikes one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) before: Option<Before>,
    pub(crate) after: Option<After>,
    pub(crate) delay: Duration,
}

/// The faults of a lab.
#[derive(Clone, Debug)]
pub struct Faults {
    last_id: u32,
    active: Vec<Active>,
    random: Random,
}

impl Faults {
    /// None yet.
    pub fn new(seed: u64) -> Self {
        Self {
            last_id: 0,
            active: Vec::new(),
            random: Random::new(seed ^ 0x0066_6175_6c74),
        }
    }

    /// Adds a fault; gives its number.
    pub fn add(&mut self, fault: Fault, now: Duration) -> u32 {
        self.last_id += 1;
        self.active.push(Active {
            id: self.last_id,
            fault,
            added: now,
            hits: 0,
        });
        self.last_id
    }

    /// Removes one; says whether it was there.
    pub fn clear(&mut self, id: u32) -> bool {
        let before = self.active.len();
        self.active.retain(|active| active.id != id);
        self.active.len() < before
    }

    /// Removes all; says how many there were.
    pub(crate) fn clear_all(&mut self) -> usize {
        std::mem::take(&mut self.active).len()
    }

    /// All of them, those that are over included.
    pub fn list(&self) -> &[Active] {
        &self.active
    }

    /// What strikes a request. The first fault of a kind wins, and only what strikes is counted.
    pub(crate) fn decide(&mut self, target: Target<'_>, now: Duration) -> Decision {
        let mut decision = Decision::default();
        for active in &mut self.active {
            if !active.is_on(now) || !concerns(&active.fault, target) {
                continue;
            }
            let done = match active.fault.kind {
                Kind::Throttle | Kind::Fail | Kind::Conflict | Kind::Down => {
                    decision.before.is_some()
                }
                Kind::FailAfter | Kind::LoseReply | Kind::Cut { .. } => decision.after.is_some(),
                Kind::Slow { .. } => false,
                Kind::Stale { .. }
                | Kind::Capacity { .. }
                | Kind::NotOffered { .. }
                | Kind::Imds { .. } => true,
            };
            if done || !self.random.chance(active.fault.per_million) {
                continue;
            }
            active.hits += 1;
            match active.fault.kind {
                Kind::Throttle => decision.before = Some(Before::Throttle),
                Kind::Fail => decision.before = Some(Before::Fail),
                Kind::Conflict => decision.before = Some(Before::Conflict),
                Kind::Down => decision.before = Some(Before::Close),
                Kind::FailAfter => decision.after = Some(After::Fail),
                Kind::LoseReply => decision.after = Some(After::Close),
                Kind::Cut { at } => decision.after = Some(After::Cut(at)),
                Kind::Slow { by } => decision.delay = decision.delay.saturating_add(by),
                Kind::Stale { .. }
                | Kind::Capacity { .. }
                | Kind::NotOffered { .. }
                | Kind::Imds { .. } => {}
            }
        }
        decision
    }

    /// What strikes a request of a node to its metadata service.
    pub fn imds(
        &mut self,
        region: &str,
        instance_id: &str,
        path: &str,
        now: Duration,
    ) -> Option<Interference> {
        for active in &mut self.active {
            let fault = &active.fault;
            let Kind::Imds {
                answer,
                path: prefix,
            } = &fault.kind
            else {
                continue;
            };
            let concerns = is(fault.region.as_deref(), region)
                && is(fault.node.as_deref(), instance_id)
                && prefix
                    .as_deref()
                    .is_none_or(|prefix| path.starts_with(prefix));
            if concerns && active.is_on(now) && self.random.chance(fault.per_million) {
                let answer = *answer;
                active.hits += 1;
                return Some(answer);
            }
        }
        None
    }

    /// How far the describes of a region lag behind.
    pub(crate) fn stale(&self, region: &str, now: Duration) -> Duration {
        let mut lag = Duration::ZERO;
        for active in self.active.iter().filter(|active| active.is_on(now)) {
            if let Kind::Stale { by } = active.fault.kind
                && is(active.fault.region.as_deref(), region)
            {
                lag = lag.max(by);
            }
        }
        lag
    }

    /// The zones that are short of room: how many instances fit.
    pub(crate) fn capacities(&self, now: Duration) -> Vec<(String, usize)> {
        let mut zones = Vec::new();
        for active in self.active.iter().filter(|active| active.is_on(now)) {
            if let Kind::Capacity { zone, instances } = &active.fault.kind {
                zones.push((zone.clone(), *instances));
            }
        }
        zones
    }

    /// What zones do not offer: each with an instance type.
    pub(crate) fn unoffered(&self, now: Duration) -> BTreeSet<(String, String)> {
        let on = self.active.iter().filter(|active| active.is_on(now));
        on.filter_map(|active| {
            let Kind::NotOffered {
                zone,
                instance_type,
            } = &active.fault.kind
            else {
                return None;
            };
            Some((zone.clone(), instance_type.clone()))
        })
        .collect()
    }

    /// When a fault begins or ends next.
    pub(crate) fn next_due(&self, now: Duration) -> Option<Duration> {
        let edges = self.active.iter().flat_map(|active| {
            let begins = Some(active.added.saturating_add(active.fault.from));
            let ends = active
                .fault
                .until
                .map(|until| active.added.saturating_add(until));
            [begins, ends]
        });
        edges.flatten().filter(|edge| *edge > now).min()
    }
}

fn is(wanted: Option<&str>, is: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == is)
}

fn concerns(fault: &Fault, target: Target<'_>) -> bool {
    fault
        .service
        .is_none_or(|service| service == target.service)
        && is(fault.action.as_deref(), target.action)
        && is(fault.region.as_deref(), target.region)
}
