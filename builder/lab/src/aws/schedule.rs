//! Owns what will happen later. Must not decide what it means: whoever handles an event looks
//! whether it still applies.

use std::collections::BTreeMap;
use std::time::Duration;

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A starting instance runs (where nobody reports it).
    InstanceStarted(String),
    /// A stopping instance has stopped.
    InstanceStopped(String),
    /// A terminating instance has terminated.
    InstanceTerminated(String),
    /// A terminated instance is no longer told of.
    InstanceForgotten(String),
    /// A volume is created.
    VolumeCreated(String),
    /// A group's instances are compared with what it wants.
    Reconcile(String),
    /// A member of a group is looked at by its health checks.
    HealthCheck {
        /// The group.
        group: String,
        /// The instance.
        instance_id: String,
    },
    /// A lifecycle action has waited long enough.
    LifecycleTimeout {
        /// The group.
        group: String,
        /// The instance.
        instance_id: String,
        /// The action.
        token: String,
    },
    /// A member of a group goes on after its lifecycle actions.
    LifecycleProceed {
        /// The group.
        group: String,
        /// The instance.
        instance_id: String,
    },
    /// A target no longer drains.
    TargetDrained {
        /// The target group.
        target_group: String,
        /// The target.
        target: String,
    },
    /// A target answers its health checks (where nobody reports it).
    TargetHealthy {
        /// The target group.
        target_group: String,
        /// The target.
        target: String,
    },
    /// A load balancer is ready.
    LoadBalancerActive(String),
}

/// What will happen, in order; what is due at the same time in the order it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    events: BTreeMap<(Duration, u64), Event>,
    number: u64,
}

impl Schedule {
    /// Lets `event` happen at `when`.
    pub(crate) fn at(&mut self, when: Duration, event: Event) {
        self.events.insert((when, self.number), event);
        self.number += 1;
    }

    /// When the next event is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.events.keys().next().map(|(when, _)| *when)
    }

    /// Takes the next event that is due until `now`, and its time.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<(Duration, Event)> {
        let entry = self.events.first_entry()?;
        let when = entry.key().0;
        (when <= now).then(|| (when, entry.remove()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order() {
        let at = Duration::from_secs;
        let mut schedule = Schedule::default();
        let event = |name: &str| Event::Reconcile(name.to_owned());
        schedule.at(at(2), event("c"));
        schedule.at(at(1), event("a"));
        schedule.at(at(1), event("b"));
        assert_eq!(schedule.next_due(), Some(at(1)));
        assert_eq!(schedule.take_due(at(0)), None);
        assert_eq!(schedule.take_due(at(1)), Some((at(1), event("a"))));
        assert_eq!(schedule.take_due(at(1)), Some((at(1), event("b"))));
        assert_eq!(schedule.take_due(at(1)), None);
        assert_eq!(schedule.take_due(at(9)), Some((at(2), event("c"))));
        assert_eq!(schedule.next_due(), None);
    }
}
