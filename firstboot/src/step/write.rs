//! Owns writing files: whole or not at all, and readable by nobody before they have their mode.

use super::{HasActed, yes_or_no};
use crate::bytes::{Fault, Result};
use crate::node::Node;
use crate::phrase;
use crate::phrase::{A, B, C};
use crate::reader::Step;
use crate::sys::{self, Errno};

/// How long a change of owner may take, in milliseconds.
const OWNER_MS: u64 = 10_000;

impl Node {
    pub(super) fn write(&mut self, step: &Step, item: &[u8]) -> Result<HasActed> {
        let [_, _, path, content, owner, mode, _] = step.fields;
        let mode = mode
            .first_chunk()
            .map_or(0o644, |bytes| u16::from_le_bytes(*bytes));
        self.keep(A, path, item)?;
        let path = self.keep(B, phrase!("{a}\0"), b"")?;
        let new = self.keep(C, phrase!("{a}.vmimage-new\0"), b"")?;
        self.expand(content, item)?;
        let is_same = sys::mode(path) == Ok(0o100_000 | mode) && self.holds_already(path);
        let mut done = Ok(());
        if !is_same {
            done = self.write_beside(path, new);
        }
        // The owner is set before the file has its name, or again if that was interrupted.
        if !owner.is_empty() && done.is_ok() {
            self.expand(owner, item)?;
            let file = if is_same { path } else { new };
            self.arguments
                .clear()
                .push(b"chown\0")
                .push(self.text.get())
                .push(b"\0")
                .push(file);
            let status = self.run(OWNER_MS)?;
            if status != 0 {
                return self.failed(status, false);
            }
        }
        if !is_same {
            // After the owner, whose change takes bits away.
            done = done
                .and_then(|()| sys::set_mode(new, mode))
                .and_then(|()| sys::rename(new, path));
        }
        if let Err(error) = done {
            let _gone = sys::remove(new);
            let is_full = error == Errno::NO_SPACE;
            return self.fault(
                if is_full {
                    Fault::NoSpace
                } else {
                    Fault::System
                },
                phrase!("{a}"),
            );
        }
        self.facts.set(step.numbers[2], yes_or_no(!is_same));
        Ok(!is_same)
    }

    fn holds_already(&mut self, path: &[u8]) -> bool {
        let Ok(file) = sys::open(path, sys::READ, 0) else {
            return false;
        };
        let read = self.other.read_from(file);
        sys::close(file);
        read.is_ok() && self.other.get() == self.text.get()
    }

    /// Writes `self.text` beside a file, and makes the directories above it.
    fn write_beside(&mut self, path: &[u8], new: &[u8]) -> core::result::Result<(), Errno> {
        for at in 1..path.len() {
            if path[at] == b'/' {
                let parent = self.other.clear().push(&path[..at]).push(b"\0").get();
                sys::make_directory(parent, 0o755)?;
            }
        }
        let file = sys::open(new, sys::CREATE, 0o600)?;
        let written = sys::write_all(file, self.text.get()).and_then(|()| sys::sync(file));
        sys::close(file);
        written
    }
}
