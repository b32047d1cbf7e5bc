//! Owns claims: an object of the cluster's state that one node holds. S3 decides who wrote first; an
//! epoch counts how often the holder changed.

use super::{HasActed, yes_or_no};
use crate::bytes::{Fault, Result, parse_number};
use crate::clock::Tries;
use crate::json;
use crate::node::{Node, fact};
use crate::phrase;
use crate::phrase::{D, E};
use crate::program::{CLAIM_FACTS, quote};
use crate::reader::Step;

impl Node {
    pub(super) fn claim(
        &mut self,
        step: &Step,
        item: &[u8],
        tries: &mut Tries,
    ) -> Result<HasActed> {
        let [key, token, _] = step.texts;
        let key = self.keep(D, key, item)?;
        let token = self.keep(E, token, item)?;
        let me = self.facts.get(fact::INSTANCE);
        loop {
            self.begin_state(key, b"")?;
            let status = self.send(tries)?;
            let document = self.output.get();
            let epoch = json::raw(document, b"epoch")
                .and_then(parse_number)
                .unwrap_or(0);
            let is_mine = json::raw(document, b"instance") == Some(me);
            // Whoever has what the holder had, and only one can have, succeeds it.
            let is_heir = !token.is_empty() && json::raw(document, b"token") == Some(token);
            if status == 200 && (is_mine || !is_heir) {
                return self.learn(step.out, is_mine);
            }
            if status == 200 || (status == 404 && self.facts.all_hold(step.may_claim)) {
                let status = self.put_claim(key, token, epoch, tries)?;
                // Whoever was faster is seen in the next round.
                if status != 200 && status != 409 && status != 412 {
                    return self.refused(status);
                }
            } else if status != 404 {
                return self.refused(status);
            } else if !tries.again() {
                return self.fault(Fault::NotInTime, phrase!("nobody claims {d}"));
            }
        }
    }

    /// Begins a request for an object of the cluster's state.
    pub(crate) fn begin_state(&mut self, key: &'static [u8], more: &'static [u8]) -> Result<()> {
        self.facts.set(D, key)?;
        self.facts
            .expand(phrase!("{bucket}/{prefix}/{d}"), b"", self.other.clear())?;
        let path = self.facts.keep(self.other.get())?;
        let primary = self.facts.get(fact::PRIMARY);
        self.begin(b"s3", primary, path, more)
    }

    /// Makes the request that was begun put `self.text`.
    pub(crate) fn put_text(&mut self, tries: &mut Tries) -> Result<u64> {
        self.request
            .push(b"request = PUT\nheader = \"content-type: application/json\"\ndata-raw = ");
        // curl's configuration quotes as JSON does.
        crate::facts::put(self.text.get(), quote::JSON, &mut self.request)?;
        self.request.push(b"\n").whole()?;
        self.send(tries)
    }

    fn put_claim(
        &mut self,
        key: &'static [u8],
        token: &'static [u8],
        epoch: u64,
        tries: &mut Tries,
    ) -> Result<u64> {
        self.begin_state(key, b"header = ")?;
        self.other.clear();
        if epoch == 0 {
            self.other.push(b"if-none-match: *");
        } else {
            self.other.push(b"if-match: ").push(self.etag.get());
        }
        crate::facts::put(self.other.get(), quote::JSON, &mut self.request)?;
        self.request.push(b"\n");
        self.facts.set(E, token)?;
        self.expand(
            phrase!("\"instance\":\"{instance}\",\"region\":\"{region}\",\"address\":\"{address}\",\"token\":{e|json}}"),
            b"",
        )?;
        self.other
            .clear()
            .push(b"{\"epoch\":")
            .number(epoch + 1)
            .push(b",")
            .push(self.text.get());
        core::mem::swap(&mut self.text, &mut self.other);
        self.put_text(tries)
    }

    /// Takes the facts from the document in `self.output`.
    fn learn(&mut self, out: u8, is_mine: bool) -> Result<HasActed> {
        self.facts.set(out, yes_or_no(is_mine))?;
        for index in 1..CLAIM_FACTS.len() {
            let value =
                json::raw(self.output.get(), CLAIM_FACTS[index].as_bytes()).unwrap_or_default();
            if !crate::bytes::is_word(value, b".:-") {
                return self.fault(Fault::Unfit, phrase!("the claim {d}"));
            }
            self.facts.set(out + index as u8, value)?;
        }
        Ok(is_mine)
    }
}
