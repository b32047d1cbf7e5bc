//! Owns the node's report: one small JSON document in the cluster's state.

use crate::bytes::Result;
use crate::clock::{Tries, date};
use crate::node::{Node, fact};
use crate::program::quote;
use crate::sys::{self, Clock};

/// How long it may take, in seconds.
const REPORT_SECS: u64 = 30;

/// Members that every report has, and the facts that they are.
const MEMBERS: [(&[u8], u8); 9] = [
    (b"instance", fact::INSTANCE),
    (b"role", fact::ROLE),
    (b"slot", fact::SLOT),
    (b"region", fact::REGION),
    (b"zone", fact::ZONE),
    (b"address", fact::ADDRESS),
    (b"image", fact::IMAGE),
    (b"program", fact::PROGRAM),
    (b"boot", fact::BOOT),
];

impl Node {
    /// Writes the report with a state and the members that steps added.
    pub fn report(&mut self, state: &[u8], about: &[u8]) -> Result<()> {
        self.text
            .clear()
            .push_all(&[b"{\"format\":1,\"state\":\"", state, b"\",\"time\":\""]);
        date(sys::now_ms(Clock::Real) / 1_000, &mut self.text);
        self.text.push(b"\"");
        for (name, number) in MEMBERS {
            self.text.push_all(&[b",\"", name, b"\":"]);
            crate::facts::put(self.facts.get(number), quote::JSON, &mut self.text)?;
        }
        if !about.is_empty() {
            self.text.push(b",\"reason\":");
            crate::facts::put(about, quote::JSON, &mut self.text)?;
        }
        self.text.push_all(&[self.members.get(), b"}\n"]).whole()?;
        let [region, instance] =
            [fact::REGION, fact::INSTANCE].map(|number| self.facts.get(number));
        self.other
            .clear()
            .push_all(&[region, b"/nodes/", instance, b".json"]);
        let key = self.facts.keep(self.other.get())?;
        self.begin_state(key);
        self.put_text()?;
        match self.send(&mut Tries::for_secs(REPORT_SECS))? {
            200 => Ok(()),
            status => self.refused(status),
        }
    }
}
