//! Owns the node's report: one small JSON document in the cluster's state.

use crate::bytes::Result;
use crate::clock::{Tries, date};
use crate::node::{Node, fact};
use crate::phrase;
use crate::phrase::{D, E};
use crate::sys::{self, Clock};

/// How long it may take, in seconds.
const REPORT_SECS: u64 = 30;

impl Node {
    /// Writes the report with a state, a reason, and the members that steps added.
    pub fn report(&mut self, state: &[u8], reason: &[u8]) -> Result<()> {
        date(sys::now_ms(Clock::Real) / 1_000, self.text.clear());
        self.facts.set(fact::TIME, self.text.get())?;
        self.facts.set(D, state)?;
        self.facts.set(E, reason)?;
        self.expand(
            phrase!(
                "{\"format\":1,\"state\":\"{d}\",\"reason\":{e|json},\"time\":\"{time}\",\"instance\":\"{instance}\",\"role\":\"{role}\",\"slot\":\"{slot}\",\"region\":\"{region}\",\"zone\":\"{zone}\",\"address\":\"{address}\",\"image\":\"{image}\",\"program\":\"{program}\",\"boot\":\"{boot}\""
            ),
            b"",
        )?;
        self.text.push(self.members.get()).push(b"}\n").whole()?;
        self.facts.expand(
            phrase!("{region}/nodes/{instance}.json"),
            b"",
            self.other.clear(),
        )?;
        let key = self.facts.keep(self.other.get())?;
        self.begin_state(key, b"")?;
        match self.put_text(&mut Tries::for_secs(REPORT_SECS))? {
            200 => Ok(()),
            status => self.refused(status),
        }
    }
}
