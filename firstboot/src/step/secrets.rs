//! Owns reading secrets from the Parameter Store. Their values stay in this process and in what is
//! made from them.

use super::HasActed;
use crate::bytes::{Fault, Result, find};
use crate::clock::Tries;
use crate::json;
use crate::node::{Node, fact};
use crate::phrase;
use crate::phrase::E;
use crate::reader::Step;

impl Node {
    pub(super) fn secrets(&mut self, step: &Step, tries: &mut Tries) -> Result<HasActed> {
        let mut number = step.out;
        for name in step.lists[0] {
            self.facts.set(E, name)?;
            let region = self.facts.get(fact::REGION);
            let more = phrase!(
                "header = \"content-type: application/x-amz-json-1.1\"\nheader = \"x-amz-target: AmazonSSM.GetParameter\"\ndata-raw = \"{\\\"WithDecryption\\\":true,\\\"Name\\\":\\\"/vmimage/{cluster}/{e}\\\"}\"\n"
            );
            self.begin(b"ssm", region, b"", more)?;
            let status = self.send(tries)?;
            if find(self.output.get(), b"ParameterNotFound").is_some() {
                return self.fault(
                    Fault::Missing,
                    phrase!("secret /vmimage/{cluster}/{e} in {region}"),
                );
            }
            let value = json::raw(self.output.get(), b"Value").unwrap_or_default();
            json::unescape(value, self.other.clear());
            if status != 200 || self.other.get().is_empty() {
                return self.refused(status);
            }
            let value = self.other.whole()?;
            self.facts.set(number, value)?;
            number += 1;
        }
        Ok(false)
    }
}
