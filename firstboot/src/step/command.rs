//! Owns running commands and waiting until one succeeds.

use super::HasActed;
use crate::bytes::{Fault, Result, find};
use crate::child::NOT_FOUND;
use crate::clock::Tries;
use crate::node::Node;
use crate::phrase::A;
use crate::program::flag;
use crate::reader::Step;

impl Node {
    pub(super) fn command(&mut self, step: &Step, item: &[u8], tries: &Tries) -> Result<HasActed> {
        let [command, unless] = step.lists;
        if !unless.is_empty() {
            self.expand_arguments(unless, item)?;
            self.text.clear();
            if self.run(tries)? == 0 {
                return Ok(false);
            }
        }
        self.expand_arguments(command, item)?;
        self.expand(step.texts[0], item)?;
        // Once on an instance, and again when what it says changes: then it is another command.
        let is_once = unless.is_empty() && step.flags & flag::ALWAYS == 0;
        let mut key = step.hash;
        key.add(self.arguments.get());
        key.add(self.text.get());
        let key = self.journal.distinct(key);
        if is_once && self.journal.has(key) {
            return Ok(false);
        }
        let status = self.run(tries)?;
        if status != 0 {
            return self.failed(status, step.flags & flag::SECRET != 0);
        }
        self.take_output(step.out)?;
        if is_once {
            self.journal.done(key, step.title)?;
        }
        Ok(true)
    }

    pub(super) fn wait(&mut self, step: &Step, item: &[u8], tries: &mut Tries) -> Result<HasActed> {
        let [input, expected, _] = step.texts;
        let expected = self.keep(A, expected, item)?;
        loop {
            self.expand_arguments(step.lists[0], item)?;
            self.expand(input, item)?;
            let status = self.run(tries)?;
            let said = self.output.get();
            if status == 0 && (expected.is_empty() || find(said, expected).is_some()) {
                self.take_output(step.out)?;
                return Ok(false);
            }
            if status == NOT_FOUND || !tries.again() {
                let failed = self.failed::<()>(status, step.flags & flag::SECRET != 0);
                return if status == NOT_FOUND {
                    failed.map(|()| false)
                } else {
                    Err(Fault::NotInTime)
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
