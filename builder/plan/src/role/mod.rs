//! Owns role programs: what the nodes of a role do when they start, as the engine reads it. The
//! numbers are [`firstboot::program`]'s.

mod carrier;
mod compile;
mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use carrier::{Carrier, NoEngine, Sizes, carry, executable};
pub use compile::{ProgramError, RoleProgram, compile};
pub use decode::{DecodeError, decode};
pub use encode::encode;

/// A role program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The role.
    pub role: Text,
    /// The lifecycle hook at launch.
    pub hook: Text,
    /// The Auto Scaling group, without a slot.
    pub group: Text,
    /// The primary region.
    pub primary: Text,
    /// All regions of the fleet.
    pub regions: Vec<Text>,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// A text in template encoding: [`firstboot::program::mark`] says what its bytes below 6 mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub Vec<u8>);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

/// One step of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
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
    /// What the console shows.
    pub title: Text,
    /// What is done.
    pub action: Action,
}

/// What a step does; see [`crate::definition::BootAction`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of `BootAction`")]
pub enum Action {
    /// Writes a file.
    Write {
        mode: u16,
        owner: Text,
        path: Text,
        content: Text,
    },
    /// Runs a command.
    Run {
        argv: Vec<Text>,
        stdin: Text,
        unless: Vec<Text>,
    },
    /// Runs a command until it succeeds.
    Wait {
        argv: Vec<Text>,
        stdin: Text,
        expect: Text,
    },
    /// Claims an object.
    Claim {
        key: Text,
        token: Text,
        may_claim: Vec<u8>,
    },
    /// Reads secrets.
    Secrets { names: Vec<Text> },
    /// Finds nodes; the scope is bits of [`firstboot::program::scope`].
    Peers {
        scope: u8,
        role: Text,
        at_least: Text,
    },
    /// Attaches and mounts the data volume.
    Volume { mount: Text, filesystem: Text },
    /// Starts units.
    Start { units: Vec<Text> },
    /// Adds to the node report.
    Report { members: Text },
    /// Sets a fact, with `compare` to whether the text is `equals`.
    Set {
        compare: bool,
        text: Text,
        equals: Text,
    },
}

impl Action {
    /// Its number.
    pub const fn op(&self) -> u8 {
        use firstboot::program::op;
        match self {
            Self::Write { .. } => op::WRITE,
            Self::Run { .. } => op::RUN,
            Self::Wait { .. } => op::WAIT,
            Self::Claim { .. } => op::CLAIM,
            Self::Secrets { .. } => op::SECRETS,
            Self::Peers { .. } => op::PEERS,
            Self::Volume { .. } => op::VOLUME,
            Self::Start { .. } => op::START,
            Self::Report { .. } => op::REPORT,
            Self::Set { .. } => op::SET,
        }
    }
}
