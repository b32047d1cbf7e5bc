//! Owns what the engine works with: the node's facts, its buffers, its journal, and the words for
//! what went wrong. Must not decide what happens.

use crate::bytes::{Fault, Result, Text};
use crate::child::{self, Ended};
use crate::clock::Tries;
use crate::facts::Facts;
use crate::imds::Imds;
use crate::journal::Journal;
use crate::reader::Header;

/// The numbers of the facts that every node has; their names are in [`crate::program::FACTS`].
pub mod fact {
    #![expect(missing_docs, reason = "each is what it is called")]
    pub const INSTANCE: u8 = 1;
    pub const ADDRESS: u8 = 2;
    pub const HOSTNAME: u8 = 3;
    pub const REGION: u8 = 4;
    pub const ZONE: u8 = 5;
    pub const AWS_DOMAIN: u8 = 6;
    pub const IMAGE: u8 = 7;
    pub const ROLE: u8 = 8;
    pub const CLUSTER: u8 = 9;
    pub const ENVIRONMENT: u8 = 10;
    pub const DOMAIN: u8 = 11;
    pub const BUCKET: u8 = 12;
    pub const PREFIX: u8 = 13;
    pub const SLOT: u8 = 14;
    pub const SIZE: u8 = 15;
    pub const PRIMARY: u8 = 16;
    pub const ADDRESS_NUMBER: u8 = 17;
    pub const PROGRAM: u8 = 18;
    pub const GROUP: u8 = 19;
    pub const BOOT: u8 = 20;
    pub const TIME: u8 = 21;
    pub const IN_PRIMARY: u8 = 22;
    pub const SSH_KEY: u8 = 23;
    pub const OUTCOME: u8 = 24;
}

/// Room for the answer of a program or of AWS: a page of a hundred instances has at most 700 KB.
const OUTPUT_ROOM: usize = 1 << 20;

/// Room for one text that is made from a template.
const TEXT_ROOM: usize = 1 << 18;

/// Everything that the engine works with.
#[derive(Debug)]
pub struct Node {
    /// What it knows.
    pub facts: Facts,
    /// What the program begins with.
    pub header: Header,
    /// Whom it asks who it is.
    pub imds: Imds,
    /// What has been done.
    pub journal: Journal,
    /// The role whose credentials it uses; empty if it has none.
    pub profile: Text,
    /// Where AWS is, instead of at its own names: for tests.
    pub endpoint: &'static [u8],
    /// What the last program or request said.
    pub output: Text,
    /// The entity tag of the last answer from S3.
    pub etag: Text,
    /// What the last program complained of.
    pub errors: Text,
    /// The arguments of a program, each with NUL.
    pub arguments: Text,
    /// A text that is made from a template.
    pub text: Text,
    /// Another.
    pub other: Text,
    /// The request to AWS that is being written, as curl's configuration.
    pub request: Text,
    /// The same with credentials.
    pub config: Text,
    /// What a fault is about.
    pub detail: Text,
    /// JSON members of the node's report.
    pub members: Text,
    /// The command that stops what was started, should the launch fail.
    pub started: Text,
}

impl Node {
    /// One that knows nothing yet.
    pub fn new(header: Header, endpoint: &'static [u8]) -> Self {
        let text = || Text::new(TEXT_ROOM);
        Self {
            facts: Facts::default(),
            header,
            imds: Imds::default(),
            journal: Journal::default(),
            profile: Text::new(1 << 10),
            endpoint,
            output: Text::new(OUTPUT_ROOM),
            etag: Text::new(1 << 10),
            errors: text(),
            arguments: text(),
            text: text(),
            other: text(),
            request: text(),
            config: text(),
            detail: Text::new(1 << 10),
            members: text(),
            started: text(),
        }
    }

    /// A fault and what it is about.
    pub fn fault<T>(&mut self, what: &'static str, about: &[&[u8]]) -> Result<T> {
        self.detail.clear().push_all(about);
        Err(Fault(what))
    }

    /// Makes `self.text` from a template.
    pub fn expand(&mut self, template: &'static [u8], item: &[u8]) -> Result<()> {
        let made = self.facts.expand(template, item, self.text.clear());
        self.about(made, template)
    }

    /// Says of a template what could not be made from it.
    fn about(&mut self, made: Result<()>, template: &'static [u8]) -> Result<()> {
        if made.is_err() {
            self.detail.clear().push(crate::facts::first_line(template));
        }
        made
    }

    /// A text that is kept.
    pub fn kept(&mut self, template: &'static [u8], item: &[u8]) -> Result<&'static [u8]> {
        self.expand(template, item)?;
        self.facts.keep(self.text.get())
    }

    /// Writes `self.arguments`. One that is a whole block over a list becomes one for each item.
    pub fn expand_arguments(&mut self, list: crate::reader::List, item: &[u8]) -> Result<()> {
        use crate::program::mark;
        self.arguments.clear();
        for argument in list {
            let made = match argument {
                [mark::EACH, over, inner @ .., mark::END] => {
                    self.facts.items(*over).try_for_each(|one| {
                        let made = self.facts.expand(inner, one, &mut self.arguments);
                        self.arguments.push(b"\0");
                        made
                    })
                }
                _ => {
                    let made = self.facts.expand(argument, item, &mut self.arguments);
                    self.arguments.push(b"\0");
                    made
                }
            };
            self.about(made, argument)?;
        }
        Ok(())
    }

    /// Runs `self.arguments` with `self.text` as its input.
    pub fn run(&mut self, milliseconds: u64) -> Result<Ended> {
        let arguments = self.arguments.whole()?;
        child::run(
            arguments,
            self.text.get(),
            &mut self.output,
            &mut self.errors,
            milliseconds,
        )
    }

    /// Runs a command without input; says whether it succeeded.
    pub fn succeeds(&mut self, arguments: &[&[u8]], tries: &Tries) -> Result<bool> {
        self.arguments.clear().push_all(arguments);
        self.text.clear();
        Ok(self.run(tries.left_ms())?.is_success())
    }

    /// The fault of a program that did not succeed: its name, how it ended, its last words.
    pub fn ended<T>(&mut self, ended: Ended, is_secret: bool) -> Result<T> {
        let name = crate::bytes::split(self.arguments.get(), b"\0").0;
        self.detail.clear().push(name);
        let status = match ended {
            Ended::With(status) => status,
            Ended::Late => 0,
        };
        if status != 0 {
            self.detail
                .push(b" (exit status ")
                .number(status.into())
                .push(b")");
        }
        let said = match self.errors.get().trim_ascii_end() {
            b"" => self.output.get().trim_ascii_end(),
            errors => errors,
        };
        if !is_secret && !said.is_empty() {
            let last = said
                .rsplit(|byte| *byte == b'\n')
                .next()
                .unwrap_or_default();
            self.detail.push_all(&[b": ", &last[..last.len().min(512)]]);
        }
        match ended {
            Ended::With(127) => Err(Fault("there is no program")),
            Ended::With(_) => Err(Fault("a program failed:")),
            Ended::Late => Err(Fault("a program was killed because its time was over:")),
        }
    }
}
