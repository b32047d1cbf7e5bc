//! Owns finding out who this node is: what the metadata service says of the instance, and its tags.
//! What is not well formed is refused here, so that nothing later has to mistrust it.

use crate::bytes::{Fault, Result, cut, find, is_word, parse_number};
use crate::clock::Tries;
use crate::node::{Node, fact};
use crate::phrase;
use crate::phrase::A;
use crate::program::HEADER_FIELDS;
use crate::step::yes_or_no;

/// How long a required tag may take to appear, in seconds.
const TAG_SECS: u64 = 60;

/// What every instance has: the fact, where it is, and what it may hold beside letters and digits.
const IDENTITY: [(u8, &[u8], &[u8]); 7] = [
    (fact::INSTANCE, b"instance-id", b"-"),
    (fact::REGION, b"placement/region", b"-"),
    (fact::AWS_DOMAIN, b"services/domain", b"-."),
    (fact::ZONE, b"placement/availability-zone", b"-"),
    (fact::ADDRESS, b"local-ipv4", b"."),
    (fact::HOSTNAME, b"local-hostname", b"-"),
    (fact::IMAGE, b"ami-id", b"-"),
];

/// Tags: the fact, the tag, the tag of the replaced runbook, what the value may hold beside letters
/// and digits, and what it is where there is none; without that it is required.
const TAGS: [(u8, &[u8], &[u8], &[u8], &[u8]); 8] = [
    (fact::ROLE, b"vmimage:role", b"Role", b"-", b""),
    (fact::CLUSTER, b"vmimage:cluster", b"Cluster", b"-", b""),
    (fact::PREFIX, b"vmimage:state", b"", b":/-._", b""),
    (
        fact::ENVIRONMENT,
        b"vmimage:environment",
        b"Environment",
        b"-_.",
        b"production",
    ),
    (fact::DOMAIN, b"vmimage:domain", b"", b"-.", b"internal"),
    (fact::SLOT, b"vmimage:slot", b"", b"", b"0"),
    (fact::SIZE, b"vmimage:size", b"", b"", b"0"),
    (
        fact::GROUP,
        b"aws:autoscaling:groupName",
        b"",
        b"-_.",
        b"none",
    ),
];

const PROFILES: &[u8] = b"iam/security-credentials/";

impl Node {
    /// Learns what a failure would have to be reported with, and the rest of the identity. `header`
    /// is what the program begins with.
    pub fn identify(&mut self, header: [&'static [u8]; HEADER_FIELDS]) -> Result<()> {
        for (number, path, extra) in IDENTITY {
            let mut value = self.imds.must(path)?;
            if number == fact::HOSTNAME {
                // The first of the names that DHCP gave, without its domain.
                value = cut(&mut value, b'.');
            }
            if !is_word(value, extra) {
                self.detail.clear().push(path);
                return Err(Fault::Strange);
            }
            self.facts.set(number, value);
        }
        let mut address = self.facts.get(fact::ADDRESS);
        let mut number: u64 = 0;
        while !address.is_empty() {
            number = number << 8 | u64::from(parse_number(cut(&mut address, b'.')).unwrap_or(0));
        }
        self.facts
            .set(fact::ADDRESS_NUMBER, self.text.clear().number(number).get());
        let [_, _, _, primary, regions] = header;
        self.facts.set(fact::PRIMARY, primary);
        self.facts.set(fact::REGIONS, regions);
        let is_primary = self.facts.get(fact::REGION) == primary;
        self.facts.set(fact::IN_PRIMARY, yes_or_no(is_primary));
        // The role's credentials may come a moment after the instance.
        let mut tries = Tries::for_secs(5);
        loop {
            if let Some(mut profile) = self.imds.get(PROFILES)? {
                let profile = cut(&mut profile, b'\n');
                self.profile = self
                    .facts
                    .keep(self.text.clear().push(PROFILES).push(profile).get());
                return Ok(());
            }
            if !tries.again() {
                return Ok(());
            }
        }
    }

    /// Learns what the instance's tags say.
    pub fn read_tags(&mut self, header: [&'static [u8]; HEADER_FIELDS]) -> Result<()> {
        if let Some(key) = self.imds.get(b"public-keys/0/openssh-key")? {
            self.facts.set(fact::SSH_KEY, key.trim_ascii());
        }
        let mut tries = Tries::for_secs(TAG_SECS);
        for (number, name, older, extra, default) in TAGS {
            self.facts.set(A, name);
            let mut value: &[u8] = b"";
            // A required one may come a moment after the instance.
            while value.is_empty() {
                for name in [name, older] {
                    if value.is_empty() {
                        value = self.tag(name)?;
                    }
                }
                if value.is_empty() {
                    value = default;
                }
                if value.is_empty() && !tries.again() {
                    return self.fault(Fault::NoTag, phrase!("{a}"));
                }
            }
            if !is_word(value, extra) {
                return self.fault(Fault::WrongTag, phrase!("{a}"));
            }
            self.facts.set(number, value);
        }
        let [role, _, group, ..] = header;
        self.facts.set(A, role);
        if self.facts.get(fact::ROLE) != role {
            return self.fault(
                Fault::WrongTag,
                phrase!("vmimage:role is {role}, and the launch template is for {a}"),
            );
        }
        if self.facts.get(fact::GROUP) == b"none" {
            self.facts.set(A, group);
            let has_slot = self.facts.get(fact::SLOT) != b"0";
            let group = if has_slot {
                phrase!("{a}-{slot}")
            } else {
                phrase!("{a}")
            };
            self.keep(fact::GROUP, group, b"")?;
        }
        // s3://bucket/prefix
        let mut prefix = self
            .facts
            .get(fact::PREFIX)
            .strip_prefix(b"s3://")
            .unwrap_or_default();
        let bucket = cut(&mut prefix, b'/');
        if !is_word(bucket, b"-.") || prefix.is_empty() || find(prefix, b"..").is_some() {
            return self.fault(
                Fault::WrongTag,
                phrase!("vmimage:state is not s3://bucket/prefix but {prefix}"),
            );
        }
        self.facts.set(fact::BUCKET, bucket);
        self.facts.set(fact::PREFIX, prefix);
        Ok(())
    }

    /// A tag's value, which is kept; empty if there is none.
    fn tag(&mut self, name: &[u8]) -> Result<&'static [u8]> {
        let Some(mut listed) = self.imds.get(b"tags/instance")? else {
            return self.fault(Fault::NoTags, b"");
        };
        while !listed.is_empty() {
            if cut(&mut listed, b'\n') == name {
                // A value may come a moment after its name.
                let path = self.text.clear().push(b"tags/instance/").push(name).get();
                let value = self.imds.must(path)?;
                return Ok(self.facts.keep(value));
            }
        }
        Ok(b"")
    }
}
