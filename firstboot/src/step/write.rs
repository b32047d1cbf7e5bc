//! Owns writing files: whole or not at all, and readable by nobody before they have their mode.

use super::{HasActed, yes_or_no};
use crate::bytes::{Fault, Result};
use crate::clock::Tries;
use crate::node::Node;
use crate::phrase;
use crate::phrase::{A, B};
use crate::reader::Step;
use crate::sys::{self, Errno};

impl Node {
    pub(super) fn write(&mut self, step: &Step, item: &[u8]) -> Result<HasActed> {
        let [owner, path, content] = step.texts;
        let path = self.keep(A, path, item)?;
        self.keep(B, owner, item)?;
        self.expand(content, item)?;
        let is_same = sys::mode(path) == Ok(0o100_000 | step.number) && self.holds_already(path);
        if !is_same {
            let written = self.write_beside(path, step.number);
            if let Err(error) = written {
                let is_full = error == Errno::NO_SPACE;
                let fault = if is_full {
                    Fault::NoSpace
                } else {
                    Fault::System
                };
                return self.fault(fault, phrase!("{a}"));
            }
        }
        // The owner is set before the file has its name, or again if that was interrupted.
        if !owner.is_empty() {
            let tries = Tries::for_secs(10);
            let whose = if is_same {
                phrase!("chown\0{b}\0{a}\0")
            } else {
                phrase!("chown\0{b}\0{a}.vmimage-new\0")
            };
            self.must(whose, &tries)?;
        }
        if !is_same {
            let new = self.other.clear().push(path).push(b".vmimage-new").get();
            // A change of owner takes bits away.
            let renamed = sys::set_mode(new, step.number).and_then(|()| sys::rename(new, path));
            if renamed.is_err() {
                return self.fault(Fault::System, phrase!("{a}"));
            }
        }
        self.facts.set(step.out, yes_or_no(!is_same))?;
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

    fn write_beside(&mut self, path: &[u8], mode: u16) -> core::result::Result<(), Errno> {
        make_parents(path)?;
        let new = self.other.clear().push(path).push(b".vmimage-new").get();
        let file = sys::open(new, sys::CREATE, mode & 0o600)?;
        let written = sys::write_all(file, self.text.get()).and_then(|()| sys::sync(file));
        sys::close(file);
        if written.is_err() {
            let _gone = sys::remove(new);
        }
        written
    }
}

/// Makes the directories above a path.
fn make_parents(path: &[u8]) -> core::result::Result<(), Errno> {
    for at in 1..path.len() {
        if path[at] == b'/' {
            sys::make_directory(&path[..at], 0o755)?;
        }
    }
    Ok(())
}
