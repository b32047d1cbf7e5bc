//! Owns what the engine works with: the node's facts, its buffers, its journal, and the words for
//! what went wrong. Must not decide what happens.

use crate::bytes::{Fault, Result, Text, cut, last_line};
use crate::child;
use crate::clock::Tries;
use crate::console;
use crate::facts::Facts;
use crate::imds::Imds;
use crate::journal::Journal;
use crate::program::mark;
use crate::reader::{Header, List};

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
    /// Where the metadata service has the credentials of its role; empty if it has none.
    pub profile: &'static [u8],
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
    /// A line for the console.
    pub line: Text,
    /// JSON members of the node's report.
    pub members: Text,
    /// The units that were started, each with NUL: they are stopped should the launch fail.
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
            profile: b"",
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
            line: Text::new(1 << 10),
            members: text(),
            started: text(),
        }
    }

    /// A fault and what it is about.
    pub fn fault<T>(&mut self, fault: Fault, about: &'static [u8]) -> Result<T> {
        // What cannot be said is left out.
        let _unsaid = self.facts.expand(about, b"", self.detail.clear());
        Err(fault)
    }

    /// Shows a line.
    pub fn say(&mut self, sentence: &'static [u8]) {
        let _unsaid = self.facts.expand(sentence, b"", self.line.clear());
        console::say(self.line.get());
    }

    /// Shows why something is not so.
    pub fn say_fault(&mut self, begin: &[u8], fault: Fault) {
        self.line
            .clear()
            .push(begin)
            .push(fault.words().as_bytes())
            .push(self.detail.get());
        console::say(self.line.get());
    }

    /// Makes `self.text` from a template.
    pub fn expand(&mut self, template: &'static [u8], item: &[u8]) -> Result<()> {
        let made = self.facts.expand(template, item, self.text.clear());
        if made.is_err() {
            // Its beginning tells which it is.
            self.detail
                .clear()
                .push(&template[..template.len().min(40)]);
        }
        made
    }

    /// A text that is kept as a fact of the engine's own.
    pub fn keep(
        &mut self,
        number: u8,
        template: &'static [u8],
        item: &[u8],
    ) -> Result<&'static [u8]> {
        self.expand(template, item)?;
        self.facts.set(number, self.text.get())?;
        Ok(self.facts.get(number))
    }

    /// Writes `self.arguments`. One that is a whole block over a list becomes one for each item.
    pub fn expand_arguments(&mut self, list: List, item: &[u8]) -> Result<()> {
        self.arguments.clear();
        for argument in list {
            let (over, inner) = match argument {
                [mark::EACH, over, inner @ .., mark::END] => (*over, inner),
                _ => (0, argument),
            };
            let mut items = self.facts.get(over);
            // Without a list once, for the current item.
            while over == 0 || !items.is_empty() {
                let one = if over == 0 {
                    item
                } else {
                    cut(&mut items, b'\n')
                };
                let made = self.facts.expand(inner, one, &mut self.arguments);
                if made.is_err() {
                    self.detail.clear().push(&inner[..inner.len().min(40)]);
                    return made;
                }
                self.arguments.push(b"\0");
                if over == 0 {
                    break;
                }
            }
        }
        self.arguments.whole().map(drop)
    }

    /// Runs `self.arguments` with `self.text` as its input; gives the exit status.
    pub fn run(&mut self, tries: &Tries) -> Result<u8> {
        let (arguments, input) = (self.arguments.get(), self.text.get());
        child::run(
            arguments,
            input,
            &mut self.output,
            &mut self.errors,
            tries.left_ms(),
        )
    }

    /// Runs a command without input, its arguments ending with NUL; says whether it succeeded.
    pub fn succeeds(&mut self, command: &'static [u8], tries: &Tries) -> Result<bool> {
        self.facts.expand(command, b"", self.arguments.clear())?;
        self.text.clear();
        Ok(self.run(tries)? == 0)
    }

    /// Runs a command that must succeed.
    pub fn must(&mut self, command: &'static [u8], tries: &Tries) -> Result<()> {
        if self.succeeds(command, tries)? {
            return Ok(());
        }
        self.failed(1, false)
    }

    /// The fault of a program that did not succeed: its name, how it ended, its last words.
    pub fn failed<T>(&mut self, status: u8, is_secret: bool) -> Result<T> {
        let name = cut(&mut self.arguments.get(), 0);
        self.detail
            .clear()
            .push(name)
            .push(b" (exit status ")
            .number(status.into())
            .push(b")");
        let said = match last_line(self.errors.get()) {
            b"" => last_line(self.output.get()),
            errors => errors,
        };
        if !is_secret {
            self.detail.push(b": ").push(&said[..said.len().min(512)]);
        }
        Err(if status == child::LATE {
            Fault::Late
        } else {
            Fault::Failed
        })
    }
}
