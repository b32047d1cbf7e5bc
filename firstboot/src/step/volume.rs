//! Owns the data volume of a slot: attaches it, makes a file system where there is certainly nothing,
//! and mounts it. What is on a volume is never overwritten.

use super::HasActed;
use crate::aws::describe;
use crate::bytes::{Fault, Hash, Result, between, find, is_word};
use crate::clock::Tries;
use crate::node::{Node, fact};
use crate::phrase;
use crate::phrase::{A, B, D, E};
use crate::reader::Step;
use crate::sys;

/// How much of a device's beginning must be zero for it to be blank, in bytes.
const BLANK_BYTES: usize = 1 << 20;

impl Node {
    pub(super) fn volume(
        &mut self,
        step: &Step,
        item: &[u8],
        tries: &mut Tries,
    ) -> Result<HasActed> {
        let [mount, kind, _] = step.texts;
        let id = self.attach(tries)?;
        self.facts.set(step.out, id)?;
        let device = self.device(id, tries)?;
        self.keep(B, mount, item)?;
        self.keep(D, kind, item)?;
        self.facts.set(E, id)?;
        if self.succeeds(phrase!("mountpoint\0-q\0{b}\0"), tries)? {
            return Ok(false);
        }
        self.format(device, tries)?;
        self.must(phrase!("mkdir\0-p\0{b}\0"), tries)?;
        let mode = sys::mode(device);
        if mode.is_ok_and(|mode| mode & 0o170_000 == 0o100_000) {
            // A container cannot mount a file system of its own: beside a volume's file lies the
            // folder that stands for what is on it.
            self.facts
                .set(A, device.strip_suffix(b"device").unwrap_or_default())?;
            self.must(phrase!("mount\0--bind\0{a}data\0{b}\0"), tries)?;
        } else {
            self.must(phrase!("mount\0-o\0noatime\0-t\0{d}\0{a}\0{b}\0"), tries)?;
        }
        Ok(true)
    }

    /// Attaches the slot's volume; gives its id.
    fn attach(&mut self, tries: &mut Tries) -> Result<&'static [u8]> {
        let region = self.facts.get(fact::REGION);
        let me = self.facts.get(fact::INSTANCE);
        loop {
            let more = describe!(
                "DescribeVolumes",
                "{role}&Filter.3.Name=tag:vmimage:slot&Filter.3.Value.1={slot}"
            );
            self.begin(b"ec2", region, b"", more)?;
            self.send_well(tries)?;
            let said = self.output.get();
            let id = between(said, b"<volumeId>", b"<").filter(|id| is_word(id, b"-"));
            let Some(id) = id else {
                return self.fault(Fault::Missing, phrase!("data volume of slot {slot}"));
            };
            let id = self.facts.keep(id)?;
            self.facts.set(E, id)?;
            // Its attachments name it as well.
            let mut rest = said;
            while let Some(at) = find(rest, b"<volumeId>") {
                rest = &rest[at + 10..];
                if !rest.starts_with(id) {
                    return self.fault(Fault::Foreign, phrase!("slot {slot} has several"));
                }
            }
            let holder = between(said, b"<instanceId>", b"<");
            if holder == Some(me) {
                return Ok(id);
            }
            if holder.is_none() {
                let more = phrase!(
                    "data = \"Version=2016-11-15&Action=AttachVolume&VolumeId={e}&InstanceId={instance}&Device=/dev/sdf\"\n"
                );
                self.begin(b"ec2", region, b"", more)?;
                let status = self.send(tries)?;
                // Between being taken from one instance and given to another a volume is in no
                // state for either.
                let body = self.output.get();
                let is_busy = find(body, b"VolumeInUse").or_else(|| find(body, b"IncorrectState"));
                if status != 200 && is_busy.is_none() {
                    return self.refused(status);
                }
            } else {
                self.say(phrase!(
                    "{e} is still attached to another instance, trying again"
                ));
            }
            if !tries.again() {
                return self.fault(Fault::NotInTime, phrase!("{e} is not free"));
            }
        }
    }

    /// Waits for the device of a volume, which becomes `{a}`.
    fn device(&mut self, id: &[u8], tries: &mut Tries) -> Result<&'static [u8]> {
        // EC2 leaves out the hyphen.
        self.facts.set(B, id.strip_prefix(b"vol-").unwrap_or(id))?;
        loop {
            for path in [
                phrase!("/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol{b}"),
                phrase!("/run/vmimage-volumes/{e}/device"),
            ] {
                let path = self.keep(A, path, b"")?;
                if sys::mode(path).is_ok() {
                    return Ok(path);
                }
            }
            if !tries.again() {
                return self.fault(Fault::NotInTime, phrase!("no device for {e}"));
            }
        }
    }

    /// Makes a file system on a device that is blank.
    fn format(&mut self, device: &[u8], tries: &Tries) -> Result<()> {
        // A file system whose making was interrupted on this instance is no data.
        let mut begun = Hash::new();
        begun.add(b"format ");
        begun.add(self.facts.get(E));
        let mut ended = begun;
        ended.add(b" done");
        let is_half_made = self.journal.has(begun.0) && !self.journal.has(ended.0);
        if !is_half_made {
            if self.succeeds(phrase!("blkid\0-p\0-s\0TYPE\0-o\0value\0{a}\0"), tries)? {
                let found = self.output.get().trim_ascii();
                if found == self.facts.get(D) {
                    return Ok(());
                }
                return self.fault(
                    Fault::Foreign,
                    phrase!("{e} has another file system than {d}"),
                );
            }
            if !is_blank(device) {
                return self.fault(
                    Fault::Foreign,
                    phrase!("{e} is neither blank nor a file system"),
                );
            }
        }
        self.journal.done(begun.0, b"making a file system")?;
        // Each of the programs has its own way to be told that nothing is asked.
        let make = if self.facts.get(D) == b"xfs" {
            phrase!("mkfs.xfs\0-q\0-f\0{a}\0")
        } else {
            phrase!("mkfs.{d}\0-q\0-F\0{a}\0")
        };
        self.must(make, tries)?;
        self.journal.done(ended.0, b"made a file system")
    }
}

/// Whether a device begins with nothing but zeros. One that cannot be read is not blank.
fn is_blank(device: &[u8]) -> bool {
    let Ok(file) = sys::open(device, sys::READ, 0) else {
        return false;
    };
    let mut part = [0; 4096];
    let mut left = BLANK_BYTES;
    while left > 0 {
        match sys::read(file, &mut part) {
            Ok(read) if read > 0 && part[..read].iter().all(|byte| *byte == 0) => {
                left = left.saturating_sub(read)
            }
            _ => break,
        }
    }
    sys::close(file);
    left == 0
}
