//! Owns requests to AWS and what is taken from their answers.

use super::HasActed;
use crate::bytes::{Result, between, cut};
use crate::clock::Tries;
use crate::json;
use crate::node::Node;
use crate::phrase::{A, B, C};
use crate::program::{flag, mark};

impl Node {
    pub(super) fn request(&mut self) -> Result<HasActed> {
        let mut tries = Tries::for_secs(self.step.deadline_secs());
        let mut next: &[u8] = b"";
        loop {
            for (number, field) in [(A, 3), (B, 4), (C, 5)] {
                self.keep(number, self.step.fields[field])?;
            }
            self.begin(self.step.fields[6])?;
            if !next.is_empty() {
                self.request
                    .push(b"data-urlencode = \"NextToken=")
                    .push(next)
                    .push(b"\"\n");
            }
            // A report is written without what AWS does not give now.
            let status = match self.send(&mut tries) {
                Err(_) if self.step.has(flag::MAY_FAIL) && self.step.has(flag::REPORT) => {
                    self.output.clear();
                    0
                }
                answered => answered?,
            };
            let is_absent = status == 404 || status == 409 || status == 412;
            if status != 200
                && !(is_absent && self.step.has(flag::ABSENT))
                && !self.step.has(flag::MAY_FAIL)
            {
                return self.refused(status);
            }
            let mut number = self.step.numbers[2];
            self.facts
                .set(number, self.text.clear().number(status.into()).get());
            let mut taken = self.step.fields[7];
            while !taken.is_empty() {
                number += 1;
                self.text.clear();
                if self.step.has(flag::APPEND) {
                    self.text.push(self.facts.get(number));
                }
                let answer = self.output.get();
                match cut(&mut taken, mark::ITEM) {
                    b"*" => drop(self.text.push(answer)),
                    tag @ [b'<', ..] => drop(
                        self.text
                            .push(between(answer, tag, b"<").unwrap_or_default()),
                    ),
                    member => json::unescape(
                        json::raw(answer, member).unwrap_or_default(),
                        &mut self.text,
                    ),
                }
                self.facts.set(number, self.text.get());
            }
            let page = between(self.output.get(), b"<nextToken>", b"<").unwrap_or_default();
            if page.is_empty() || !self.step.has(flag::PAGES) {
                return Ok(false);
            }
            next = self.facts.keep(page);
        }
    }
}
