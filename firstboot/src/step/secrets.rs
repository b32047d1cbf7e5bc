//! Owns reading secrets from the Parameter Store. Their values stay in this process and in what is
//! made from them.

use super::Outcome;
use crate::bytes::Result;
use crate::clock::Tries;
use crate::json;
use crate::node::{Node, fact};
use crate::reader::Step;

impl Node {
    pub(super) fn secrets(&mut self, step: &Step, tries: &mut Tries) -> Result<Outcome> {
        for (number, name) in (step.out..).zip(step.lists[0]) {
            let region = self.facts.get(fact::REGION);
            let cluster = self.facts.get(fact::CLUSTER);
            self.begin(b"ssm", region, b"");
            self.request.push_all(&[
                b"header = \"content-type: application/x-amz-json-1.1\"\n",
                b"header = \"x-amz-target: AmazonSSM.GetParameter\"\n",
                b"data-raw = \"{\\\"WithDecryption\\\":true,\\\"Name\\\":\\\"/vmimage/",
                cluster,
                b"/",
                name,
                b"\\\"}\"\n",
            ]);
            let status = self.send(tries)?;
            if status != 200 {
                if crate::bytes::find(self.output.get(), b"ParameterNotFound").is_some() {
                    return self.fault(
                        "there is no secret",
                        &[b"/vmimage/", cluster, b"/", name, b" in ", region],
                    );
                }
                return self.refused(status);
            }
            let value = json::raw(self.output.get(), b"Value").unwrap_or_default();
            json::unescape(value, self.other.clear());
            if self.other.get().is_empty() {
                return self.fault("a secret is empty:", &[name]);
            }
            let value = self.other.whole()?;
            self.facts.set(number, value)?;
        }
        Ok(Outcome::Unchanged)
    }
}
