//! Owns finding out who this node is: what the metadata service says of the instance, and its tags.
//! What is not well formed is refused here, so that nothing later has to mistrust it.

use crate::bytes::{Fault, Result, cut, find, is_word, parse_number};
use crate::clock::{Tries, date};
use crate::node::{Node, fact};
use crate::phrase;
use crate::phrase::A;
use crate::step::yes_or_no;
use crate::sys::{self, Clock};

/// How long a required tag may take to appear, in seconds.
const TAG_SECS: u64 = 60;

/// What every instance has: the fact, where it is, and what it may hold beside letters and digits.
const IDENTITY: [(u8, &[u8], &[u8]); 7] = [
    (fact::INSTANCE, b"meta-data/instance-id", b"-"),
    (fact::REGION, b"meta-data/placement/region", b"-"),
    (fact::AWS_DOMAIN, b"meta-data/services/domain", b"-."),
    (fact::ZONE, b"meta-data/placement/availability-zone", b"-"),
    (fact::ADDRESS, b"meta-data/local-ipv4", b"."),
    (fact::HOSTNAME, b"meta-data/local-hostname", b"-"),
    (fact::IMAGE, b"meta-data/ami-id", b"-"),
];

/// Tags: the fact, the tag, the tag of the replaced runbook, what the value may hold beside letters
/// and digits, and what it is where there is none; without that it is required.
const TAGS: [(u8, &[u8], &[u8], &[u8], &[u8]); 8] = [
    (fact::ROLE, b"vmimage:role", b"Role", b"-", b""),
    (fact::CLUSTER, b"vmimage:cluster", b"Cluster", b"-", b""),
    (
        fact::PREFIX,
        b"vmimage:state",
        b"vmimage:state",
        b":/-._",
        b"",
    ),
    (
        fact::ENVIRONMENT,
        b"vmimage:environment",
        b"Environment",
        b"-_.",
        b"production",
    ),
    (
        fact::DOMAIN,
        b"vmimage:domain",
        b"vmimage:domain",
        b"-.",
        b"internal",
    ),
    (fact::SLOT, b"vmimage:slot", b"vmimage:slot", b"", b"0"),
    (fact::SIZE, b"vmimage:size", b"vmimage:size", b"", b"0"),
    (
        fact::GROUP,
        b"aws:autoscaling:groupName",
        b"aws:autoscaling:groupName",
        b"-_.",
        b"none",
    ),
];

const TAG_FOLDER: &[u8] = b"meta-data/tags/instance/";
const PROFILES: &[u8] = b"meta-data/iam/security-credentials/";

impl Node {
    /// Learns what a failure would have to be reported with, and the rest of the identity.
    pub fn identify(&mut self) -> Result<()> {
        for (number, path, extra) in IDENTITY {
            let mut value = self.imds.must(path)?;
            if number == fact::HOSTNAME {
                // The first of the names that DHCP gave, without its domain.
                value = cut(&mut &cut(&mut value, b' ')[..], b'.');
            }
            if !is_word(value, extra) {
                self.detail.clear().push(path);
                return Err(Fault::Strange);
            }
            self.facts.set(number, value)?;
        }
        let mut address = self.facts.get(fact::ADDRESS);
        let mut number = 0;
        while !address.is_empty() {
            number = number << 8 | parse_number(cut(&mut address, b'.')).unwrap_or(0);
        }
        self.facts
            .set(fact::ADDRESS_NUMBER, self.text.clear().number(number).get())?;
        self.facts.set(fact::PRIMARY, self.header.primary)?;
        let is_primary = self.facts.get(fact::REGION) == self.header.primary;
        self.facts.set(fact::IN_PRIMARY, yes_or_no(is_primary))?;
        date(sys::now_ms(Clock::Real) / 1_000, self.text.clear());
        self.facts.set(fact::TIME, self.text.get())?;
        if let Ok(file) = sys::open(b"/proc/sys/kernel/random/boot_id", sys::READ, 0) {
            let read = self.text.read_from(file);
            sys::close(file);
            read?;
            self.facts.set(fact::BOOT, self.text.get().trim_ascii())?;
        }
        // The role's credentials may come a moment after the instance.
        let mut tries = Tries::for_secs(5);
        loop {
            if let Some(mut profile) = self.imds.get(PROFILES)? {
                let profile = cut(&mut profile, b'\n');
                self.profile = self
                    .facts
                    .keep(self.text.clear().push(PROFILES).push(profile).get())?;
                return Ok(());
            }
            if !tries.again() {
                return Ok(());
            }
        }
    }

    /// Learns what the instance's tags say.
    pub fn read_tags(&mut self) -> Result<()> {
        if let Some(key) = self.imds.get(b"meta-data/public-keys/0/openssh-key")? {
            self.facts.set(fact::SSH_KEY, key.trim_ascii())?;
        }
        let mut tries = Tries::for_secs(TAG_SECS);
        for (number, name, older, extra, default) in TAGS {
            let value = loop {
                let mut value = self.tag(name)?;
                if value.is_empty() {
                    value = self.tag(older)?;
                }
                if value.is_empty() {
                    value = default;
                }
                // A required one may come a moment after the instance.
                if !value.is_empty() || !tries.again() {
                    break value;
                }
            };
            self.facts.set(A, name)?;
            if value.is_empty() {
                return self.fault(Fault::NoTag, phrase!("{a}"));
            }
            if !is_word(value, extra) {
                return self.fault(Fault::WrongTag, phrase!("{a}"));
            }
            self.facts.set(number, value)?;
        }
        if self.facts.get(fact::ROLE) != self.header.role {
            self.facts.set(A, self.header.role)?;
            return self.fault(
                Fault::WrongTag,
                phrase!("vmimage:role is {role}, and the launch template is for {a}"),
            );
        }
        if self.facts.get(fact::GROUP) == b"none" {
            self.facts.set(A, self.header.group)?;
            let has_slot = self.facts.get(fact::SLOT) != b"0";
            let group = if has_slot {
                phrase!("{a}-{slot}")
            } else {
                phrase!("{a}")
            };
            self.keep(fact::GROUP, group, b"")?;
        }
        // s3://bucket/prefix
        let state = self.facts.get(fact::PREFIX);
        let mut prefix = state.strip_prefix(b"s3://").unwrap_or_default();
        let bucket = cut(&mut prefix, b'/');
        if !is_word(bucket, b"-.") || prefix.is_empty() || find(prefix, b"..").is_some() {
            return self.fault(
                Fault::WrongTag,
                phrase!("vmimage:state is {prefix}, not s3://bucket/prefix"),
            );
        }
        self.facts.set(fact::BUCKET, bucket)?;
        self.facts.set(fact::PREFIX, prefix)
    }

    /// A tag's value, which is kept; empty if there is none.
    fn tag(&mut self, name: &[u8]) -> Result<&'static [u8]> {
        let Some(mut listed) = self.imds.get(b"meta-data/tags/instance")? else {
            return self.fault(Fault::NoTags, b"");
        };
        while !listed.is_empty() {
            if cut(&mut listed, b'\n') == name {
                // A value may come a moment after its name.
                let path = self.text.clear().push(TAG_FOLDER).push(name).get();
                let value = self.imds.must(path)?;
                return self.facts.keep(value);
            }
        }
        Ok(b"")
    }
}
