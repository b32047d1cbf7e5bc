//! Owns how a group's instances end: who is chosen, and the way from service to gone.

use std::collections::BTreeMap;

use super::group::Group;
use super::hooks::Transition;
use super::member::{Lifecycle, Member};
use crate::aws::ec2::State;
use crate::aws::region::Region;

impl Region {
    /// Ends as many members as the group has too many, unless all are protected.
    pub(crate) fn end_surplus(&mut self, name: &str, surplus: u32) {
        for _ in 0..surplus {
            let Ok(group) = self.scaling.group(name) else {
                return;
            };
            if group.suspends("Terminate") {
                return;
            }
            let Some(victim) = Self::victim(group) else {
                return;
            };
            let at = self.epoch.to_the_second(self.now);
            let (size, desired) = (group.size(), group.desired);
            let why = &group.cause;
            let space = if why.is_empty() { "" } else { "  " };
            let cause = format!(
                "{why}{space}At {at} an instance was taken out of service in response to a \
                 difference between desired and actual capacity, shrinking the capacity from \
                 {size} to {desired}.  At {at} instance {victim} was selected for termination."
            );
            self.end_member(name, &victim, cause);
        }
    }

    /// The member that a scale-in ends: in the zone with the most, and there as the group's
    /// policies say.
    fn victim(group: &Group) -> Option<String> {
        let unprotected = || group.counted().filter(|member| !member.protected);
        let fullest = unprotected()
            .map(|member| group.in_zone(&member.zone))
            .max()?;
        let mut candidates: Vec<&Member> = unprotected()
            .filter(|member| group.in_zone(&member.zone) == fullest)
            .collect();
        for policy in &group.policies {
            keep_best(&mut candidates, policy);
        }
        // What policies leave open is decided by age and id, so that a seed decides everything.
        candidates.sort_by_key(|member| (member.launched_at, &member.instance_id));
        candidates.first().map(|member| member.instance_id.clone())
    }

    /// Takes a member out of service and ends it. It no longer counts.
    pub(crate) fn end_member(&mut self, name: &str, id: &str, cause: String) {
        let Some(member) = self.scaling.member_mut(name, id) else {
            return;
        };
        if member.lifecycle.is_ending() {
            return;
        }
        member.waits.clear();
        let before = member.activity.clone();
        self.end_activity(name, &before, "Cancelled", None);
        let subnet = self.instances.get(id).map(|one| one.subnet_id.clone());
        let zone = self.instances.get(id).map(|one| one.zone.clone());
        let (subnet, zone) = (subnet.unwrap_or_default(), zone.unwrap_or_default());
        let description = format!("Terminating EC2 instance: {id}");
        let activity = self.begin_activity(name, description, cause, (&subnet, &zone));
        if let Some(member) = self.scaling.member_mut(name, id) {
            member.activity.clone_from(&activity);
        }
        self.set_lifecycle(name, id, Lifecycle::Terminating);
        let groups = self
            .scaling
            .group(name)
            .map(|group| group.target_groups.clone());
        self.remove_from_load_balancers(&groups.unwrap_or_default(), id);
        if self.instance_is_alive(id) && self.is_draining(id) {
            self.note_activity(name, &activity, "WaitingForELBConnectionDraining", 30);
        } else {
            self.drained(name, id);
        }
        self.reconcile_soon(name);
    }

    fn instance_is_alive(&self, id: &str) -> bool {
        let state = self.instances.get(id).map(|instance| *instance.state.get());
        state.is_some_and(|state| !state.is_ending())
    }

    /// A member has no connections any more. Actions of an instance that is gone are not asked
    /// for: nobody would complete them.
    fn drained(&mut self, name: &str, id: &str) {
        let Some(member) = self.scaling.member(name, id) else {
            return;
        };
        let activity = member.activity.clone();
        if self.instance_is_alive(id) && self.open_waits(name, id, Transition::Terminating) {
            self.set_lifecycle(name, id, Lifecycle::TerminatingWait);
            self.note_activity(name, &activity, "MidLifecycleAction", 60);
        } else {
            self.end_instance(name, id);
        }
    }

