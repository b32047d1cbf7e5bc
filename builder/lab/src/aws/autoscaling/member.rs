//! Owns what a group knows of one of its instances.

use std::time::Duration;

/// An instance of a group.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) instance_id: String,
    pub(crate) zone: String,
    pub(crate) zone_id: String,
    pub(crate) instance_type: String,
    pub(crate) image_id: String,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) healthy: bool,
    /// Against scale-in only.
    pub(crate) protected: bool,
    pub(crate) template: Used,
    /// The lifecycle actions that are open.
    pub(crate) waits: Vec<Wait>,
    /// The activity that is under way for it.
    pub(crate) activity: String,
    pub(crate) launched_at: Duration,
    pub(crate) in_service_since: Option<Duration>,
}

/// The template an instance was launched with. The version is a number, whatever the group says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: u64,
}

/// A lifecycle action that is waited for.
#[derive(Clone, Debug)]
pub(crate) struct Wait {
    pub(crate) hook: String,
    pub(crate) token: String,
    /// When it times out.
    pub(crate) deadline: Duration,
    /// What no heartbeat can move the deadline beyond.
    pub(crate) cap: Duration,
    pub(crate) timeout: Duration,
    pub(crate) default: Outcome,
}

/// How a lifecycle action ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Continue,
    Abandon,
}

impl Outcome {
    /// AWS's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Continue => "CONTINUE",
            Self::Abandon => "ABANDON",
        }
    }

    /// Reads AWS's name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Continue, Self::Abandon]
            .into_iter()
            .find(|outcome| outcome.name() == text)
    }
}

/// The state of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    Pending,
    PendingWait,
    PendingProceed,
    InService,
    Standby,
    Terminating,
    TerminatingWait,
    TerminatingProceed,
}

impl Lifecycle {
    /// AWS's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::PendingWait => "Pending:Wait",
            Self::PendingProceed => "Pending:Proceed",
            Self::InService => "InService",
            Self::Standby => "Standby",
            Self::Terminating => "Terminating",
            Self::TerminatingWait => "Terminating:Wait",
            Self::TerminatingProceed => "Terminating:Proceed",
        }
    }

    /// Whether it is on its way into service.
    pub(crate) fn is_pending(self) -> bool {
        matches!(
            self,
            Self::Pending | Self::PendingWait | Self::PendingProceed
        )
    }

    /// Whether it is on its way out.
    pub(crate) fn is_ending(self) -> bool {
        matches!(
            self,
            Self::Terminating | Self::TerminatingWait | Self::TerminatingProceed
        )
    }

    /// Whether it counts towards what the group wants.
    pub(crate) fn is_counted(self) -> bool {
        self.is_pending() || self == Self::InService
    }

    /// What its metadata service says it is on its way to.
    pub(crate) fn target(self) -> &'static str {
        if self.is_ending() {
            "Terminated"
        } else if self == Self::Standby {
            "Standby"
        } else {
            "InService"
        }
    }
}
