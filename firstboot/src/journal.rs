//! Owns the journal of a node, `/var/lib/vmimage/INSTANCE/journal`: which steps were done on this
//! instance, so that a crash or a reboot resumes, and how launches ended. Text that people can read;
//! each line is on the disk before anybody relies on it.

use crate::bytes::{Fault, Result, Text, find};
use crate::sys::{self, Clock, Fd};

/// What was done.
#[derive(Debug, Default)]
pub struct Journal {
    lines: Text,
    line: Text,
    file: Fd,
}

impl Journal {
    /// Opens the journal of this instance in its folder, which there must be.
    pub fn open(&mut self, path: &[u8]) -> Result<()> {
        if let Ok(file) = sys::open(path, sys::READ, 0) {
            let read = self.lines.read_from(file);
            sys::close(file);
            read?;
        }
        self.file = sys::open(path, sys::APPEND, 0o600).map_err(|_errno| Fault::System)?;
        Ok(())
    }

    /// Whether a step with this key was done.
    pub fn has(&mut self, key: u64) -> bool {
        find(self.lines.get(), self.line.clear().hex(key).get()).is_some()
    }

    /// Writes down that a step was done.
    pub fn done(&mut self, key: u64, title: &[u8]) -> Result<()> {
        let key = self.line.clear().hex(key).get();
        // Half a line does not have the whole key.
        let mut copy = [0; 16];
        copy.copy_from_slice(key);
        self.note(title, &copy)
    }

    /// Writes down what happened: seconds since 1970, what, about what. A crash may have cut the last
    /// line, so each begins one.
    pub fn note(&mut self, what: &[u8], about: &[u8]) -> Result<()> {
        let seconds = sys::now_ms(Clock::Real) / 1_000;
        self.line
            .clear()
            .push(b"\n")
            .number(seconds)
            .push(b" ")
            .push(what)
            .push(b" ")
            .push(about);
        sys::write_all(self.file, self.line.get())
            .and_then(|()| sys::sync(self.file))
            .map_err(|_errno| Fault::NoSpace)?;
        self.lines.push(self.line.get());
        Ok(())
    }
}
