//! Owns Elastic Load Balancing: target groups, their targets' health, load balancers and their
//! listeners. Must not forward anything: there is no traffic in the simulation.

mod attributes;
mod checks;
mod health;
mod listeners;
mod load_balancers;
mod tags;
mod target_groups;
mod targets;

use std::collections::BTreeMap;

use super::operation::Operation;
use listeners::Listener;
use load_balancers::LoadBalancer;
use target_groups::TargetGroup;

/// Every operation of Elastic Load Balancing.
pub(crate) const TABLES: &[&[Operation]] = &[
    attributes::OPERATIONS,
    listeners::OPERATIONS,
    load_balancers::OPERATIONS,
    tags::OPERATIONS,
    target_groups::OPERATIONS,
    targets::OPERATIONS,
];

/// The load balancing of a region, everything by ARN.
#[derive(Debug, Default)]
pub(crate) struct Balancing {
    target_groups: BTreeMap<String, TargetGroup>,
    load_balancers: BTreeMap<String, LoadBalancer>,
    listeners: BTreeMap<String, Listener>,
}

impl Balancing {
    /// The load balancers whose listeners forward to a target group.
    fn users_of<'b>(&'b self, target_group: &'b str) -> impl Iterator<Item = &'b str> {
        let listeners = self.listeners.values();
        let using = listeners.filter(move |one| one.target_groups().any(|arn| arn == target_group));
        using.map(|listener| listener.load_balancer.as_str())
    }

    /// Whether any listener forwards to a target group.
    fn is_used(&self, target_group: &str) -> bool {
        self.users_of(target_group).next().is_some()
    }
}
