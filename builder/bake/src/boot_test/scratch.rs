//! Owns the temporary folder of a boot test. It goes when its owner does: at the end, or, after a
//! `kill -9`, when the next boot test starts. Must not touch other folders.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::error::BootTestError;

const PREFIX: &str = "vmimage-boot-test.";
const LOCK: &str = "lock";

/// A folder that is removed when dropped. The lock says that its owner lives.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
    _lock: File,
}

impl Scratch {
    pub(crate) fn new(parent: &Path) -> Result<Self, BootTestError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| BootTestError::Scratch { path, source }
        };
        fs::create_dir_all(parent).map_err(fail(parent))?;
        remove_abandoned(parent).map_err(fail(parent))?;
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(parent)
            .map_err(fail(parent))?;
        let path = folder.path().join(LOCK);
        let lock = File::create_new(&path).map_err(fail(&path))?;
        lock.lock().map_err(fail(&path))?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders whose owners were killed.
fn remove_abandoned(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let ours = is_scratch(&entry.file_name().to_string_lossy());
        if ours && entry.file_type()?.is_dir() && is_abandoned(&entry.path()) {
            // Another boot test may be removing it too, and another user's is not ours to remove.
            let _gone_or_not_ours = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Whether a folder's name is that of a boot test's temporary folder.
pub(super) fn is_scratch(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// A folder without a lock file is one that is being made.
fn is_abandoned(folder: &Path) -> bool {
    let Ok(lock) = File::open(folder.join(LOCK)) else {
        return false;
    };
    match lock.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

/// Whether a boot test is at work in the folder.
pub(super) fn is_held(folder: &Path) -> bool {
    File::open(folder.join(LOCK))
        .is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::Scratch;

    #[test]
    fn a_folder_lives_as_long_as_its_owner_and_abandoned_ones_go() {
        let parent = tempfile::tempdir().unwrap();
        let abandoned = parent.path().join("vmimage-boot-test.killed");
        fs::create_dir(&abandoned).unwrap();
        File::create(abandoned.join("lock")).unwrap();
        File::create(abandoned.join("overlay.qcow2")).unwrap();
        let other = parent.path().join("somebody");
        fs::create_dir(&other).unwrap();

        let first = Scratch::new(parent.path()).unwrap();
        assert!(!abandoned.exists());
        let second = Scratch::new(parent.path()).unwrap();
        let (first_path, second_path) = (first.path().to_owned(), second.path().to_owned());
        assert!(first_path.is_dir() && second_path.is_dir() && other.is_dir());
        drop(first);
        assert!(!first_path.exists());
        drop(second);
        assert!(!second_path.exists());
    }
}
