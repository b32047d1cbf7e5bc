//! Owns running commands, once or until one succeeds.

use super::{HasActed, yes_or_no};
use crate::bytes::{Fault, Hash, Result, find};
use crate::child::NOT_FOUND;
use crate::clock::{Tries, now_ms};
use crate::node::Node;
use crate::phrase::A;
use crate::program::flag;

/// The longest pause before this machine is asked again, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 2_000;

/// So long nothing is said of tries that fail as the last one did, in milliseconds.
const TOLD_MS: u64 = 60_000;

impl Node {
    pub(super) fn command(&mut self) -> Result<HasActed> {
        let mut tries = Tries::for_secs(self.step.deadline_secs());
        let mut told = (0, 0);
        loop {
            self.keep(A, self.step.fields[5])?;
            let expected = self.facts.get(A);
            self.expand_arguments(self.step.fields[3])?;
            self.expand(self.step.fields[4])?;
            // Again when what it says changes: then it is another command.
            let mut hash = self.step.hash;
            hash.add(self.arguments.get());
            hash.add(self.text.get());
            let is_once = self.step.has(flag::ONCE);
            if is_once && self.journal.has(hash.0) {
                return Ok(false);
            }
            // The last try gets a second as well.
            let status = self.run(tries.left_ms().max(1_000))?;
            let said = self.output.get();
            let holds = status == 0 && (expected.is_empty() || find(said, expected).is_some());
            if holds || self.step.has(flag::MAY_FAIL) {
                let said = if self.step.has(flag::MAY_FAIL) {
                    yes_or_no(holds)
                } else {
                    said.trim_ascii()
                };
                self.facts.set(self.step.numbers[2], said);
                self.output.whole()?;
                if is_once {
                    self.journal.done(hash.0, self.step.fields[2])?;
                }
                return Ok(self.step.numbers[1] & (flag::RETRY | flag::MAY_FAIL) == 0);
            }
            let fault = self.failed(status);
            if status == NOT_FOUND || !self.step.has(flag::RETRY) {
                return Err(fault);
            }
            // Nobody waits in silence, and what is looked at every second does not fill a journal.
            let mut said = Hash::new();
            said.add(self.detail.get());
            if said.0 != told.0 || now_ms() > told.1 {
                told = (said.0, now_ms() + TOLD_MS);
                self.say_fault(b"trying again: ", fault);
            }
            if !tries.again_within(LONGEST_PAUSE_MS) {
                return Err(Fault::NotInTime);
            }
        }
    }
}
