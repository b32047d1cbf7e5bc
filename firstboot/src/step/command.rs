//! Owns running commands, once or until one succeeds.

use super::HasActed;
use crate::bytes::{Fault, Result, find};
use crate::child::NOT_FOUND;
use crate::clock::Tries;
use crate::node::Node;
use crate::phrase::{A, B};
use crate::program::flag;
use crate::reader::Step;

impl Node {
    pub(super) fn command(
        &mut self,
        step: &Step,
        item: &[u8],
        tries: &mut Tries,
    ) -> Result<HasActed> {
        let [_, _, title, command, input, unless, expected, refused] = step.fields;
        if !unless.is_empty() {
            self.expand_arguments(unless, item)?;
            self.text.clear();
            if self.run(tries.left_ms())? == 0 {
                return Ok(false);
            }
        }
        let expected = self.keep(A, expected, item)?;
        let refused = self.keep(B, refused, item)?;
        let mut key = None;
        loop {
            self.expand_arguments(command, item)?;
            self.expand(input, item)?;
            if step.has(flag::ONCE) && key.is_none() {
                // Again when what it says changes: then it is another command.
                let mut hash = step.hash;
                hash.add(self.arguments.get());
                hash.add(self.text.get());
                if self.journal.has(hash.0) {
                    return Ok(false);
                }
                key = Some(hash.0);
            }
            let mut status = self.run(tries.left_ms())?;
            let said = self.output.get();
            let is_refused = !refused.is_empty() && find(said, refused).is_some();
            let holds = status == 0 && (expected.is_empty() || find(said, expected).is_some());
            if holds && !is_refused {
                break;
            }
            if step.has(flag::MAY_FAIL) {
                self.output.clear();
                break;
            }
            let is_final = is_refused || status == NOT_FOUND || !step.has(flag::RETRY);
            if is_final || !tries.again() {
                status += u8::from(status == 0);
                let fault = self.failed(status, step.has(flag::SECRET));
                return if is_final {
                    fault
                } else {
                    Err(Fault::NotInTime)
                };
            }
        }
        if step.numbers[2] != 0 {
            let said = self.output.whole()?.trim_ascii();
            self.facts.set(step.numbers[2], said);
        }
        if let Some(key) = key {
            self.journal.done(key, title)?;
        }
        Ok(!step.has(flag::RETRY))
    }
}
