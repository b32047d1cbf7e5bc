//! Owns the state machine of a group's instances on their way into service, and comparing a
//! group with what it wants.

use std::time::Duration;

use super::hooks::Transition;
use super::member::Lifecycle;
use crate::aws::ec2::Instance;
use crate::aws::launch::Change;
use crate::aws::region::Region;
use crate::aws::schedule::Event;

/// How long an instance stays in `Pending:Proceed` and `Terminating:Proceed`.
const PROCEEDING: Duration = Duration::from_secs(1);

impl Region {
    /// Compares a group with what it wants, and does what is missing.
    pub(crate) fn reconcile(&mut self, name: &str) {
        let Ok(group) = self.scaling.group(name) else {
            return;
        };
        if group.deleting {
            self.finish_deletion(name);
            return;
        }
        let (size, desired) = (group.size(), group.desired);
        let surplus = size.saturating_sub(desired + group.surplus_allowed());
        if size < desired {
            self.launch_members(name, desired - size);
        } else if surplus > 0 {
            self.end_surplus(name, surplus);
        } else {
            if group.is_settled()
                && let Some(group) = self.scaling.groups.get_mut(name)
            {
                group.cause.clear();
                group.rebalancing = None;
            }
            self.rebalance(name);
        }
    }

    /// Lets a group be compared with what it wants, next.
    pub(crate) fn reconcile_soon(&mut self, name: &str) {
        self.later(Duration::ZERO, Event::Reconcile(name.to_owned()));
    }

    /// Changes the state of a member, and tells its metadata service where it is heading.
    pub(crate) fn set_lifecycle(&mut self, group: &str, id: &str, lifecycle: Lifecycle) {
        let Some(member) = self.scaling.member_mut(group, id) else {
            return;
        };
        let heads_elsewhere = member.lifecycle.target() != lifecycle.target();
        member.lifecycle = lifecycle;
        if heads_elsewhere && let Some(launch) = self.launch_of(id) {
            self.changes.push(Change::Metadata(Box::new(launch)));
        }
    }

    /// What an instance's metadata service says it is on its way to.
    pub(crate) fn target_lifecycle_state(&self, instance: &Instance) -> Option<&'static str> {
        let group = instance.group.as_deref()?;
        let member = self.scaling.member(group, &instance.id)?;
        Some(member.lifecycle.target())
    }

    /// The group of an instance that is still a member, also if EC2 has forgotten it.
    pub(crate) fn group_of(&self, id: &str) -> Option<String> {
        let mut groups = self.scaling.groups.values();
        let group = groups.find(|group| group.members.contains_key(id))?;
        Some(group.name.clone())
    }

    /// EC2 says that an instance runs.
    pub(crate) fn member_running(&mut self, id: &str) {
        let Some(group) = self.group_of(id) else {
            return;
        };
        let Some(member) = self.scaling.member(&group, id) else {
            return;
        };
        if member.lifecycle != Lifecycle::Pending {
            return;
        }
        let activity = member.activity.clone();
        if self.open_waits(&group, id, Transition::Launching) {
            self.set_lifecycle(&group, id, Lifecycle::PendingWait);
            self.note_activity(&group, &activity, "MidLifecycleAction", 60);
        } else {
            self.enter_service(&group, id);
        }
    }

    /// All of a member's actions are completed.
    pub(crate) fn proceed_member(&mut self, group: &str, id: &str) {
        let Some(member) = self.scaling.member(group, id) else {
            return;
        };
        let next = match member.lifecycle {
            Lifecycle::PendingWait => Lifecycle::PendingProceed,
            Lifecycle::TerminatingWait => Lifecycle::TerminatingProceed,
            Lifecycle::Pending
            | Lifecycle::PendingProceed
            | Lifecycle::InService
            | Lifecycle::Standby
            | Lifecycle::Terminating
            | Lifecycle::TerminatingProceed => return,
        };
        self.set_lifecycle(group, id, next);
        let event = Event::LifecycleProceed {
            group: group.to_owned(),
            instance_id: id.to_owned(),
        };
        self.later(PROCEEDING, event);
    }

    /// A member leaves `Pending:Proceed` or `Terminating:Proceed`.
    pub(crate) fn lifecycle_proceed(&mut self, group: &str, id: &str) {
        match self.scaling.member(group, id).map(|one| one.lifecycle) {
            Some(Lifecycle::PendingProceed) => self.enter_service(group, id),
            Some(Lifecycle::TerminatingProceed) => self.end_instance(group, id),
            Some(
                Lifecycle::Pending
                | Lifecycle::PendingWait
                | Lifecycle::InService
                | Lifecycle::Standby
                | Lifecycle::Terminating
                | Lifecycle::TerminatingWait,
            )
            | None => (),
        }
    }

    /// A member is in service from now on.
    pub(crate) fn enter_service(&mut self, group: &str, id: &str) {
        self.set_lifecycle(group, id, Lifecycle::InService);
        let now = self.now;
        let Some(member) = self.scaling.member_mut(group, id) else {
            return;
        };
        member.in_service_since = Some(now);
        let activity = member.activity.clone();
        self.end_activity(group, &activity, "Successful", None);
        self.add_to_load_balancers(group, id);
        let grace = self.scaling.group(group).map(|group| group.grace);
        let event = Event::HealthCheck {
            group: group.to_owned(),
            instance_id: id.to_owned(),
        };
        self.later(grace.unwrap_or_default(), event);
        self.reconcile_soon(group);
    }
}
