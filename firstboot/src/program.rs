//! Owns the numbers of the role program: what `vmimage` compiles recipes' boot halves into and the
//! engine interprets. What recipes call a claim, a volume or peers is made of these few steps by the
//! compiler: text is a third of the size of the code that would do the same.
//!
//! A program is fields from front to back, each ending with NUL; a step has four bytes before its
//! fields. Numbers in fields are decimal.
//!
//! ```text
//! program = role hook group primary regions endpoint count step*
//! step    = op:u8 flags:u8 out:u8 each:u8 deadline_secs when title f0 f1 f2 f3 f4
//! ```
//! `group` is the name of the Auto Scaling group where no tag says it; `regions` has one line for each
//! region; `endpoint` is where AWS is, for tests, and empty otherwise. `when` is facts that must hold, one byte each, negated by [`NOT`]; a step without a title, or with one
//! that begins with a space, says nothing unless it fails; without one it is part of the next that has one. The fields of an operation:
//!
//! | operation | f0 | f1 | f2 | f3 | f4 |
//! |---|---|---|---|---|---|
//! | `WRITE` | path | content | mode | | |
//! | `RUN` | arguments | input | text that the output must contain | | |
//! | `REQUEST` | service | region | path | lines of curl's configuration | what is taken from the answer |
//! | `SET` | text | with [`flag::COMPARE`]: text that it must equal | | | |
//! | `REPEAT` | facts that must hold, or else | so many steps back | what is missing when the time is over | | |
//! | `FAIL` | why | | | | |
//!
//! Arguments, and what is taken from an answer, end with [`mark::ITEM`] each. All text is in template
//! encoding.
//!
//! The program follows the ELF file and is mapped with it: the compiler adds its length to the size of
//! the one segment, and writes where it begins into that segment's physical address, which Linux does
//! not look at.

/// Where the ELF file has the address at which the program begins: `p_paddr` of the first segment.
pub const BEGIN_AT: usize = 64 + 24;

/// Where the ELF file has the segment's size in the file and in memory: `p_filesz` and `p_memsz`.
pub const SIZES_AT: [usize; 2] = [64 + 32, 64 + 40];

/// The address of the ELF file's first byte.
pub const BASE: usize = 0x40_0000;

/// Fields of a step.
pub const STEP_FIELDS: usize = 8;

/// Fields before the steps.
pub const HEADER_FIELDS: usize = 7;

/// What a step does.
pub mod op {
    /// Writes a file, atomically; the fact that it sets says whether it changed.
    pub const WRITE: u8 = 1;
    /// Runs a command; the fact that it sets is its output.
    pub const RUN: u8 = 2;
    /// Asks AWS; sets the status, and the facts after it to what is taken from the answer: `<tag>` is
    /// the text of an XML element (`<etag>` the entity tag), `*` everything, another word a JSON
    /// member.
    pub const REQUEST: u8 = 3;
    /// Sets a fact.
    pub const SET: u8 = 4;
    /// Goes back after a pause unless facts hold, until the time is over.
    pub const REPEAT: u8 = 5;
    /// Fails.
    pub const FAIL: u8 = 6;
}

/// Bits of a step's flags.
pub mod flag {
    /// `RUN`: once on an instance, by the journal. No two such steps of a program are the same.
    pub const ONCE: u8 = 1;
    /// `SET`: to `yes` or `no`, whether both texts are equal.
    pub const COMPARE: u8 = 1;
    /// `REQUEST`: 404 is an answer, and so are 409 and 412.
    pub const ABSENT: u8 = 1;
    /// Part of the node report: also when the report's timer fires.
    pub const REPORT: u8 = 2;
    /// A secret takes part: nothing of it is shown.
    pub const SECRET: u8 = 4;
    /// `RUN`: again after a pause until it succeeds.
    pub const RETRY: u8 = 8;
    /// `RUN`: sets `yes` or `no`, whether it succeeded. `REQUEST`: every status is an answer; with
    /// [`REPORT`] so is none in time, and then the status is 0 and all that is taken is empty.
    pub const MAY_FAIL: u8 = 16;
    /// `REQUEST`: all pages.
    pub const PAGES: u8 = 32;
    /// `SET`, `REQUEST`: adds to what the fact is.
    pub const APPEND: u8 = 64;
    /// Only when the launch has failed.
    pub const FAILED: u8 = 128;
}

/// Negates a fact in a condition.
pub const NOT: u8 = 0x80;

/// Bytes with a meaning in template encoding; no other text may hold them.
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
    /// Ends an argument. It is no number of a fact, negated or not, of a field or of a quote, which may
    /// stand in an argument.
    pub const ITEM: u8 = 0x7f;
}

/// How a value is quoted where it is put.
pub mod quote {
    /// As it is; control characters are refused.
    pub const PLAIN: u8 = 1;
    /// An SQL string literal with its quotes, with backslashes as escapes, as MariaDB has them by
    /// default. Its programs read it so in an option file as well.
    pub const SQL: u8 = 2;
    /// One word for a POSIX shell, with its quotes. systemd reads it so in an `EnvironmentFile=` as well.
    pub const SHELL: u8 = 3;
    /// A JSON (and YAML) string with its quotes.
    pub const JSON: u8 = 4;
    /// Decimal digits; everything else is refused.
    pub const NUMBER: u8 = 5;
    /// The first forty characters, which must be of base64's alphabet.
    pub const PEM40: u8 = 6;
    /// Whatever it is: for the input of a command.
    pub const RAW: u8 = 7;
}

/// Fields of an item of a list of peers, numbered from 1. An item is a line of words, the last field
/// first. The items of other lists are one word, which is field 7.
pub const FIELDS: [&str; 7] = [
    "instance", "address", "slot", "zone", "region", "hostname", "number",
];

/// Facts that every node has, from number 1 on. `state` is bucket and prefix. The compiler sees to
/// `boot`, `address-number`, `time` and `in-primary` where a program uses them.
pub const FACTS: [&str; 25] = [
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
    "state",
    "boot",
    "slot",
    "size",
    "primary",
    "address-number",
    "program",
    "group",
    "regions",
    "time",
    "in-primary",
    "ssh-key",
    "outcome",
    "reason",
];

/// Facts that a claim sets, from its own number on.
pub const CLAIM_FACTS: [&str; 5] = ["mine", "instance", "address", "region", "epoch"];

/// The first number of the facts that steps set.
pub const OWN_FACTS_FROM: u8 = 32;

/// The last number of a fact.
pub const LAST_FACT: u8 = 126;
