//! Owns running commands and waiting until one succeeds.

use super::Outcome;
use crate::bytes::{Fault, Result, find};
use crate::child::Ended;
use crate::clock::Tries;
use crate::node::Node;
use crate::program::flag;
use crate::reader::Step;

impl Node {
    pub(super) fn command(&mut self, step: &Step, item: &[u8], tries: &Tries) -> Result<Outcome> {
        let is_secret = step.flags & flag::SECRET != 0;
        let [command, unless] = step.lists;
        if !unless.is_empty() {
            self.expand_arguments(unless, item)?;
            self.text.clear();
            if self.run(tries.left_ms())?.is_success() {
                return Ok(Outcome::Unchanged);
            }
        }
        self.expand_arguments(command, item)?;
        self.expand(step.texts[0], item)?;
        // Once on an instance, and again when what it says changes: then it is another command.
        let is_once = unless.is_empty() && step.flags & flag::ALWAYS == 0;
        let mut key = step.hash;
        if is_once {
            key.add(self.arguments.get());
            key.add(self.text.get());
            key = self.journal.distinct(key);
            if self.journal.has(key.0) {
                return Ok(Outcome::Unchanged);
            }
        }
        let ended = self.run(tries.left_ms())?;
        if !ended.is_success() {
            return self.ended(ended, is_secret);
        }
        self.take_output(step.out)?;
        if is_once {
            self.journal.done(key.0, step.title)?;
        }
        Ok(Outcome::Done)
    }

    pub(super) fn wait(&mut self, step: &Step, item: &[u8], tries: &mut Tries) -> Result<Outcome> {
        let [input, expected, _] = step.texts;
        let expected = self.kept(expected, item)?;
        loop {
            self.expand_arguments(step.lists[0], item)?;
            self.expand(input, item)?;
            let ended = self.run(tries.left_ms())?;
            let said = self.output.get();
            if ended.is_success() && (expected.is_empty() || find(said, expected).is_some()) {
                self.take_output(step.out)?;
                return Ok(Outcome::Unchanged);
            }
            let is_missing = ended == Ended::With(127);
            if is_missing || !tries.again() {
                let fault = self.ended::<()>(ended, step.flags & flag::SECRET != 0);
                return match fault {
                    Err(fault) if is_missing => Err(fault),
                    _ => Err(Fault("it did not come to hold in time:")),
                };
            }
        }
    }

    /// What a program said becomes a fact, if anybody wants it.
    fn take_output(&mut self, out: u8) -> Result<()> {
        if out == 0 {
            return Ok(());
        }
        let said = self.output.whole()?.trim_ascii();
        self.facts.set(out, said)
    }
}
