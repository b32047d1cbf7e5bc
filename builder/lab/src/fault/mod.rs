//! Owns the faults that a lab plays: which there are, when they strike, and what they do to a request.
//! Seeded: the same faults and the same requests give the same failures. Must not do input or output.
//!
//! ```
//! use vmimage_lab::fault::Fault;
//! let fault: Fault = "throttle service=ec2 action=DescribeInstances p=0.3 count=5".parse().unwrap();
//! assert_eq!(fault.to_string(), "throttle service=ec2 action=DescribeInstances p=0.3 count=5");
//! ```

mod plan;
#[cfg(test)]
mod tests;
mod text;

use std::time::Duration;

use crate::wire::Service;

pub use crate::imds::Interference;
pub use plan::{Active, Faults};
pub(crate) use plan::{After, Before, Decision, Target};
pub use text::FaultError;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The service says that there are too many requests.
    Throttle,
    /// An internal error before anything is done.
    Fail,
    /// An internal error after everything is done.
    FailAfter,
    /// The connection is closed after everything is done.
    LoseReply,
    /// The connection is closed before anything is done: the service is not there.
    Down,
    /// The response comes late.
    Slow {
        /// By how much.
        by: Duration,
    },
    /// The response ends early.
    Cut {
        /// So many bytes of its body are sent.
        at: usize,
    },
    /// S3 says that another write is under way.
    Conflict,
    /// EC2 describes show what was.
    Stale {
        /// For how long a change stays unseen.
        by: Duration,
    },
    /// A zone has no room.
    Capacity {
        /// The zone.
        zone: String,
        /// So many instances fit.
        instances: usize,
    },
    /// A zone has no instances of a type at all.
    NotOffered {
        /// The zone.
        zone: String,
        /// The type.
        instance_type: String,
    },
    /// A node's metadata service misbehaves.
    Imds {
        /// How.
        answer: Interference,
        /// Only for paths that begin so.
        path: Option<String>,
    },
}

/// A fault, and what it is restricted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// Only this service.
    pub service: Option<Service>,
    /// Only this operation.
    pub action: Option<String>,
    /// Only this region.
    pub region: Option<String>,
    /// Only this instance, by its id.
    pub node: Option<String>,
    /// How many requests of a million it strikes.
    pub per_million: u32,
    /// How often it strikes before it is over.
    pub count: Option<u32>,
    /// When it begins, counted from when it is added.
    pub from: Duration,
    /// When it ends, counted likewise.
    pub until: Option<Duration>,
}

impl Fault {
    /// A fault without restrictions.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            service: None,
            action: None,
            region: None,
            node: None,
            per_million: 1_000_000,
            count: None,
            from: Duration::ZERO,
            until: None,
        }
    }
}
