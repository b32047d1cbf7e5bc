//! Owns starting units. The unit that runs the engine comes before much else at boot, so nothing here
//! waits for a job: it asks how the units are until they are active.

use super::HasActed;
use crate::bytes::{Fault, Result, find, last_line};
use crate::clock::Tries;
use crate::node::Node;
use crate::phrase;
use crate::phrase::E;
use crate::reader::Step;

impl Node {
    pub(super) fn start(
        &mut self,
        step: &Step,
        item: &[u8],
        tries: &mut Tries,
    ) -> Result<HasActed> {
        self.expand_arguments(step.lists[0], item)?;
        self.started.push(self.arguments.get());
        let units = self.facts.keep(self.arguments.get())?;
        let mut has_acted = false;
        loop {
            self.with_units(b"systemctl\0is-active\0", units, tries)?;
            let states = self.output.get();
            // `inactive` and `activating` are not.
            let is_up = find(states, b"inactive")
                .or_else(|| find(states, b"ing"))
                .is_none();
            let has_failed = find(states, b"failed").is_some();
            if is_up && !has_failed {
                return Ok(has_acted);
            }
            if !has_acted {
                has_acted = true;
                let status = self.with_units(b"systemctl\0start\0--no-block\0", units, tries)?;
                if status != 0 {
                    return self.failed(status, false);
                }
            } else if has_failed || !tries.again() {
                let _shown = self.with_units(
                    b"systemctl\0--no-pager\0-n3\0status\0",
                    units,
                    &Tries::for_secs(5),
                )?;
                let said = last_line(self.output.get());
                self.facts.set(E, &said[..said.len().min(512)])?;
                let fault = if has_failed {
                    Fault::UnitFailed
                } else {
                    Fault::NotInTime
                };
                return self.fault(fault, phrase!("{e}"));
            }
        }
    }

    fn with_units(&mut self, command: &[u8], units: &[u8], tries: &Tries) -> Result<u8> {
        self.arguments.clear().push(command).push(units);
        self.text.clear();
        self.run(tries)
    }

    /// Stops what was started: a node that is half configured serves nobody.
    pub fn stop_started(&mut self) {
        if let Ok(units) = self.facts.keep(self.started.get())
            && !units.is_empty()
        {
            // Whether it works or not: the launch has failed.
            let _stopped = self.with_units(
                b"systemctl\0stop\0--no-block\0",
                units,
                &Tries::for_secs(10),
            );
        }
    }
}
