//! Owns role programs: what the nodes of a role do when they start, as the engine reads it. The format
//! and its numbers are [`firstboot::program`]'s; recipes speak of claims, volumes and peers, which
//! `lower` makes of the engine's few operations.

mod carrier;
mod compile;
mod decode;
mod encode;
mod explain;
mod lower;
mod places;
#[cfg(test)]
mod tests;

pub use carrier::{Carrier, Engine, NoEngine, Sizes, carry, executable};
pub use compile::{ProgramError, RoleProgram, compile};
pub use decode::{DecodeError, decode};
pub use encode::encode;
pub use explain::{Described, explain, fact_names};
pub(crate) use lower::DERIVED;

use firstboot::program::STEP_FIELDS;

/// How many fields a step has beside its deadline, its conditions and its title.
pub const OWN_FIELDS: usize = STEP_FIELDS - 3;

/// A role program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The role.
    pub role: Vec<u8>,
    /// The lifecycle hook at launch.
    pub hook: Vec<u8>,
    /// The Auto Scaling group, in template encoding: a slot is part of its name.
    pub group: Vec<u8>,
    /// The primary region.
    pub primary: Vec<u8>,
    /// All regions of the fleet, one a line.
    pub regions: Vec<u8>,
    /// Where AWS is, for tests; empty otherwise.
    pub endpoint: Vec<u8>,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// One step of a program. Its texts are in template encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// One of [`firstboot::program::op`].
    pub op: u8,
    /// Bits of [`firstboot::program::flag`].
    pub flags: u8,
    /// The fact that it sets, or the first of several; 0 where it sets none.
    pub sets: u8,
    /// The list for each item of which it is done; 0 where there is none.
    pub each: u8,
    /// How long it may take.
    pub deadline_secs: u16,
    /// Facts that must hold, with [`firstboot::program::NOT`] those that must not.
    pub when: Vec<u8>,
    /// What the console shows; empty where it shows nothing.
    pub title: Vec<u8>,
    /// What its operation has.
    pub fields: [Vec<u8>; OWN_FIELDS],
}
