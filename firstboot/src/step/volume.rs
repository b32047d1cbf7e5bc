//! Owns the data volume of a slot: attaches it, makes a file system where there is certainly nothing,
//! and mounts it. What is on a volume is never overwritten.

use super::Outcome;
use crate::bytes::{Hash, Result, between, find, is_word};
use crate::clock::Tries;
use crate::console::Line;
use crate::node::{Node, fact};
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
    ) -> Result<Outcome> {
        let [mount, kind, _] = step.texts;
        let mount = self.kept(mount, item)?;
        let id = self.attach(tries)?;
        self.facts.set(step.out, id)?;
        let device = self.device(id, tries)?;
        if self.succeeds(&[b"mountpoint\0-q\0", mount, b"\0"], tries)? {
            return Ok(Outcome::Unchanged);
        }
        self.format(id, device, kind, tries)?;
        for (at, byte) in mount.iter().enumerate().skip(1) {
            if *byte == b'/' || at + 1 == mount.len() {
                let end = if *byte == b'/' { at } else { mount.len() };
                // Mounting says what is wrong with it.
                let _made = sys::make_directory(&mount[..end], 0o755);
            }
        }
        let is_file = sys::kind(device).is_ok_and(sys::Kind::is_file);
        let mounted = if is_file {
            // A container cannot mount a file system of its own: beside a volume's file lies the
            // folder that stands for what is on it.
            let folder = &device[..device.len() - b"device".len()];
            self.succeeds(
                &[b"mount\0--bind\0", folder, b"data\0", mount, b"\0"],
                tries,
            )?
        } else {
            self.succeeds(
                &[
                    b"mount\0-o\0noatime\0-t\0",
                    kind,
                    b"\0",
                    device,
                    b"\0",
                    mount,
                    b"\0",
                ],
                tries,
            )?
        };
        if mounted {
            Ok(Outcome::Done)
        } else {
            self.ended(crate::child::Ended::With(32), false)
        }
    }

    /// Attaches the slot's volume; gives its id.
    fn attach(&mut self, tries: &mut Tries) -> Result<&'static [u8]> {
        let get = |number| self.facts.get(number);
        let [me, region, cluster, role, slot] = [
            fact::INSTANCE,
            fact::REGION,
            fact::CLUSTER,
            fact::ROLE,
            fact::SLOT,
        ]
        .map(get);
        loop {
            self.begin(b"ec2", region, b"");
            self.parameters(&[
                b"Action",
                b"DescribeVolumes",
                b"Version",
                b"2016-11-15",
                b"Filter.1.Name",
                b"tag:vmimage:cluster",
                b"Filter.1.Value.1",
                cluster,
                b"Filter.2.Name",
                b"tag:vmimage:role",
                b"Filter.2.Value.1",
                role,
                b"Filter.3.Name",
                b"tag:vmimage:slot",
                b"Filter.3.Value.1",
                slot,
            ]);
            let status = self.send(tries)?;
            if status != 200 {
                return self.refused(status);
            }
            let said = self.output.get();
            let volume =
                between(said, b"<volumeId>", b"</volumeId>").filter(|id| is_word(id, b"-"));
            let Some(volume) = volume else {
                return self.fault("there is no data volume for slot", &[slot]);
            };
            let id = self.facts.keep(volume)?;
            let mut ids = said.split(|byte| *byte == b'<');
            if ids.any(|tag| {
                tag.strip_prefix(b"volumeId>")
                    .is_some_and(|other| other != id)
            }) {
                return self.fault("there are several data volumes for slot", &[slot]);
            }
            let holder = between(said, b"<instanceId>", b"</instanceId>");
            if holder == Some(me) {
                return Ok(id);
            }
            if holder.is_none() {
                self.begin(b"ec2", region, b"");
                self.parameters(&[
                    b"Action",
                    b"AttachVolume",
                    b"Version",
                    b"2016-11-15",
                    b"VolumeId",
                    id,
                    b"InstanceId",
                    me,
                    b"Device",
                    b"/dev/sdf",
                ]);
                let status = self.send(tries)?;
                if status == 200 {
                    return Ok(id);
                }
                // Between being taken from one instance and given to another a volume is in no
                // state for either.
                let body = self.output.get();
                if find(body, b"VolumeInUse")
                    .or_else(|| find(body, b"IncorrectState"))
                    .is_none()
                {
                    return self.refused(status);
                }
            }
            Line::new()
                .text(id)
                .text(b" is still attached elsewhere, trying again");
            if !tries.again() {
                return self.fault("a data volume is not free in time:", &[id]);
            }
        }
    }

    /// Waits for the device of a volume.
    fn device(&mut self, id: &[u8], tries: &mut Tries) -> Result<&'static [u8]> {
        let number = id.strip_prefix(b"vol-").unwrap_or(id);
        loop {
            for parts in [
                [
                    &b"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol"[..],
                    number,
                    b"",
                ],
                [b"/run/vmimage-volumes/", id, b"/device"],
            ] {
                let path = self.other.clear().push_all(&parts).get();
                if sys::kind(path).is_ok() {
                    return self.facts.keep(path);
                }
            }
            if !tries.again() {
                return self.fault("no device appears in time for", &[id]);
            }
        }
    }

    /// Makes a file system on a device that is blank.
    fn format(&mut self, id: &[u8], device: &[u8], kind: &[u8], tries: &Tries) -> Result<()> {
        // A file system whose making was interrupted on this instance is no data.
        let mut begun = Hash::new();
        begun.add(b"format ");
        begun.add(id);
        let mut ended = begun;
        ended.add(b" done");
        let is_half_made = self.journal.has(begun.0) && !self.journal.has(ended.0);
        let mut is_known = false;
        if !is_half_made {
            is_known =
                self.succeeds(&[b"blkid\0-p\0-s\0TYPE\0-o\0value\0", device, b"\0"], tries)?;
            if is_known {
                let found = self.output.get().trim_ascii();
                if found != kind {
                    let found = self.facts.keep(found)?;
                    return self.fault(
                        "a data volume holds something else:",
                        &[id, b" has ", found],
                    );
                }
            } else if !is_blank(device) {
                return self.fault("a data volume is neither blank nor a file system:", &[id]);
            }
        }
        if !is_known {
            self.journal.done(begun.0, b"making a file system")?;
            let force: &[u8] = if kind == b"xfs" { b"-f" } else { b"-F" };
            if !self.succeeds(
                &[b"mkfs.", kind, b"\0-q\0", force, b"\0", device, b"\0"],
                tries,
            )? {
                return self.ended(crate::child::Ended::With(1), false);
            }
            self.journal.done(ended.0, b"made a file system")?;
        }
        Ok(())
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
