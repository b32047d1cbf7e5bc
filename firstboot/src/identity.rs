//! Owns finding out who this node is: what the metadata service says of the instance, and its tags.
//! What is not well formed is refused here, so that nothing later has to mistrust it.

use crate::bytes::{Fault, Result, find, is_word, parse_number, split};
use crate::clock::{Tries, date};
use crate::node::{Node, fact};
use crate::step::yes_or_no;
use crate::sys::{self, Clock};

/// How long a tag that is listed, or a required one, may take to appear, in seconds.
const TAG_SECS: u64 = 60;

/// What every instance has: the fact, where it is, and what it may hold beside letters and digits.
const IDENTITY: [(u8, &[u8], &[u8]); 7] = [
    (fact::INSTANCE, b"meta-data/instance-id", b"-"),
    (fact::REGION, b"meta-data/placement/region", b"-"),
    (fact::AWS_DOMAIN, b"meta-data/services/domain", b"-."),
    (fact::ZONE, b"meta-data/placement/availability-zone", b"-"),
    (fact::ADDRESS, b"meta-data/local-ipv4", b"."),
    (fact::HOSTNAME, b"meta-data/local-hostname", b"-. "),
    (fact::IMAGE, b"meta-data/ami-id", b"-"),
];

/// Tags: the fact, the tag, the tag of the replaced runbook, what the value may hold beside letters
/// and digits, and what it is where there is none.
const TAGS: [(u8, &[u8], &[u8], &[u8], &[u8]); 7] = [
    (fact::ROLE, b"vmimage:role", b"Role", b"-", b""),
    (fact::CLUSTER, b"vmimage:cluster", b"Cluster", b"-", b""),
    (
        fact::ENVIRONMENT,
        b"vmimage:environment",
        b"Environment",
        b"-_.",
        b"production",
    ),
    (fact::DOMAIN, b"vmimage:domain", b"", b"-.", b"internal"),
    (fact::SLOT, b"vmimage:slot", b"", b"", b"-"),
    (fact::SIZE, b"vmimage:size", b"", b"", b"0"),
    (fact::PREFIX, b"vmimage:state", b"", b":/-._", b""),
];

impl Node {
    /// Learns what a failure would have to be reported with, and the rest of the identity.
    pub fn identify(&mut self) -> Result<()> {
        for (number, path, extra) in IDENTITY {
            let value = self.imds.must(path)?;
            // The first of the names that DHCP gave, without its domain.
            let value = if number == fact::HOSTNAME {
                split(split(value, b" ").0, b".").0
            } else {
                value
            };
            if !is_word(value, extra) {
                return self.fault(
                    "the metadata service does not say what it should at",
                    &[path],
                );
            }
            self.facts.set(number, value)?;
        }
        let parts = self.facts.get(fact::ADDRESS).split(|byte| *byte == b'.');
        let address = parts.fold(0, |number, part| {
            number << 8 | parse_number(part).unwrap_or(0)
        });
        self.text.clear().number(address);
        self.facts.set(fact::ADDRESS_NUMBER, self.text.get())?;
        self.facts.set(fact::PRIMARY, self.header.primary)?;
        let region = self.facts.get(fact::REGION);
        self.facts
            .set(fact::IN_PRIMARY, yes_or_no(region == self.header.primary))?;
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
            let profile = self.imds.get(b"meta-data/iam/security-credentials/")?;
            if let Some(profile) = profile {
                self.profile.clear().push(crate::facts::first_line(profile));
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
        let group = self.tag(b"aws:autoscaling:groupName")?;
        for (number, name, older, extra, default) in TAGS {
            let mut tries = Tries::for_secs(TAG_SECS);
            let value = loop {
                let mut value = self.tag(name)?;
                if value.is_empty() && !older.is_empty() {
                    value = self.tag(older)?;
                }
                // A required one may come a moment after the instance.
                let is_missing = value.is_empty() && default.is_empty();
                if !is_missing || !tries.again() {
                    break if value.is_empty() { default } else { value };
                }
            };
            if value.is_empty() {
                return self.fault("the instance has no tag", &[name]);
            }
            if value != b"-" && !is_word(value, extra) {
                return self.fault("the value of a tag is not one that it can have:", &[name]);
            }
            self.facts.set(number, value)?;
        }
        let role = self.facts.get(fact::ROLE);
        if role != self.header.role {
            let wanted = self.header.role;
            return self.fault(
                "the tag vmimage:role is not what the launch template is for:",
                &[role, b" instead of ", wanted],
            );
        }
        let slot = self.facts.get(fact::SLOT);
        if group.is_empty() {
            self.text.clear().push(self.header.group);
            if slot != b"-" {
                self.text.push_all(&[b"-", slot]);
            }
            self.facts.set(fact::GROUP, self.text.get())?;
        } else {
            self.facts.set(fact::GROUP, group)?;
        }
        self.read_state()
    }

    /// Splits `s3://bucket/prefix`.
    fn read_state(&mut self) -> Result<()> {
        let state = self.facts.get(fact::PREFIX);
        let (bucket, prefix) = split(state.strip_prefix(b"s3://").unwrap_or_default(), b"/");
        if !is_word(bucket, b"-.") || !is_word(prefix, b"-._/") || find(prefix, b"..").is_some() {
            return self.fault("this is no s3://bucket/prefix:", &[state]);
        }
        self.facts.set(fact::BUCKET, bucket)?;
        self.facts.set(fact::PREFIX, prefix)
    }

    /// A tag's value, which is kept; empty if there is none.
    fn tag(&mut self, name: &[u8]) -> Result<&'static [u8]> {
        let mut path = [0; 160];
        let folder = b"meta-data/tags/instance/";
        let length = folder.len() + name.len();
        let path = path.get_mut(..length).ok_or(crate::bytes::TOO_LONG)?;
        path[..folder.len()].copy_from_slice(folder);
        path[folder.len()..].copy_from_slice(name);
        let mut tries = Tries::for_secs(TAG_SECS);
        loop {
            let Some(listed) = self.imds.get(&b"meta-data/tags/instance"[..])? else {
                return Err(Fault(
                    "tags cannot be read: InstanceMetadataTags is not enabled",
                ));
            };
            if !listed.split(|byte| *byte == b'\n').any(|tag| tag == name) {
                return Ok(b"");
            }
            if let Some(value) = self.imds.get(path)? {
                return self.facts.keep(value);
            }
            // It is listed: the value is on its way.
            if !tries.again() {
                return self.fault("a tag is listed but has no value:", &[name]);
            }
        }
    }
}
