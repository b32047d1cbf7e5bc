//! Owns the health checks of a group's instances, and replacing those that fail them.

use super::member::Lifecycle;
use crate::aws::ec2::State;
use crate::aws::region::Region;
use crate::aws::schedule::Event;

impl Region {
    /// Something about an instance changed that its group's health checks look at.
    pub(crate) fn member_changed(&mut self, id: &str) {
        if let Some(group) = self.group_of(id) {
            let event = Event::HealthCheck {
                group,
                instance_id: id.to_owned(),
            };
            self.later(std::time::Duration::ZERO, event);
        }
    }

    /// Looks at a member, and replaces it if it is not healthy.
    pub(crate) fn check_health(&mut self, name: &str, id: &str) {
        let Ok(group) = self.scaling.group(name) else {
            return;
        };
        let Some(member) = group.members.get(id) else {
            return;
        };
        if group.suspends("HealthCheck") {
            return;
        }
        if member.lifecycle.is_pending() {
            self.check_launch(name, id);
        } else if member.lifecycle == Lifecycle::InService
            && let Some(reason) = self.finding(name, id)
        {
            self.mark_unhealthy(name, id, reason);
        }
    }

    /// An instance that ends before it is in service is a failed launch.
    fn check_launch(&mut self, name: &str, id: &str) {
        let Some(instance) = self.instances.get(id) else {
            return;
        };
        if matches!(instance.state.get(), State::Pending | State::Running) {
            return;
        }
        let reason = instance.reason.as_ref().map(|(_, text)| text.as_str());
        let message = format!(
            "Instance became unhealthy while waiting for instance to be in InService state. \
             Termination Reason: {}",
            reason.unwrap_or("unknown")
        );
        if let Some(member) = self.scaling.member(name, id) {
            let never_ran = member.lifecycle == Lifecycle::Pending;
            let activity = member.activity.clone();
            self.end_activity(name, &activity, "Failed", Some(message.clone()));
            if never_ran {
                // What could not be started will hardly start at once.
                self.retry_later(name);
            }
        }
        self.abandon_launch(name, id, message);
    }

    /// Why a member in service is unhealthy, if it is.
    fn finding(&self, name: &str, id: &str) -> Option<&'static str> {
        let group = self.scaling.group(name).ok()?;
        let member = group.members.get(id)?;
        let instance = self.instances.get(id);
        let running = instance.filter(|instance| *instance.state.get() == State::Running);
        let Some(instance) = running else {
            return Some("an EC2 health check indicating it has been terminated or stopped");
        };
        if self.now < member.in_service_since? + group.grace {
            return None;
        }
        if instance.impaired.is_some() {
            return Some("an EC2 instance status checks failure");
        }
        let fails = group.elb_health && self.fails_as_target(&group.target_groups, id);
        fails.then_some("an ELB system health check failure")
    }

    /// Notes that a member is unhealthy, and replaces it unless that is suspended.
    pub(crate) fn mark_unhealthy(&mut self, name: &str, id: &str, reason: &str) {
        let at = self.epoch.to_the_second(self.now);
        let cause =
            format!("At {at} an instance was taken out of service in response to {reason}.");
        if let Some(member) = self.scaling.member_mut(name, id) {
            member.healthy = false;
        }
        self.replace(name, id, cause);
    }

    fn replace(&mut self, name: &str, id: &str, cause: String) {
        let Some(group) = self.scaling.groups.get_mut(name) else {
            return;
        };
        if group.suspends("ReplaceUnhealthy") || group.suspends("Terminate") {
            return;
        }
        group.replacing += 1;
        self.end_member(name, id, cause);
    }

    /// Replaces those that were found unhealthy while replacing was suspended.
    pub(crate) fn replace_unhealthy(&mut self, name: &str) {
        let Ok(group) = self.scaling.group(name) else {
            return;
        };
        let in_service = group.in_service().filter(|member| !member.healthy);
        let ids: Vec<String> = in_service
            .map(|member| member.instance_id.clone())
            .collect();
        for id in ids {
            let at = self.epoch.to_the_second(self.now);
            let cause = format!(
                "At {at} an instance was taken out of service in response to a user health-check."
            );
            self.replace(name, &id, cause);
        }
    }
}
