//! Owns the output directory: whether an image may be put there, and putting a new one in the place of
//! the old one. Must not know what an image is made of.
//!
//! One rule says what may be replaced: what a bake wrote, which is what the record in the directory
//! names, and the console logs of boot tests. Anything else in the directory makes a bake refuse before
//! it begins; what appears there while it works makes it refuse at its end, and stays.
//!
//! A new output is made in a directory of its own beside the output directory, under a lock, and the two
//! change places at once. Where they cannot (a mount point, the current directory, a file system that
//! has no such call, a directory beside which nothing can be made) its files are replaced one by one:
//! the manifest goes first and comes last, so a disk never lies beside the manifest of another.

mod error;
mod lock;
mod made;
mod place;
mod state;

pub use error::OutputError;
pub(super) use made::MadeDirectories;
pub use place::Surroundings;
pub use state::{OutputState, observe_output};

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::TempDir;
use vmimage_plan::bake::Format;

use crate::boot_test;
use crate::manifest;
use lock::OutputLock;
use place::{Place, Way, parent};
use state::{STATE, STATE_UNFINISHED};

/// An output that is being made. Dropping it removes what there is of it.
#[derive(Debug)]
pub(super) struct Output {
    // Dropped in this order: nothing of the output may be left when the lock goes.
    unfinished: Option<TempDir>,
    _locks: Vec<OutputLock>,
    made: Option<MadeDirectories>,
    place: Place,
}

/// Something that stays behind and could not be removed.
#[derive(Debug)]
pub struct LeftOver {
    /// What.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Refuses, before anything is done, a place in which no image can be, or that is not all of a bake.
pub(super) fn check_output(out: &Path, around: Surroundings<'_>) -> Result<(), OutputError> {
    Place::find(out, around)?.own_files().map(drop)
}

impl Output {
    /// Locks the place and makes a directory in which the new output is made.
    pub(super) fn begin(
        out: &Path,
        around: Surroundings<'_>,
        holder: &str,
    ) -> Result<Self, OutputError> {
        let place = Place::find(out, around)?;
        let above = parent(&place.directory);
        let made = MadeDirectories::make(above).map_err(OutputError::file("make", above))?;
        let mut locks = vec![OutputLock::take(&place.lock(), &place.directory, holder)?];
        // Somebody for whom the directory is a mount point, as in a container, locks it inside.
        let inside = place.lock_inside();
        if place.way == Way::Exchange && inside.symlink_metadata().is_ok() {
            locks.push(OutputLock::take(&inside, &place.directory, holder)?);
        }
        place.own_files()?;
        for path in place
            .leftovers()
            .map_err(OutputError::file("read", above))?
        {
            fs::remove_dir_all(&path).map_err(OutputError::file("remove", &path))?;
        }
        let unfinished = make_unfinished(&place)?;
        Ok(Self {
            unfinished: Some(unfinished),
            _locks: locks,
            made: Some(made),
            place,
        })
    }

    /// The directory in which the new output is made.
    pub(super) fn path(&self) -> &Path {
        self.unfinished
            .as_ref()
            .map_or(&self.place.directory, TempDir::path)
    }

    /// Puts the finished output in its place. What is left over of the old one is no failure.
    pub(super) fn commit(
        &mut self,
        fingerprint: &str,
        formats: &BTreeSet<Format>,
    ) -> Result<Option<LeftOver>, OutputError> {
        let Some(unfinished) = self.unfinished.take() else {
            return Ok(None);
        };
        let image = (fingerprint, formats);
        let committed = self.replace(unfinished, image);
        if let (Ok(_), Some(made)) = (&committed, self.made.take()) {
            made.keep();
        }
        committed
    }

    fn replace(
        &self,
        unfinished: TempDir,
        image: (&str, &BTreeSet<Format>),
    ) -> Result<Option<LeftOver>, OutputError> {
        let directory = &self.place.directory;
        let new = read_names(unfinished.path())?;
        // Somebody may have put something there meanwhile.
        let old = self.place.own_files()?;
        if self.place.way == Way::Exchange {
            OutputState::of(unfinished.path(), image, &new)
                .and_then(|state| state.write(unfinished.path()))
                .map_err(OutputError::file("write", unfinished.path()))?;
            match exchange(unfinished.path(), directory) {
                Ok(()) => return Ok(self.put_away(&unfinished.keep(), &old)),
                Err(errno) if is_no_exchange(errno) => {}
                Err(errno) => return Err(OutputError::file("replace", directory)(errno.into())),
            }
        }
        replace_inside(unfinished.path(), directory, (&old, &new))
            .and_then(|()| OutputState::of(directory, image, &new)?.write(directory))
            .map_err(|source| OutputError::Partly {
                path: directory.display().to_string(),
                source,
            })?;
        Ok(left_over(unfinished))
    }

