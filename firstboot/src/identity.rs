//! Owns finding out who this node is: what the metadata service says of the instance, and its tags.
//! What is not well formed is refused here, so that nothing later has to mistrust it.

use crate::bytes::{Fault, Result, cut, is_word, nth};
use crate::clock::Tries;
use crate::node::{Node, fact};
use crate::phrase;
use crate::phrase::A;
use crate::reader::Header;

/// How long a required tag may take to appear, in seconds.
const TAG_SECS: u64 = 60;

/// What is asked about the instance: the fact, where it is, what it may hold beside letters and
/// digits. Every instance has these.
const IDENTITY: &[u8] = b"\x01 instance-id -
\x04 placement/region -
\x06 services/domain -.
\x05 placement/availability-zone -
\x02 local-ipv4 .
\x03 local-hostname -.
\x07 ami-id -
";

/// Tags: as above, then what it is where there is none; without that it is required. Then the tag of
/// the replaced runbook.
const TAGS: &[u8] = b"\x13 aws:autoscaling:groupName -_. none;\
\x0e vmimage:slot  0;\
\x08 vmimage:role -  Role;\
\x09 vmimage:cluster -  Cluster;\
\x0c vmimage:state :/-._;\
\x0a vmimage:environment -_. production Environment;\
\x0b vmimage:domain -. internal;\
\x0f vmimage:size  0;\
";

impl Node {
    /// Learns what a failure would have to be reported with, and the rest of the identity. `header`
    /// is what the program begins with.
    pub fn identify(&mut self, header: Header) -> Result<()> {
        let mut rest = IDENTITY;
        while !rest.is_empty() {
            let line = cut(&mut rest, b'\n');
            let value = self.facts.keep(self.imds.must(nth(line, b' ', 1))?);
            self.learn(line, value, Fault::Strange)?;
        }
        // The first of the names that DHCP gave, without its domain.
        let host = cut(&mut self.facts.get(fact::HOSTNAME), b'.');
        self.facts.set(fact::HOSTNAME, host);
        self.facts.set(fact::PRIMARY, header[3]);
        self.facts.set(fact::REGIONS, header[4]);
        Ok(())
    }

    /// Takes a value for the fact of a line, if it can be one.
    fn learn(&mut self, line: &'static [u8], value: &'static [u8], fault: Fault) -> Result<()> {
        let is_fit = is_word(value, nth(line, b' ', 2));
        self.detail.clear().push(nth(line, b' ', 1));
        self.facts.set(line[0], value);
        if is_fit { Ok(()) } else { Err(fault) }
    }

    /// Learns what the instance's tags say.
    pub fn read_tags(&mut self, header: Header) -> Result<()> {
        if let Some(key) = self.imds.get(b"public-keys/0/openssh-key")? {
            self.facts.set(fact::SSH_KEY, key.trim_ascii());
        }
        // Whom to tell is known before anything can be wrong: EC2's own word, or what the launch
        // template says, which may have the slot in it.
        let mut is_named = false;
        self.keep(fact::GROUP, header[2])?;
        let mut tries = Tries::for_secs(TAG_SECS);
        let mut rest = TAGS;
        while !rest.is_empty() {
            // No line feed ends it, which is the number of a fact.
            let line = cut(&mut rest, b';');
            let mut value: &[u8] = b"";
            // A required one may come a moment after the instance.
            while value.is_empty() {
                value = self.tag(line)?;
                self.detail.clear().push(nth(line, b' ', 1));
                if value.is_empty() && !tries.again() {
                    return Err(Fault::NoTag);
                }
            }
            if line[0] == fact::GROUP {
                is_named = value != b"none";
                if !is_named {
                    continue;
                }
            }
            self.learn(line, value, Fault::WrongTag)?;
            if line[0] == fact::SLOT && !is_named {
                self.keep(fact::GROUP, header[2])?;
            }
        }
        self.facts.set(A, header[0]);
        if self.facts.get(fact::ROLE) != header[0] {
            return self.fault(
                Fault::WrongTag,
                phrase!("vmimage:role is {role}, and the launch template is for {a}"),
            );
        }
        let state = self.facts.get(fact::STATE);
        let Some(state) = state.strip_prefix(b"s3://") else {
            return self.fault(
                Fault::WrongTag,
                phrase!("vmimage:state is not s3://bucket/prefix but {state}"),
            );
        };
        self.facts.set(fact::STATE, state);
        Ok(())
    }

    /// The value of the tag of a line, or of the tag of the replaced runbook, or what it is where
    /// there is none.
    fn tag(&mut self, line: &'static [u8]) -> Result<&'static [u8]> {
        for index in [1, 4] {
            let name = nth(line, b' ', index);
            let Some(listed) = self.imds.get(b"tags/instance")? else {
                return self.fault(Fault::NoTags, b"");
            };
            if has_line(listed, name) {
                // A value may come a moment after its name.
                self.text.clear().push(b"tags/instance/").push(name);
                return Ok(self.facts.keep(self.imds.must(self.text.get())?));
            }
        }
        Ok(nth(line, b' ', 3))
    }
}

fn has_line(mut lines: &[u8], line: &[u8]) -> bool {
    while !lines.is_empty() {
        if cut(&mut lines, b'\n') == line {
            return true;
        }
    }
    false
}
