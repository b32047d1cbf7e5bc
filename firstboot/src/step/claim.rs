//! Owns claims: an object of the cluster's state that one node holds. S3 decides who wrote first; an
//! epoch counts how often the holder changed.

use super::{Outcome, yes_or_no};
use crate::bytes::{Fault, Result, parse_number};
use crate::clock::Tries;
use crate::json;
use crate::node::{Node, fact};
use crate::program::{CLAIM_FACTS, quote};
use crate::reader::Step;

/// Names of the members that become facts after `mine`.
const MEMBERS: [&[u8]; 4] = [b"instance", b"address", b"region", b"epoch"];

impl Node {
    pub(super) fn claim(&mut self, step: &Step, item: &[u8], tries: &mut Tries) -> Result<Outcome> {
        let [key, token, _] = step.texts;
        let key = self.kept(key, item)?;
        let token = self.kept(token, item)?;
        let may_claim = self.facts.all_hold(step.may_claim);
        let me = self.facts.get(fact::INSTANCE);
        loop {
            self.begin_state(key);
            let status = self.send(tries)?;
            let document = self.output.get();
            let epoch = match status {
                404 if may_claim => 0,
                404 => {
                    if !tries.again() {
                        return self.fault("nobody has claimed in time:", &[key]);
                    }
                    continue;
                }
                200 => {
                    let Some(epoch) = json::raw(document, b"epoch").and_then(parse_number) else {
                        return self.fault("this is no claim:", &[key]);
                    };
                    let holder = json::raw(document, b"instance").unwrap_or_default();
                    let held_by = json::raw(document, b"token").unwrap_or_default();
                    // Whoever has what the holder had, and only one can have, succeeds it.
                    if holder == me || token.is_empty() || held_by != token {
                        let is_mine = holder == me;
                        return self.learn(step.out, is_mine);
                    }
                    epoch
                }
                _ => return self.refused(status),
            };
            match self.put_claim(key, token, epoch, tries)? {
                200 => {
                    self.output.clear().push(self.text.get());
                    self.learn(step.out, true)?;
                    return Ok(Outcome::Done);
                }
                // Somebody was faster: look again.
                409 | 412 if tries.again() => {}
                status => return self.refused(status),
            }
        }
    }

    /// Begins a request for an object of the cluster's state.
    pub(crate) fn begin_state(&mut self, key: &[u8]) {
        let mut path = [0; 700];
        let mut length = 0;
        let [bucket, prefix] = [fact::BUCKET, fact::PREFIX].map(|number| self.facts.get(number));
        for part in [bucket, b"/", prefix, b"/", key] {
            if let Some(place) = path.get_mut(length..length + part.len()) {
                place.copy_from_slice(part);
                length += part.len();
            }
        }
        let primary = self.facts.get(fact::PRIMARY);
        self.begin(b"s3", primary, &path[..length]);
    }

    /// Makes the request that was begun put `self.text`.
    pub(crate) fn put_text(&mut self) -> Result<()> {
        self.request
            .push(b"request = PUT\nheader = \"content-type: application/json\"\ndata-raw = ");
        crate::facts::put(self.text.get(), quote::JSON, &mut self.request)?;
        self.request.push(b"\n");
        Ok(())
    }

    fn put_claim(
        &mut self,
        key: &[u8],
        token: &[u8],
        epoch: u64,
        tries: &mut Tries,
    ) -> Result<u64> {
        let get = |number| self.facts.get(number);
        self.text
            .clear()
            .push(b"{\"epoch\":")
            .number(epoch + 1)
            .push_all(&[
                b",\"instance\":\"",
                get(fact::INSTANCE),
                b"\",\"region\":\"",
                get(fact::REGION),
                b"\",\"address\":\"",
                get(fact::ADDRESS),
                b"\",\"token\":",
            ]);
        crate::facts::put(token, quote::JSON, &mut self.text)?;
        self.text.push(b"}");
        self.begin_state(key);
        if epoch == 0 {
            self.request.push(b"header = \"if-none-match: *\"\n");
        } else {
            self.request.push(b"header = \"if-match: ");
            for byte in self.etag.get() {
                // The quotes of an entity tag are part of it.
                let escaped: &[u8] = if *byte == b'"' { b"\\\"" } else { &[*byte] };
                self.request.push(escaped);
            }
            self.request.push(b"\"\n");
        }
        self.put_text()?;
        self.send(tries)
    }

    /// Takes the facts from the document in `self.output`.
    fn learn(&mut self, out: u8, is_mine: bool) -> Result<Outcome> {
        debug_assert!(CLAIM_FACTS.len() == MEMBERS.len() + 1);
        self.facts.set(out, yes_or_no(is_mine))?;
        for (number, member) in (out + 1..).zip(MEMBERS) {
            let value = json::raw(self.output.get(), member).unwrap_or_default();
            if !crate::bytes::is_word(value, b".:-") {
                return Err(Fault("a claim lacks a member"));
            }
            self.facts.set(number, value)?;
        }
        Ok(Outcome::Unchanged)
    }
}
