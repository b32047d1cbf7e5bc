//! Owns what the engine works with: the node's facts, its buffers, its journal, and the words for
//! what went wrong. Must not decide what happens.

use crate::bytes::{Fault, Result, Text, cut, last_line};
use crate::child;
use crate::console;
use crate::facts::Facts;
use crate::imds::Imds;
use crate::journal::Journal;
use crate::program::{flag, mark};
use crate::reader::Step;

/// What a program is given a secret says is not shown, unless its last line begins so: then it says
/// which secret does not do, and why, without its value.
const ABOUT_SECRET: &[u8] = b"secret ";

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
    pub const STATE: u8 = 12;
    pub const BOOT: u8 = 13;
    pub const SLOT: u8 = 14;
    pub const SIZE: u8 = 15;
    pub const PRIMARY: u8 = 16;
    pub const ADDRESS_NUMBER: u8 = 17;
    pub const PROGRAM: u8 = 18;
    pub const GROUP: u8 = 19;
    pub const REGIONS: u8 = 20;
    pub const TIME: u8 = 21;
    pub const IN_PRIMARY: u8 = 22;
    pub const SSH_KEY: u8 = 23;
    pub const OUTCOME: u8 = 24;
    pub const REASON: u8 = 25;
}

/// Everything that the engine works with.
#[derive(Debug, Default)]
pub struct Node {
    /// What it knows.
    pub facts: Facts,
    /// Whom it asks who it is.
    pub imds: Imds,
    /// What has been done.
    pub journal: Journal,
    /// The lifecycle hook at launch.
    pub hook: &'static [u8],
    /// Where AWS is, instead of at its own names: for tests.
    pub endpoint: &'static [u8],
    /// The path of the instance's credentials, once it is known.
    pub profile: &'static [u8],
    /// The step that is done.
    pub step: Step,
    /// The item of its list for which it is done.
    pub item: &'static [u8],
    /// What the last program or request said.
    pub output: Text,
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
}

impl Node {
    /// A fault and what it is about.
    pub fn fault<T>(&mut self, fault: Fault, about: &'static [u8]) -> Result<T> {
        // What cannot be said is left out.
        let _unsaid = self.facts.expand(about, self.item, self.detail.clear());
        Err(fault)
    }

    /// Shows a line.
    pub fn say(&mut self, sentence: &'static [u8]) {
        let _unsaid = self.facts.expand(sentence, b"", self.line.clear());
        console::say(self.line.get());
    }

    /// Shows why something is not so.
    pub fn say_fault(&mut self, begin: &[u8], fault: Fault) {
        let words = fault.words();
        self.line
            .clear()
            .push(begin)
            .push(words)
            .push(self.detail.get());
        console::say(self.line.get());
    }

    /// Makes `self.text` from a template.
    pub fn expand(&mut self, template: &'static [u8]) -> Result<()> {
        self.facts.expand(template, self.item, self.text.clear())
    }

    /// Makes a fact from a template.
    pub fn keep(&mut self, number: u8, template: &'static [u8]) -> Result<()> {
        self.expand(template)?;
        self.facts.set(number, self.text.get());
        Ok(())
    }

    /// Writes `self.arguments`. One that is a whole block over a list becomes one for each item.
    pub fn expand_arguments(&mut self, mut list: &'static [u8]) -> Result<()> {
        self.arguments.clear();
        while !list.is_empty() {
            let argument = cut(&mut list, mark::ITEM);
            if let [mark::EACH, over, inner @ .., mark::END] = argument {
                let mut items = self.facts.get(*over);
                let own = self.item;
                while !items.is_empty() {
                    self.item = cut(&mut items, b'\n');
                    self.add_argument(inner)?;
                }
                self.item = own;
            } else {
                self.add_argument(argument)?;
            }
        }
        Ok(())
    }

    fn add_argument(&mut self, argument: &'static [u8]) -> Result<()> {
        self.expand(argument)?;
        self.arguments.push(self.text.get()).push(b"\0");
        Ok(())
    }

    /// Runs `self.arguments` with `self.text` as its input; gives the exit status.
    pub fn run(&mut self, milliseconds: u64) -> Result<u8> {
        let (arguments, input) = (self.arguments.get(), self.text.get());
        child::run(
            arguments,
            input,
            &mut self.output,
            &mut self.errors,
            milliseconds,
        )
    }

    /// The fault of a program that did not succeed: its name, how it ended, its last words.
    pub fn failed(&mut self, status: u8) -> Fault {
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
        if !self.step.has(flag::SECRET) || said.starts_with(ABOUT_SECRET) {
            self.detail.push(b": ").push(&said[..said.len().min(512)]);
        }
        if status == child::LATE {
            Fault::Late
        } else {
            Fault::Failed
        }
    }
}
