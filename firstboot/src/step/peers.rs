//! Owns finding the cluster's instances by their tags: every page, of one region or all, and whoever
//! has no address yet is not there yet.

use super::Outcome;
use crate::bytes::{Result, between, find, is_word, parse_number, split};
use crate::clock::Tries;
use crate::facts::field;
use crate::node::{Node, fact};
use crate::program::scope;
use crate::reader::Step;

impl Node {
    pub(super) fn peers(&mut self, step: &Step, item: &[u8], tries: &mut Tries) -> Result<Outcome> {
        let [role, at_least, _] = step.texts;
        self.expand(at_least, item)?;
        let wanted = parse_number(self.text.get()).unwrap_or(0);
        let role = self.kept(role, item)?;
        let has_self = step.number as u8 & scope::SELF != 0;
        loop {
            let own = self.facts.get(fact::REGION);
            self.text.clear();
            if step.number as u8 & scope::ALL_REGIONS != 0 {
                let regions = self.header.regions;
                for region in regions {
                    self.add_region(role, region, has_self, tries)?;
                }
            } else {
                self.add_region(role, own, has_self, tries)?;
            }
            let found = self.sort()?;
            if found >= wanted {
                let list = self.other.whole()?;
                self.facts.set(step.out, list)?;
                return Ok(Outcome::Unchanged);
            }
            if !tries.again() {
                self.detail
                    .clear()
                    .number(found)
                    .push(b" of ")
                    .number(wanted);
                self.detail.push_all(&[b" with role ", role]);
                return Err(crate::bytes::Fault("too few peers came in time:"));
            }
        }
    }

    /// Adds a line to `self.text` for every instance of a role in a region.
    fn add_region(
        &mut self,
        role: &[u8],
        region: &[u8],
        has_self: bool,
        tries: &mut Tries,
    ) -> Result<()> {
        let mut next: &[u8] = b"";
        loop {
            let cluster = self.facts.get(fact::CLUSTER);
            self.begin(b"ec2", region, b"");
            self.parameters(&[
                b"Action",
                b"DescribeInstances",
                b"Version",
                b"2016-11-15",
                b"MaxResults",
                b"100",
                b"Filter.1.Name",
                b"tag:vmimage:cluster",
                b"Filter.1.Value.1",
                cluster,
                b"Filter.2.Name",
                b"tag:vmimage:role",
                b"Filter.2.Value.1",
                role,
                b"Filter.3.Name",
                b"instance-state-name",
                b"Filter.3.Value.1",
                b"pending",
                b"Filter.3.Value.2",
                b"running",
            ]);
            if !next.is_empty() {
                self.parameters(&[b"NextToken", next]);
            }
            let status = self.send(tries)?;
            if status != 200 {
                return self.refused(status);
            }
            let me = self.facts.get(fact::INSTANCE);
            let mut rest = self.output.get();
            while let Some(begin) = find(rest, b"<instanceId>") {
                rest = &rest[begin + 1..];
                let end = find(rest, b"<instanceId>").unwrap_or(rest.len());
                let Some(peer) = peer(&rest[..end]) else {
                    continue;
                };
                if has_self || peer[0] != me {
                    self.text.push_all(&[
                        peer[0], b" ", peer[1], b" ", peer[2], b" ", peer[3], b" ", region, b" ",
                        peer[4], b"\n",
                    ]);
                }
            }
            let token = between(self.output.get(), b"<nextToken>", b"</nextToken>");
            match token {
                Some(token) if !token.is_empty() => next = self.facts.keep(token)?,
                _ => return Ok(()),
            }
        }
    }

    /// Puts the lines of `self.text` into `self.other`, sorted by slot and then by instance, each
    /// with its number; gives how many there are.
    fn sort(&mut self) -> Result<u64> {
        let text = self.text.whole()?;
        let lines = || {
            text.split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
        };
        self.other.clear();
        let mut last: Option<(u64, &[u8])> = None;
        let mut count = 0;
        while let Some((key, line)) = lines()
            .map(|line| (key(line), line))
            .filter(|(key, _)| last.is_none_or(|last| *key > last))
            .min()
        {
            last = Some(key);
            count += 1;
            self.other.push_all(&[line, b" "]).number(count).push(b"\n");
        }
        Ok(count)
    }
}

fn key(line: &[u8]) -> (u64, &[u8]) {
    (
        parse_number(field(line, 3)).unwrap_or(u64::MAX),
        field(line, 1),
    )
}

/// Instance, address, slot, zone and host name of what DescribeInstances says of one instance.
fn peer(described: &[u8]) -> Option<[&[u8]; 5]> {
    let get = |open, close| between(described, open, close).filter(|value| is_word(value, b".-"));
    let instance = get(b"instanceId>", b"<")?;
    let address = get(b"<privateIpAddress>", b"<")?;
    let zone = get(b"<availabilityZone>", b"<")?;
    let host = split(get(b"<privateDnsName>", b"<").unwrap_or(address), b".").0;
    let tag = find(described, b"<key>vmimage:slot</key>").map(|at| &described[at..]);
    let slot = tag.and_then(|tag| between(tag, b"<value>", b"<"));
    let slot = slot.filter(|slot| parse_number(slot).is_some());
    Some([instance, address, slot.unwrap_or(b"-"), zone, host])
}
