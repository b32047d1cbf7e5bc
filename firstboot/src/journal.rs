//! Owns the journal of a node, `/var/lib/vmimage/journal`: which steps were done on this instance, so
//! that a crash or a reboot resumes. Text that people can read; each line is on the disk before
//! anybody relies on it.

use crate::bytes::{Fault, Hash, Result, Text, find};
use crate::clock;
use crate::sys::{self, Clock, Errno, Fd};

/// The folder of the engine's state.
pub const FOLDER: &[u8] = b"/var/lib/vmimage";
const PATH: &[u8] = b"/var/lib/vmimage/journal";
const OLD: &[u8] = b"/var/lib/vmimage/journal.old";

/// Room for the journal of some thousand boots.
const ROOM: usize = 1 << 20;

const UNWRITTEN: Fault = Fault("the journal cannot be written in /var/lib/vmimage");

/// What was done.
#[derive(Debug)]
pub struct Journal {
    lines: Text,
    line: Text,
    file: Fd,
    /// Keys that steps of this run have.
    keys: [u64; 256],
    count: usize,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            lines: Text::new(ROOM),
            line: Text::new(1 << 12),
            file: -1,
            keys: [0; 256],
            count: 0,
        }
    }
}

impl Journal {
    /// Opens the journal of this instance; another's is put aside.
    pub fn open(&mut self, instance: &[u8]) -> Result<()> {
        sys::make_directory(FOLDER, 0o700).map_err(|_errno| UNWRITTEN)?;
        let is_ours = match sys::open(PATH, sys::READ, 0) {
            Ok(file) => {
                let read = self.lines.read_from(file);
                sys::close(file);
                read?;
                let owner = self.lines.get().strip_prefix(b"instance ");
                owner.is_some_and(|rest| crate::facts::first_line(rest) == instance)
            }
            Err(Errno::NOT_FOUND) => false,
            Err(_) => return Err(UNWRITTEN),
        };
        if !is_ours {
            self.lines.clear();
            // There may be none.
            let _none = sys::rename(PATH, OLD);
        }
        self.file = sys::open(PATH, sys::APPEND, 0o600).map_err(|_errno| UNWRITTEN)?;
        if !is_ours {
            self.line.clear().push_all(&[b"instance ", instance, b"\n"]);
            self.write()?;
        } else if !self.lines.get().ends_with(b"\n") {
            // A crash cut the last line; what it said does not count.
            self.line.clear().push(b"\n");
            self.write()?;
        }
        Ok(())
    }

    /// Whether a step with this key was done.
    pub fn has(&self, key: u64) -> bool {
        let mut text = [0; 22];
        text[..6].copy_from_slice(b" done ");
        for (place, digit) in text[6..].iter_mut().zip((0..16).rev()) {
            let digit = (key >> (digit * 4)) as u8 & 15;
            *place = digit + if digit < 10 { b'0' } else { b'a' - 10 };
        }
        let lines = self.lines.get().split_inclusive(|byte| *byte == b'\n');
        let mut whole = lines.filter(|line| line.ends_with(b"\n"));
        whole.any(|line| find(line, &text).is_some())
    }

    /// The key of a step: a second one that says the same is another step.
    pub fn distinct(&mut self, mut key: Hash) -> Hash {
        while self.keys[..self.count].contains(&key.0) {
            key.add(b"+");
        }
        if let Some(place) = self.keys.get_mut(self.count) {
            *place = key.0;
            self.count += 1;
        }
        key
    }

    /// Writes down that a step was done.
    pub fn done(&mut self, key: u64, title: &[u8]) -> Result<()> {
        self.begin();
        self.line
            .push(b"done ")
            .hex(key)
            .push_all(&[b" ", title, b"\n"]);
        self.write()
    }

    /// Writes down what happened.
    pub fn note(&mut self, what: &[&[u8]]) -> Result<()> {
        self.begin();
        self.line.push_all(what).push(b"\n");
        self.write()
    }

    fn begin(&mut self) {
        clock::date(sys::now_ms(Clock::Real) / 1_000, self.line.clear());
        self.line.push(b" ");
    }

    fn write(&mut self) -> Result<()> {
        sys::write_all(self.file, self.line.get())
            .and_then(|()| sys::sync(self.file))
            .map_err(|_errno| UNWRITTEN)?;
        self.lines.push(self.line.get());
        Ok(())
    }
}
