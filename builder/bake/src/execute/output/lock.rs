//! Owns the lock of an output directory: a file that says who is at work, held by the kernel for as
//! long as its owner lives. It goes with its owner; one that stays behind a `kill -9` locks nothing.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

use super::OutputError;
use super::place::parent;

/// How often a file that its owner removes just then is tried again.
const TRIES: usize = 100;

/// Longest text that is read of whoever holds a lock.
const LONGEST_HOLDER: u64 = 200;

/// A held lock; dropping it removes its file.
#[derive(Debug)]
pub(super) struct OutputLock {
    path: PathBuf,
    _file: File,
}

impl OutputLock {
    /// Takes the lock of `directory` in the file at `path`. `holder` is for whoever finds it taken.
    pub(super) fn take(path: &Path, directory: &Path, holder: &str) -> Result<Self, OutputError> {
        let operation = FlockOperation::NonBlockingLockExclusive;
        Self::hold(path, operation, holder).map_err(|error| match error {
            Errno::WOULDBLOCK => OutputError::InUse {
                path: directory.display().to_string(),
                holder: read_holder(path),
            },
            Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::NOSPC | Errno::NOENT => {
                OutputError::file("make a file in", parent(path))(error.into())
            }
            errno => OutputError::file("lock", path)(errno.into()),
        })
    }

    /// As [`Self::take`], and waits until whoever has it is gone.
    pub(super) fn wait(path: &Path, holder: &str) -> io::Result<Self> {
        Ok(Self::hold(path, FlockOperation::LockExclusive, holder)?)
    }

    fn hold(path: &Path, operation: FlockOperation, holder: &str) -> Result<Self, Errno> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..TRIES {
            let file = File::from(openat(CWD, path, flags, Mode::from_raw_mode(0o644))?);
            flock(&file, operation)?;
            if !is_at(&file, path) {
                // Its owner removed it between the two calls above.
                continue;
            }
            // Without the text others are only told less.
            drop(write_holder(&file, holder));
            return Ok(Self {
                path: path.to_owned(),
                _file: file,
            });
        }
        Err(Errno::WOULDBLOCK)
    }
}

impl Drop for OutputLock {
    fn drop(&mut self) {
        // While it is held: whoever opened the same file sees that it is gone, and makes a new one.
        drop(fs::remove_file(&self.path));
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |there: fs::Metadata| {
        file.metadata()
            .is_ok_and(|own| (own.dev(), own.ino()) == (there.dev(), there.ino()))
    };
    fs::symlink_metadata(path).is_ok_and(same)
}

fn write_holder(mut file: &File, holder: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{holder}")
}

fn read_holder(path: &Path) -> String {
    let mut holder = String::new();
    let read =
        File::open(path).and_then(|file| file.take(LONGEST_HOLDER).read_to_string(&mut holder));
    match (read, holder.trim()) {
        (Ok(_), holder) if !holder.is_empty() => holder.to_owned(),
        _ => "it has not said which".to_owned(),
    }
}
