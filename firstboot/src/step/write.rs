//! Owns writing files: whole or not at all, and readable by nobody before they have their mode.

use super::{HasActed, yes_or_no};
use crate::bytes::{Fault, Result, parse_number};
use crate::node::Node;
use crate::phrase;
use crate::phrase::{A, B, C};
use crate::sys::{self, Errno};

impl Node {
    pub(super) fn write(&mut self) -> Result<HasActed> {
        let mode = parse_number(self.step.fields[5]).unwrap_or(0o600) as u16;
        self.keep(A, self.step.fields[3])?;
        self.keep(B, phrase!("{a}\0"))?;
        self.keep(C, phrase!("{a}.vmimage-new\0"))?;
        let [path, new] = [B, C].map(|number| self.facts.get(number));
        self.expand(self.step.fields[4])?;
        let is_same = sys::mode(path) == Ok(0o100_000 | mode) && self.holds_already(path);
        if !is_same {
            if let Err(error) = self.replace(path, new, mode) {
                let _gone = sys::remove(new);
                let is_full = error == Errno::NO_SPACE;
                let fault = if is_full {
                    Fault::NoSpace
                } else {
                    Fault::System
                };
                return self.fault(fault, phrase!("{a}"));
            }
        }
        self.facts.set(self.step.numbers[2], yes_or_no(!is_same));
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

    /// Writes `self.text` beside a file whose name it then gets; makes the directories above it.
    fn replace(&mut self, path: &[u8], new: &[u8], mode: u16) -> core::result::Result<(), Errno> {
        for at in 1..path.len() {
            if path[at] == b'/' {
                let parent = self.other.clear().push(&path[..at]).push(b"\0").get();
                sys::make_directory(parent, 0o755)?;
            }
        }
        let file = sys::open(new, sys::CREATE, 0o600)?;
        let written = sys::write_all(file, self.text.get()).and_then(|()| sys::sync(file));
        sys::close(file);
        written?;
        sys::set_mode(new, mode)?;
        sys::rename(new, path)
    }
}
