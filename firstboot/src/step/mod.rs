//! Owns the steps of role programs. Each looks before it acts, so that it can be interrupted and done
//! again.

mod claim;
mod command;
mod peers;
mod secrets;
mod units;
mod volume;
mod write;

use crate::bytes::Result;
use crate::clock::Tries;
use crate::facts::DAMAGED;
use crate::node::Node;
use crate::program::op;
use crate::reader::Step;

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Something was done.
    Done,
    /// Everything was as it should be.
    Unchanged,
}

impl Node {
    /// Does a step, for one item of its list if it has one.
    pub fn perform(&mut self, step: &Step, item: &[u8]) -> Result<Outcome> {
        let mut tries = Tries::for_secs(step.deadline_secs.into());
        match step.op {
            op::WRITE => self.write(step, item),
            op::RUN => self.command(step, item, &tries),
            op::WAIT => self.wait(step, item, &mut tries),
            op::CLAIM => self.claim(step, item, &mut tries),
            op::SECRETS => self.secrets(step, &mut tries),
            op::PEERS => self.peers(step, item, &mut tries),
            op::VOLUME => self.volume(step, item, &mut tries),
            op::START => self.start(step, item, &mut tries),
            op::REPORT => {
                self.expand(step.texts[0], item)?;
                self.members.push_all(&[b",", self.text.get()]);
                Ok(Outcome::Done)
            }
            op::SET => self.set(step, item),
            _ => Err(DAMAGED),
        }
    }

    fn set(&mut self, step: &Step, item: &[u8]) -> Result<Outcome> {
        let mut value = self.kept(step.texts[0], item)?;
        if step.number != 0 {
            self.expand(step.texts[1], item)?;
            value = yes_or_no(value == self.text.get());
        }
        self.facts.set(step.out, value)?;
        Ok(Outcome::Unchanged)
    }
}

/// A fact that is true or false.
pub fn yes_or_no(is: bool) -> &'static [u8] {
    if is { b"yes" } else { b"no" }
}
