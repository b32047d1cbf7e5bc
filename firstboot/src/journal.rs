//! Owns the journal of a node, `/var/lib/vmimage/journal`: which steps were done on this instance, so
//! that a crash or a reboot resumes. Text that people can read; each line is on the disk before
//! anybody relies on it.

use crate::bytes::{Fault, Hash, Result, Text, cut, find};
use crate::sys::{self, Clock, Errno, Fd};

const FOLDER: &[u8] = b"/var/lib/vmimage\0";
const PATH: &[u8] = b"/var/lib/vmimage/journal\0";
const OLD: &[u8] = b"/var/lib/vmimage/journal.old\0";

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
            lines: Text::default(),
            line: Text::default(),
            file: -1,
            keys: [0; 256],
            count: 0,
        }
    }
}

impl Journal {
    /// Opens the journal of this instance; another's is put aside.
    pub fn open(&mut self, instance: &[u8]) -> Result<()> {
        // What is wrong with it shows when the file is opened.
        let _made = sys::make_directory(FOLDER, 0o700);
        match sys::open(PATH, sys::READ, 0) {
            Ok(file) => {
                let read = self.lines.read_from(file);
                sys::close(file);
                read?;
            }
            Err(Errno::NOT_FOUND) => {}
            Err(_) => return Err(Fault::System),
        }
        let owner = cut(&mut self.lines.get(), b'\n');
        let is_ours = owner.strip_prefix(b"instance ") == Some(instance);
        if !is_ours {
            self.lines.clear();
            // There may be none.
            let _none = sys::rename(PATH, OLD);
        }
        self.file = sys::open(PATH, sys::APPEND, 0o600).map_err(|_errno| Fault::System)?;
        self.line.clear();
        if is_ours {
            // A crash may have cut the last line; what it said does not count.
            self.line.push(b"\n");
        } else {
            self.line.push(b"instance ").push(instance).push(b"\n");
        }
        self.write()
    }

    /// Whether a step with this key was done.
    pub fn has(&mut self, key: u64) -> bool {
        self.line.clear().push(b" done ").hex(key).push(b" ");
        let mut rest = self.lines.get();
        while !rest.is_empty() {
            if find(cut(&mut rest, b'\n'), self.line.get()).is_some() {
                return true;
            }
        }
        false
    }

    /// The key of a step: a second one that says the same is another step.
    pub fn distinct(&mut self, mut key: Hash) -> u64 {
        while self.keys[..self.count].contains(&key.0) {
            key.add(b"+");
        }
        if let Some(place) = self.keys.get_mut(self.count) {
            *place = key.0;
            self.count += 1;
        }
        key.0
    }

    /// Writes down that a step was done.
    pub fn done(&mut self, key: u64, title: &[u8]) -> Result<()> {
        self.begin();
        self.line
            .push(b" done ")
            .hex(key)
            .push(b" ")
            .push(title)
            .push(b"\n");
        self.write()
    }

    /// Writes down what happened.
    pub fn note(&mut self, what: &[u8], about: &[u8]) -> Result<()> {
        self.begin();
        self.line.push(what).push(about).push(b"\n");
        self.write()
    }

    /// Seconds since 1970 begin every line.
    fn begin(&mut self) {
        self.line.clear().number(sys::now_ms(Clock::Real) / 1_000);
    }

    fn write(&mut self) -> Result<()> {
        sys::write_all(self.file, self.line.get())
            .and_then(|()| sys::sync(self.file))
            .map_err(|_errno| Fault::NoSpace)?;
        self.lines.push(self.line.get());
        Ok(())
    }
}
