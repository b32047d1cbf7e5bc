//! Owns finding the cluster's instances by their tags: every page, of one region or all, and whoever
//! has no address yet is not there yet.

use super::HasActed;
use crate::aws::describe;
use crate::bytes::{Fault, Result, between, cut, find, is_word, parse_number};
use crate::clock::Tries;
use crate::facts::field;
use crate::node::{Node, fact};
use crate::phrase;
use crate::phrase::E;
use crate::program::{FIELDS, scope};
use crate::reader::Step;

/// Sorts by slot and then by instance, and numbers.
const SORT: &[u8] = b"sh\0-c\0sort -k3,3n -k1,1|nl -w1 -s' '\0";

impl Node {
    pub(super) fn peers(
        &mut self,
        step: &Step,
        item: &[u8],
        tries: &mut Tries,
    ) -> Result<HasActed> {
        let [role, at_least, _] = step.texts;
        self.expand(at_least, item)?;
        let wanted = parse_number(self.text.get()).unwrap_or(0);
        self.keep(E, role, item)?;
        let where_to = step.number as u8;
        loop {
            self.other.clear();
            if where_to & scope::ALL_REGIONS == 0 {
                let region = self.facts.get(fact::REGION);
                self.add_region(region, where_to, tries)?;
            } else {
                for region in self.header.regions {
                    self.add_region(region, where_to, tries)?;
                }
            }
            self.arguments.clear().push(SORT);
            self.text.clear().push(self.other.whole()?);
            self.run(tries)?;
            let list = self.output.whole()?;
            let last = field(crate::bytes::last_line(list), FIELDS.len() as u8);
            if parse_number(last).unwrap_or(0) >= wanted {
                self.facts.set(step.out, list)?;
                return Ok(false);
            }
            if !tries.again() {
                return self.fault(Fault::NotInTime, phrase!("too few nodes with role {e}"));
            }
        }
    }

    /// Adds a line to `self.other` for every instance of a role in a region.
    fn add_region(&mut self, region: &'static [u8], where_to: u8, tries: &mut Tries) -> Result<()> {
        let mut next: &[u8] = b"";
        loop {
            let more = describe!(
                "DescribeInstances",
                "{e}&Filter.3.Name=instance-state-name&Filter.3.Value.1=pending&Filter.3.Value.2=running&MaxResults=100"
            );
            self.begin(b"ec2", region, b"", more)?;
            if !next.is_empty() {
                self.request
                    .push(b"data-urlencode = \"NextToken=")
                    .push(next)
                    .push(b"\"\n");
            }
            self.send_well(tries)?;
            let mut rest = self.output.get();
            let _before = cut_at(&mut rest);
            while !rest.is_empty() {
                let one = cut_at(&mut rest);
                let me = self.facts.get(fact::INSTANCE);
                if where_to & scope::SELF != 0 || !one.starts_with(me) {
                    add_peer(one, region, &mut self.other);
                }
            }
            let token = between(self.output.get(), b"<nextToken>", b"<").unwrap_or_default();
            if token.is_empty() {
                return Ok(());
            }
            next = self.facts.keep(token)?;
        }
    }
}

/// Takes what comes before the next instance.
fn cut_at<'b>(rest: &mut &'b [u8]) -> &'b [u8] {
    let (one, tail) = crate::bytes::split(rest, b"<instanceId>");
    *rest = tail;
    one
}

/// Adds instance, address, slot, zone, region and host name of what DescribeInstances says of one
/// instance, from its id on.
fn add_peer(said: &[u8], region: &[u8], into: &mut crate::bytes::Text) {
    let get = |open| between(said, open, b"<").unwrap_or_default();
    let instance = cut(&mut &said[..], b'<');
    let address = get(b"<privateIpAddress>");
    let zone = get(b"<availabilityZone>");
    let host = cut(&mut get(b"<privateDnsName>"), b'.');
    let tag = find(said, b"<key>vmimage:slot</key>").map_or(&b""[..], |at| &said[at..]);
    let slot = between(tag, b"<value>", b"<").filter(|slot| parse_number(slot).is_some());
    for part in [instance, address, zone, host] {
        if !is_word(part, b".-") {
            return;
        }
    }
    for part in [instance, address, slot.unwrap_or(b"-"), zone, region] {
        into.push(part).push(b" ");
    }
    into.push(host).push(b"\n");
}
