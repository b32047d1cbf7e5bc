//! Owns what vmimage does in AWS. The only package that names AWS's SDK; its types stay inside.
//!
//! [`Account`] reads what a fleet has ([`Account::observe_fleet`]) and does what a plan says
//! ([`execute_fleet`]). Must not decide what is wanted: `vmimage-plan` does.

mod account;
mod error;
mod execute;
mod observe;
mod perform;

pub use account::Account;
pub use error::{CallError, CloudError, Operation};
pub use execute::{
    FleetReport, Made, Outcome, Perform, StepFailure, StepLeft, StepReport, Unplanned,
    execute_fleet, execute_plan,
};
