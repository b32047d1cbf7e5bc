//! Owns the steps of role programs. Each looks before it acts, so that it can be interrupted and done
//! again.

mod claim;
mod command;
mod peers;
mod secrets;
mod units;
mod volume;
mod write;

use crate::bytes::{Fault, Result};
use crate::clock::Tries;
use crate::node::Node;
use crate::program::op;
use crate::reader::Step;

/// Whether a step did something; otherwise everything was as it should be.
pub type HasActed = bool;

impl Node {
    /// Does a step, for one item of its list if it has one.
    pub fn perform(&mut self, step: &Step, item: &[u8]) -> Result<HasActed> {
        let tries = &mut Tries::for_secs(step.deadline_secs.into());
        match step.op {
            op::WRITE => self.write(step, item),
            op::RUN => self.command(step, item, tries),
            op::WAIT => self.wait(step, item, tries),
            op::CLAIM => self.claim(step, item, tries),
            op::SECRETS => self.secrets(step, tries),
            op::PEERS => self.peers(step, item, tries),
            op::VOLUME => self.volume(step, item, tries),
            op::START => self.start(step, item, tries),
            op::REPORT => {
                self.expand(step.texts[0], item)?;
                self.members.push(b",").push(self.text.get());
                Ok(true)
            }
            op::SET => self.set(step, item),
            _ => Err(Fault::Damaged),
        }
    }

    fn set(&mut self, step: &Step, item: &[u8]) -> Result<HasActed> {
        let value = self.keep(step.out, step.texts[0], item)?;
        if step.number != 0 {
            self.expand(step.texts[1], item)?;
            self.facts
                .set(step.out, yes_or_no(value == self.text.get()))?;
        }
        Ok(false)
    }
}

/// A fact that is true or false.
pub fn yes_or_no(is: bool) -> &'static [u8] {
    if is { b"yes" } else { b"no" }
}
