//! Owns the boot halves of recipes (`[[boot]]` in `recipes/NAME/recipe.toml`): what nodes do when they
//! start. Nothing of it is baked.

use firstboot::Role;
use serde::{Serialize, Serializer};

use super::template::{Condition, Template};

/// One step of a boot half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BootStep {
    /// What the console shows.
    pub name: String,
    /// The roles whose nodes do it.
    #[serde(serialize_with = "role_names")]
    pub roles: Vec<Role>,
    /// When it is done.
    pub stage: Stage,
    /// All of these must hold for it to be done.
    pub when: Vec<Condition>,
    /// The list for each item of which it is done.
    pub each: Option<String>,
    /// The fact that it sets, or what the names of several begin with.
    pub sets: Option<String>,
    /// How long it may take; 0 where it waits for nothing.
    pub deadline_secs: u16,
    /// What is done.
    pub action: BootAction,
}

/// When a step is done. Those of one stage are in the order of the image's recipes, then as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Before anything else: volumes, secrets.
    Prepare,
    /// Files and commands.
    Configure,
    /// Services.
    Start,
    /// What must hold for the node to be ready.
    Ready,
    /// The node report: at the end of the launch, and each time its timer fires.
    Report,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 5] = [
        Self::Prepare,
        Self::Configure,
        Self::Start,
        Self::Ready,
        Self::Report,
    ];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Configure => "configure",
            Self::Start => "start",
            Self::Ready => "ready",
            Self::Report => "report",
        }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootAction {
    /// Writes a file, atomically.
    Write {
        /// Absolute path.
        path: Template,
        /// What is in it.
        content: Template,
        /// Permission bits.
        mode: u16,
        /// `user` or `user:group`.
        owner: String,
    },
    /// Runs a command.
    Run {
        /// Program and arguments; no shell.
        argv: Vec<Template>,
        /// Its standard input.
        stdin: Template,
        /// A command that succeeds where there is nothing to do; empty where there is none.
        unless: Vec<Template>,
        /// Whether it runs at every boot, and not once.
        always: bool,
    },
    /// Runs a command until it succeeds.
    Wait {
        /// Program and arguments; no shell.
        argv: Vec<Template>,
        /// Its standard input.
        stdin: Template,
        /// What its standard output must contain.
        expect: Template,
    },
    /// Claims an object of the cluster's state, or learns who has.
    Claim {
        /// The object, below the state's prefix.
        key: Template,
        /// What a claimant must have in common with the one before it to take over.
        token: Template,
        /// All of these must hold for the node to make the claim.
        may_claim: Vec<Condition>,
    },
    /// Reads secrets of the cluster.
    Secrets {
        /// Their names.
        names: Vec<String>,
    },
    /// Finds the nodes of a role.
    Peers {
        /// The role.
        #[serde(serialize_with = "role_name")]
        role: Role,
        /// In all regions of the fleet, not in the own one alone.
        all_regions: bool,
        /// With the node itself.
        include_self: bool,
        /// How many there must be.
        at_least: Template,
    },
    /// Attaches and mounts the slot's data volume.
    Volume {
        /// Where it is mounted.
        mount: String,
        /// What is made on it where it is blank.
        filesystem: String,
    },
    /// Starts units and waits until they are active.
    Start {
        /// The units.
        units: Vec<Template>,
    },
    /// Adds to the node report.
    Report {
        /// Members of a JSON object.
        members: Template,
    },
    /// Sets a fact.
    Set {
        /// Its text.
        text: Template,
        /// Where given, the fact is `yes` or `no`: whether the text is this.
        equals: Option<Template>,
    },
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's `serialize_with` passes a reference"
)]
fn role_name<S: Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(role.as_str())
}

fn role_names<S: Serializer>(roles: &[Role], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(roles.iter().map(|role| role.as_str()))
}

/// What a step can do, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BootKind {
    Write,
    Run,
    Wait,
    Claim,
    Secrets,
    Peers,
    Volume,
    Start,
    Set,
    Report,
}

impl BootKind {
    /// Every kind.
    pub(super) const ALL: [Self; 10] = [
        Self::Write,
        Self::Run,
        Self::Wait,
        Self::Claim,
        Self::Secrets,
        Self::Peers,
        Self::Volume,
        Self::Start,
        Self::Set,
        Self::Report,
    ];

    /// The key that makes a step of this kind.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Run => "run",
            Self::Wait => "wait",
            Self::Claim => "claim",
            Self::Secrets => "secrets",
            Self::Peers => "peers",
            Self::Volume => "volume",
            Self::Start => "start",
            Self::Set => "set",
            Self::Report => "report",
        }
    }
}