    /// A load balancer is done with an instance.
    pub(crate) fn member_drained(&mut self, id: &str) {
        let Some(group) = self.group_of(id) else {
            return;
        };
        let waits = self
            .scaling
            .member(&group, id)
            .is_some_and(|member| member.lifecycle == Lifecycle::Terminating);
        if waits && !self.is_draining(id) && self.instance_is_alive(id) {
            self.drained(&group, id);
        }
    }

    /// Lets EC2 end the instance.
    pub(crate) fn end_instance(&mut self, name: &str, id: &str) {
        if let Some(member) = self.scaling.member_mut(name, id) {
            member.lifecycle = Lifecycle::TerminatingProceed;
            let activity = member.activity.clone();
            self.note_activity(name, &activity, "InProgress", 75);
        }
        if self.instance_is_alive(id) {
            let text = "Client.UserInitiatedShutdown: User initiated shutdown".to_owned();
            self.terminate(id, ("Client.UserInitiatedShutdown", text));
        } else if self.instances.get(id).map(|one| *one.state.get()) != Some(State::ShuttingDown) {
            self.member_gone(id);
        }
    }

    /// EC2 says that an instance is gone.
    pub(crate) fn member_gone(&mut self, id: &str) {
        let Some(group) = self.group_of(id) else {
            return;
        };
        let Some(member) = self.scaling.member(&group, id) else {
            return;
        };
        if !member.lifecycle.is_ending() {
            // It was ended behind the group's back.
            self.check_health(&group, id);
            return;
        }
        let activity = member.activity.clone();
        self.end_activity(&group, &activity, "Successful", None);
        if let Some(group) = self.scaling.groups.get_mut(&group) {
            group.members.remove(id);
        }
        self.reconcile_soon(&group);
    }

    /// A launch was given up: the instance ends and another one is launched.
    pub(crate) fn abandon_launch(&mut self, name: &str, id: &str, message: String) {
        let Some(member) = self.scaling.member(name, id) else {
            return;
        };
        let activity = member.activity.clone();
        self.end_activity(name, &activity, "Cancelled", Some(message));
        let at = self.epoch.to_the_second(self.now);
        let cause = format!(
            "At {at} an instance was taken out of service in response to a launch failure."
        );
        if let Some(group) = self.scaling.groups.get_mut(name) {
            group.replacing += 1;
        }
        self.end_member(name, id, cause);
    }

    /// Ends every member at once, without waiting for anybody.
    pub(crate) fn force_end(&mut self, name: &str) {
        let Ok(group) = self.scaling.group(name) else {
            return;
        };
        let targets = group.target_groups.clone();
        let ids: Vec<String> = group.members.keys().cloned().collect();
        for id in ids {
            let at = self.epoch.to_the_second(self.now);
            let cause = format!(
                "At {at} an instance was taken out of service in response to a user request to \
                 force the deletion of the group."
            );
            self.end_member(name, &id, cause);
            self.remove_from_load_balancers(&targets, &id);
            if let Some(member) = self.scaling.member_mut(name, &id) {
                member.waits.clear();
            }
            self.end_instance(name, &id);
        }
    }

    /// A group that is being deleted goes when its last member is gone.
    pub(crate) fn finish_deletion(&mut self, name: &str) {
        let is_empty = self
            .scaling
            .groups
            .get(name)
            .is_some_and(|group| group.members.is_empty());
        if is_empty && let Some(group) = self.scaling.groups.remove(name) {
            self.scaling.deleted.extend(group.activities);
        }
    }
}

/// Keeps those that a policy would end first.
fn keep_best(candidates: &mut Vec<&Member>, policy: &str) {
    match policy {
        "NewestInstance" => {
            let newest = candidates.iter().map(|member| member.launched_at).max();
            candidates.retain(|member| Some(member.launched_at) == newest);
        }
        "OldestInstance" | "ClosestToNextInstanceHour" => {
            let oldest = candidates.iter().map(|member| member.launched_at).min();
            candidates.retain(|member| Some(member.launched_at) == oldest);
        }
        // By default too, those with an old template go first.
        "OldestLaunchTemplate" | "Default" => {
            let mut oldest: BTreeMap<&str, u64> = BTreeMap::new();
            for member in candidates.iter() {
                let version = oldest.entry(&member.template.id).or_insert(u64::MAX);
                *version = member.template.version.min(*version);
            }
            candidates.retain(|member| {
                oldest.get(member.template.id.as_str()) == Some(&member.template.version)
            });
        }
        _ => (),
    }
}
