//! Owns the numbers of the role program: what `vmimage` compiles recipes' boot halves into and the
//! engine interprets. A number, once given, keeps its meaning.
//!
//! A program is read from front to back. `str` is bytes up to a NUL, in template encoding; `list` is
//! a count (u8) and that many `str`; `conditions` is a count (u8) and that many facts, each one byte
//! whose top bit ([`NOT`]) negates it. Numbers of two bytes are little-endian.
//!
//! ```text
//! program  = role:str hook:str group:str primary:str regions:list count:u16 step*
//! step     = op:u8 flags:u8 out:u8 each:u8 deadline_secs:u16 when:conditions title:str fields
//! WRITE    = mode:u16 owner:str path:str content:str
//! RUN      = argv:list stdin:str unless:list
//! WAIT     = argv:list stdin:str expect:str
//! CLAIM    = key:str token:str may_claim:conditions
//! SECRETS  = names:list
//! PEERS    = scope:u8 role:str at_least:str
//! VOLUME   = mount:str filesystem:str
//! START    = units:list
//! REPORT   = members:str
//! SET      = compare:u8 text:str equals:str
//! ```
//! It stands at the end of the ELF file, followed by its length (u32) and [`MAGIC`].

/// The last bytes of a user data program.
pub const MAGIC: [u8; 4] = *b"VMP1";

/// What a step does.
pub mod op {
    /// Writes a rendered template, atomically.
    pub const WRITE: u8 = 1;
    /// Runs an argument list.
    pub const RUN: u8 = 2;
    /// Runs an argument list until it succeeds.
    pub const WAIT: u8 = 3;
    /// Claims an object of the cluster's state, or learns who has.
    pub const CLAIM: u8 = 4;
    /// Reads secrets.
    pub const SECRETS: u8 = 5;
    /// Finds peers.
    pub const PEERS: u8 = 6;
    /// Attaches and mounts the data volume.
    pub const VOLUME: u8 = 7;
    /// Starts units.
    pub const START: u8 = 8;
    /// Adds to the node report.
    pub const REPORT: u8 = 9;
    /// Sets a fact.
    pub const SET: u8 = 10;
}

/// Bits of a step's flags.
pub mod flag {
    /// A command that runs at every boot.
    pub const ALWAYS: u8 = 1;
    /// Part of the node report: also when the report's timer fires.
    pub const REPORT: u8 = 2;
    /// A secret takes part: nothing of it is shown.
    pub const SECRET: u8 = 4;
}

/// Bits of the scope of [`op::PEERS`].
pub mod scope {
    /// All regions of the fleet, not the own one alone.
    pub const ALL_REGIONS: u8 = 1;
    /// The node itself is among them.
    pub const SELF: u8 = 2;
}

/// Negates a fact in a condition.
pub const NOT: u8 = 0x80;

/// Bytes with a meaning in template encoding; no text may hold them, nor NUL.
pub mod mark {
    /// A fact: its number, then how it is quoted.
    pub const FACT: u8 = 1;
    /// Up to [`END`] for every item of a list: the list's number.
    pub const EACH: u8 = 2;
    /// Up to [`END`] if a fact holds: its number, with [`super::NOT`] if it must not.
    pub const IF: u8 = 3;
    /// A field of the current item: its number, then how it is quoted.
    pub const FIELD: u8 = 4;
    /// Ends [`EACH`] and [`IF`].
    pub const END: u8 = 5;
}

/// How a value is quoted where it is put.
pub mod quote {
    /// As it is; control characters are refused.
    pub const PLAIN: u8 = 1;
    /// An SQL string literal with its quotes.
    pub const SQL: u8 = 2;
    /// One word for a POSIX shell.
    pub const SHELL: u8 = 3;
    /// A JSON (and YAML) string with its quotes.
    pub const JSON: u8 = 4;
    /// Decimal digits; everything else is refused.
    pub const NUMBER: u8 = 5;
    /// The first forty characters, which must be of base64's alphabet.
    pub const PEM40: u8 = 6;
}

/// Fields of an item of a list of peers.
pub const FIELDS: [&str; 7] = [
    "instance", "address", "slot", "zone", "region", "hostname", "number",
];

/// Facts that every node has, from number 1 on.
pub const FACTS: [&str; 24] = [
    "instance",
    "address",
    "hostname",
    "region",
    "zone",
    "aws-domain",
    "image",
    "role",
    "cluster",
    "environment",
    "domain",
    "bucket",
    "prefix",
    "slot",
    "size",
    "primary",
    "address-number",
    "program",
    "group",
    "boot",
    "time",
    "in-primary",
    "ssh-key",
    "outcome",
];

/// Facts that a claim sets, from its own number on.
pub const CLAIM_FACTS: [&str; 5] = ["mine", "instance", "address", "region", "epoch"];

/// The first number of the facts that steps set.
pub const OWN_FACTS_FROM: u8 = 32;

/// The last number of a fact.
pub const LAST_FACT: u8 = 126;
