//! Owns writing files: whole or not at all, with owner and mode from the first moment on.

use super::{Outcome, yes_or_no};
use crate::bytes::{Result, parse_number, split};
use crate::node::Node;
use crate::reader::Step;
use crate::sys::{self, Errno};

impl Node {
    pub(super) fn write(&mut self, step: &Step, item: &[u8]) -> Result<Outcome> {
        let [owner, path, content] = step.texts;
        let path = self.kept(path, item)?;
        let (user, group) = split(owner, b":");
        let group = if group.is_empty() { user } else { group };
        let user = self.number_of(user, b"/etc/passwd")?;
        let group = self.number_of(group, b"/etc/group")?;
        self.expand(content, item)?;
        let kind = sys::kind(path);
        let is_same = kind.is_ok_and(|kind| {
            kind.is_file()
                && (kind.mode & 0o7777, kind.user, kind.group) == (step.number, user, group)
        }) && self.holds_already(path);
        if !is_same && let Err(error) = self.replace(path, step.number, user, group) {
            let what = if error == Errno::NO_SPACE {
                "no space is left to write"
            } else {
                "cannot write"
            };
            return self.fault(what, &[path]);
        }
        self.facts.set(step.out, yes_or_no(!is_same))?;
        Ok(if is_same {
            Outcome::Unchanged
        } else {
            Outcome::Done
        })
    }

    fn holds_already(&mut self, path: &[u8]) -> bool {
        let Ok(file) = sys::open(path, sys::READ, 0) else {
            return false;
        };
        let read = self.other.read_from(file);
        sys::close(file);
        read.is_ok() && self.other.get() == self.text.get()
    }

    fn replace(
        &mut self,
        path: &[u8],
        mode: u16,
        user: u32,
        group: u32,
    ) -> core::result::Result<(), Errno> {
        for (at, byte) in path.iter().enumerate().skip(1) {
            if *byte == b'/' {
                sys::make_directory(&path[..at], 0o755)?;
            }
        }
        let new = self.other.clear().push_all(&[path, b".vmimage-new"]).get();
        // Nobody else may read it before it has its mode.
        let file = sys::open(new, sys::CREATE, 0o600)?;
        let written = sys::write_all(file, self.text.get())
            .and_then(|()| sys::set_access(file, mode, user, group))
            .and_then(|()| sys::sync(file));
        sys::close(file);
        let renamed = written.and_then(|()| sys::rename(new, path));
        if renamed.is_err() {
            let _gone = sys::remove(new);
        }
        renamed
    }

    /// The number of a user or group; nobody named is root.
    fn number_of(&mut self, name: &[u8], database: &[u8]) -> Result<u32> {
        if name.is_empty() {
            return Ok(0);
        }
        if let Ok(file) = sys::open(database, sys::READ, 0) {
            let read = self.other.read_from(file);
            sys::close(file);
            read?;
        }
        for line in self.other.get().split(|byte| *byte == b'\n') {
            let mut fields = line.split(|byte| *byte == b':');
            if fields.next() == Some(name)
                && let Some(number) = fields.nth(1).and_then(parse_number)
            {
                return Ok(number as u32);
            }
        }
        self.fault("there is no user or group", &[name])
    }
}
