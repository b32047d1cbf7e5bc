//! Owns Auto Scaling: groups that keep as many instances as they want. Must not know how an
//! instance lives beyond asking EC2 to launch and to end one.

mod activities;
mod capacity;
mod ending;
mod group;
mod group_settings;
mod group_tags;
mod groups;
mod health;
mod hooks;
mod launching;
mod lifecycle_actions;
mod machine;
mod member;
mod processes;
mod reports;
mod standby;
mod target_groups;

use std::collections::BTreeMap;

use super::error::ApiError;
use super::operation::Operation;
use activities::Activity;
use group::Group;
use member::Member;

/// Every operation of Auto Scaling.
pub(crate) const TABLES: &[&[Operation]] = &[
    activities::OPERATIONS,
    capacity::OPERATIONS,
    group_tags::OPERATIONS,
    groups::OPERATIONS,
    hooks::OPERATIONS,
    lifecycle_actions::OPERATIONS,
    processes::OPERATIONS,
    reports::OPERATIONS,
    standby::OPERATIONS,
    target_groups::OPERATIONS,
];

/// The groups of a region.
#[derive(Debug, Default)]
pub(crate) struct Scaling {
    groups: BTreeMap<String, Group>,
    /// What groups did that are no longer there.
    deleted: Vec<Activity>,
    /// The next activity's number.
    number: u64,
}

impl Scaling {
    /// The group called `name`.
    fn group(&self, name: &str) -> Result<&Group, ApiError> {
        self.groups.get(name).ok_or_else(|| group_not_found(name))
    }

    /// The group called `name`, to change.
    fn group_mut(&mut self, name: &str) -> Result<&mut Group, ApiError> {
        let group = self.groups.get_mut(name);
        group.ok_or_else(|| group_not_found(name))
    }

    fn member(&self, group: &str, id: &str) -> Option<&Member> {
        self.groups.get(group)?.members.get(id)
    }

    fn member_mut(&mut self, group: &str, id: &str) -> Option<&mut Member> {
        self.groups.get_mut(group)?.members.get_mut(id)
    }
}

fn group_not_found(name: &str) -> ApiError {
    ApiError::validation(format!(
        "AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"
    ))
}
