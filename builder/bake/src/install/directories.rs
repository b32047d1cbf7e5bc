//! Owns what is done to a layer's directories when all its packages are unpacked.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Mode, mkdirat, symlinkat};
use rustix::io::Errno;

use super::error::InstallError;
use super::extract::{Extracted, file_error};
use super::namespace::{Namespace, PLAIN};
use super::shipped::ShippedKind;
use super::unpack::{remove_empty_directory, set_directory};

/// Directories get their attributes last: before that, which package decides was not known.
pub(super) fn finish_directories(
    extracted: &Extracted,
    namespace: &Namespace,
    root: &File,
) -> io::Result<()> {
    for path in &extracted.directories {
        let attributes = namespace.attributes(path).unwrap_or(PLAIN);
        if attributes != PLAIN {
            set_directory(root.as_fd(), path, attributes)?;
        }
    }
    Ok(())
}

/// Gives each directory what the first package has for it, of those that are left.
pub(super) fn set_by_first(extracted: &Extracted, root: &File) -> io::Result<()> {
    let mut seen = HashSet::new();
    for shipped in extracted
        .packages
        .iter()
        .flat_map(|package| &package.shipped)
    {
        if let (ShippedKind::Directory(attributes), Some(place)) = (&shipped.kind, &shipped.place)
            && seen.insert(place)
        {
            set_directory(root.as_fd(), place, *attributes)?;
        }
    }
    Ok(())
}

/// Notes which directories are needed, and removes those of `before` that are not and are empty.
pub(super) fn remove_unneeded_directories(
    extracted: &mut Extracted,
    before: &BTreeSet<Vec<u8>>,
    root: &File,
) -> Result<(), InstallError> {
    extracted.note_directories();
    let needed = &extracted.directories;
    // What is in a directory comes before it.
    for directory in before.iter().rev().filter(|path| !needed.contains(*path)) {
        remove_empty_directory(root, directory).map_err(|source| {
            let path = extracted.files.join(OsStr::from_bytes(directory));
            file_error("remove", &path, source)
        })?;
    }
    Ok(())
}

/// debootstrap makes these links where `base-files` does not ship them yet.
pub(super) fn make_aliases(
    namespace: &Namespace,
    architecture: &str,
    root: &File,
) -> io::Result<()> {
    let mut aliases: Vec<&str> = namespace.missing_aliases().collect();
    if aliases.contains(&"bin") {
        if architecture == "amd64" {
            aliases.extend(["lib32", "libx32"]);
        } else {
            aliases.retain(|alias| *alias != "lib64");
        }
        make_directory(root, "usr")?;
        for alias in aliases {
            let target = format!("usr/{alias}");
            make_directory(root, &target)?;
            symlinkat(&target, root, alias)?;
        }
    }
    Ok(())
}

fn make_directory(root: &File, path: &str) -> io::Result<()> {
    match mkdirat(root, path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
