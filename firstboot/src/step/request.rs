//! Owns requests to AWS and what is taken from their answers.

use super::HasActed;
use crate::bytes::{Result, between, cut};
use crate::clock::Tries;
use crate::json;
use crate::node::Node;
use crate::phrase::{A, B, C};
use crate::program::{flag, mark};
use crate::reader::Step;

/// A member of what EC2 answers, until there are no more.
const NEXT: [&[u8]; 2] = [b"<nextToken>", b"<"];

impl Node {
    pub(super) fn request(
        &mut self,
        step: &Step,
        item: &[u8],
        tries: &mut Tries,
    ) -> Result<HasActed> {
        let [_, _, _, service, region, path, more, taken] = step.fields;
        let mut next: &[u8] = b"";
        loop {
            self.keep(A, service, item)?;
            self.keep(B, region, item)?;
            self.keep(C, path, item)?;
            self.begin(more, item)?;
            if !next.is_empty() {
                self.request
                    .push(b"data-urlencode = \"NextToken=")
                    .push(next)
                    .push(b"\"\n");
            }
            self.request.whole()?;
            let status = self.send(tries)?;
            let is_answer = status == 200
                || step.has(flag::ABSENT) && matches!(status, 404 | 409 | 412)
                || step.has(flag::MAY_FAIL);
            if !is_answer {
                return self.refused(status);
            }
            self.take_answer(step, status, taken);
            let token = between(self.output.get(), NEXT[0], NEXT[1]).unwrap_or_default();
            if token.is_empty() || !step.has(flag::PAGES) {
                return Ok(false);
            }
            next = self.facts.keep(token);
        }
    }

    fn take_answer(&mut self, step: &Step, status: u32, mut taken: &'static [u8]) {
        let mut number = step.numbers[2];
        self.text.clear().number(status.into());
        while number != 0 {
            let value = if step.has(flag::APPEND) && number != step.numbers[2] {
                self.other
                    .clear()
                    .push(self.facts.get(number))
                    .push(self.text.get())
                    .get()
            } else {
                self.text.get()
            };
            self.facts.set(number, value);
            number += 1;
            if taken.is_empty() {
                return;
            }
            let answer = self.output.get();
            self.text.clear();
            match cut(&mut taken, mark::ITEM) {
                b"*" => drop(self.text.push(answer)),
                b"@" => drop(self.text.push(self.etag.get())),
                tag @ [b'<', ..] => drop(
                    self.text
                        .push(between(answer, tag, b"<").unwrap_or_default()),
                ),
                member => json::unescape(
                    json::raw(answer, member).unwrap_or_default(),
                    &mut self.text,
                ),
            }
        }
    }
}
