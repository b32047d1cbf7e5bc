//! Owns starting units. The unit that runs the engine comes before much else at boot, so nothing here
//! waits for a job: it asks how the units are until they are active.

use super::Outcome;
use crate::bytes::{Fault, Result, find};
use crate::clock::Tries;
use crate::node::Node;
use crate::reader::Step;

impl Node {
    pub(super) fn start(&mut self, step: &Step, item: &[u8], tries: &mut Tries) -> Result<Outcome> {
        self.expand_arguments(step.lists[0], item)?;
        let units = self.facts.keep(self.arguments.whole()?)?;
        if self.are_active(units, tries)? {
            self.started.push(units);
            return Ok(Outcome::Unchanged);
        }
        if !self.succeeds(&[b"systemctl\0start\0--no-block\0", units], tries)? {
            return self.ended(crate::child::Ended::With(1), false);
        }
        self.started.push(units);
        loop {
            if self.are_active(units, tries)? {
                return Ok(Outcome::Done);
            }
            let has_failed = find(self.output.get(), b"failed").is_some();
            if has_failed || !tries.again() {
                self.arguments
                    .clear()
                    .push_all(&[b"systemctl\0--no-pager\0--lines=3\0status\0", units]);
                let _shown = self.run(5_000)?;
                let said = self.output.get().trim_ascii_end();
                let last = said
                    .rsplit(|byte| *byte == b'\n')
                    .next()
                    .unwrap_or_default();
                self.detail.clear();
                for unit in units.split(|byte| *byte == 0) {
                    self.detail.push_all(&[unit, b" "]);
                }
                self.detail.push_all(&[b"- ", &last[..last.len().min(512)]]);
                return Err(Fault(if has_failed {
                    "a unit failed:"
                } else {
                    "units are not active in time:"
                }));
            }
        }
    }

    /// Whether all units are active; what they are is then in `self.output`.
    fn are_active(&mut self, units: &[u8], tries: &Tries) -> Result<bool> {
        self.succeeds(&[b"systemctl\0is-active\0", units], tries)?;
        let mut states = self
            .output
            .get()
            .trim_ascii_end()
            .split(|byte| *byte == b'\n');
        Ok(states.all(|state| state == b"active"))
    }

    /// Stops what was started: a node that is half configured serves nobody.
    pub fn stop_started(&mut self) {
        let tries = Tries::for_secs(10);
        let mut units = [0; 4096];
        let started = self.started.get();
        if let Some(place) = units.get_mut(..started.len())
            && !started.is_empty()
        {
            place.copy_from_slice(started);
            // Whether it works or not: the launch has failed.
            let _stopped = self.succeeds(&[b"systemctl\0stop\0--no-block\0", place], &tries);
        }
    }
}
