//! Owns the steps of role programs. Each can be interrupted and done again.

mod command;
mod request;
mod write;

use crate::bytes::{Fault, Result};
use crate::clock::Tries;
use crate::node::Node;
use crate::program::{flag, op};
use crate::reader::Step;

/// Whether a step did something; otherwise everything was as it should be.
pub type HasActed = bool;

impl Node {
    /// Does a step, for one item of its list if it has one.
    pub fn perform(&mut self, step: &Step, item: &[u8]) -> Result<HasActed> {
        let tries = &mut Tries::for_secs(step.deadline_secs());
        let [operation, _, out, _] = step.numbers;
        match operation {
            op::WRITE => self.write(step, item),
            op::RUN => self.command(step, item, tries),
            op::REQUEST => self.request(step, item, tries),
            op::SET => {
                let before = self.facts.get(out);
                let value = self.keep(out, step.fields[3], item)?;
                if step.has(flag::COMPARE) {
                    self.expand(step.fields[4], item)?;
                    self.facts.set(out, yes_or_no(value == self.text.get()));
                } else if step.has(flag::APPEND) {
                    self.text.clear().push(before).push(value);
                    self.facts.set(out, self.text.get());
                }
                Ok(false)
            }
            op::FAIL => {
                self.expand(step.fields[3], item)?;
                self.detail.clear().push(self.text.get());
                Err(Fault::Said)
            }
            _ => Err(Fault::Damaged),
        }
    }
}

/// A fact that is true or false.
pub fn yes_or_no(is: bool) -> &'static [u8] {
    if is { b"yes" } else { b"no" }
}