    /// Removes the old output, which is now at `path`. What somebody put into it at the last moment
    /// goes where it was put.
    fn put_away(&self, path: &Path, old: &BTreeSet<String>) -> Option<LeftOver> {
        let remove = || -> io::Result<()> {
            if !path.exists() {
                return Ok(());
            }
            remove_files(path, old)?;
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let target = self.place.directory.join(entry.file_name());
                renameat_with(CWD, entry.path(), CWD, target, RenameFlags::NOREPLACE)?;
            }
            fs::remove_dir(path)
        };
        remove().err().map(|source| LeftOver {
            path: path.to_owned(),
            source,
        })
    }

    /// Gives the output up. Says what could not be removed.
    pub(super) fn abandon(mut self) -> Option<LeftOver> {
        self.unfinished.take().and_then(left_over)
    }
}

fn left_over(unfinished: TempDir) -> Option<LeftOver> {
    let path = unfinished.path().to_owned();
    unfinished
        .close()
        .err()
        .map(|source| LeftOver { path, source })
}

/// Removes what a bake that was killed left of its output, once it is dead.
pub fn remove_unfinished(out: &Path, around: Surroundings<'_>, holder: &str) -> io::Result<()> {
    // A place that is refused is one in which no bake has begun.
    let Ok(place) = Place::find(out, around) else {
        return Ok(());
    };
    let lock = place.lock();
    if lock.symlink_metadata().is_err() {
        return Ok(());
    }
    let _lock = OutputLock::wait(&lock, holder)?;
    for path in place.leftovers()? {
        fs::remove_dir_all(path)?;
    }
    Ok(())
}

/// The new directory has the mode and owner of the one whose place it takes.
fn make_unfinished(place: &Place) -> Result<TempDir, OutputError> {
    let (beside, prefix) = place.unfinished();
    let unfinished = tempfile::Builder::new()
        .prefix(&prefix)
        .permissions(Permissions::from_mode(0o777))
        .tempdir_in(&beside)
        .map_err(OutputError::file("make a directory in", &beside))?;
    if let Ok(old) = fs::metadata(&place.directory) {
        // Who may not give things away keeps them.
        drop(std::os::unix::fs::chown(
            unfinished.path(),
            Some(old.uid()),
            Some(old.gid()),
        ));
        fs::set_permissions(unfinished.path(), old.permissions())
            .map_err(OutputError::file("make", unfinished.path()))?;
    }
    Ok(unfinished)
}

fn read_names(directory: &Path) -> Result<BTreeSet<String>, OutputError> {
    fs::read_dir(directory)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        })
        .map_err(OutputError::file("read", directory))
}

fn exchange(unfinished: &Path, directory: &Path) -> Result<(), Errno> {
    let flags = if directory.symlink_metadata().is_ok() {
        RenameFlags::EXCHANGE
    } else {
        RenameFlags::NOREPLACE
    };
    renameat_with(CWD, unfinished, CWD, directory, flags)
}

/// Whether the file system cannot do it at all: a mount point of another namespace's, one without the
/// call, a directory of an overlay's lower layer.
fn is_no_exchange(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::BUSY | Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP
    )
}

/// Replaces the files of `directory` one by one. Stopped anywhere, it can be done again: until the end
/// the record names the old files and the new ones.
fn replace_inside(
    unfinished: &Path,
    directory: &Path,
    (old, new): (&BTreeSet<String>, &BTreeSet<String>),
) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    OutputState::in_between(&(old | new)).write(directory)?;
    remove_file(&directory.join(manifest::FILE_NAME))?;
    let is_manifest = |name: &&String| *name == manifest::FILE_NAME;
    for name in old.difference(new) {
        remove_file(&directory.join(name))?;
    }
    boot_test::remove_folder(&directory.join(boot_test::FOLDER))?;
    let others = new.iter().filter(|name| !is_manifest(name));
    for name in others.chain(new.iter().filter(is_manifest)) {
        fs::rename(unfinished.join(name), directory.join(name))?;
    }
    Ok(())
}

/// Removes what bakes and boot tests wrote into `directory`.
fn remove_files(directory: &Path, names: &BTreeSet<String>) -> io::Result<()> {
    for name in names
        .iter()
        .map(String::as_str)
        .chain([STATE, STATE_UNFINISHED])
    {
        remove_file(&directory.join(name))?;
    }
    boot_test::remove_folder(&directory.join(boot_test::FOLDER))
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
