//! Owns the steps of role programs. Each can be interrupted and done again.

mod command;
mod request;
mod write;

use crate::bytes::{Fault, Result};
use crate::node::Node;
use crate::program::{flag, op};

/// Whether a step did something; otherwise everything was as it should be.
pub type HasActed = bool;

impl Node {
    /// Does `self.step` for `self.item`.
    pub fn perform(&mut self) -> Result<HasActed> {
        let [operation, _, out, _] = self.step.numbers;
        match operation {
            op::WRITE => self.write(),
            op::RUN => self.command(),
            op::REQUEST => self.request(),
            op::SET => {
                let before = self.facts.get(out);
                self.keep(out, self.step.fields[3])?;
                let value = self.facts.get(out);
                if self.step.has(flag::COMPARE) {
                    self.expand(self.step.fields[4])?;
                    self.facts.set(out, yes_or_no(value == self.text.get()));
                } else if self.step.has(flag::APPEND) {
                    self.text.clear().push(before).push(value);
                    self.facts.set(out, self.text.get());
                }
                Ok(false)
            }
            op::FAIL => {
                self.expand(self.step.fields[3])?;
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
