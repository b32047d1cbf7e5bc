//! Owns what an executor says while it works. Must not print: `builder` draws events.

use std::time::Duration;

use serde::Serialize;

/// One thing that happened; sent in order, by one thread at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A step began.
    Started {
        /// Names the step, for example `layer webmin`.
        step: String,
        /// What it is about to do.
        doing: String,
    },
    /// A step got further.
    Progress {
        /// Names the step.
        step: String,
        /// How much is done, in `unit`s.
        done: u64,
        /// Out of how much; 0 when that is unknown.
        total: u64,
        /// `bytes` or a plural noun.
        unit: String,
        /// What is being done right now, for example a package's name.
        doing: String,
    },
    /// A step ended well.
    Finished {
        /// Names the step.
        step: String,
        /// Its outcome in a few words, for example `12 packages, 4 files`.
        outcome: String,
        /// How long it took.
        millis: u64,
        /// Whether an earlier result was used instead of doing the work.
        reused: bool,
    },
    /// A step did not end well. Why is in the report.
    Failed {
        /// Names the step.
        step: String,
        /// How long it took.
        millis: u64,
    },
    /// Something a user should know that is not a failure.
    Warning {
        /// What.
        message: String,
    },
}

/// A duration as events and reports have it.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Where an executor sends its events.
pub type Sink<'a> = &'a mut dyn FnMut(Event);
