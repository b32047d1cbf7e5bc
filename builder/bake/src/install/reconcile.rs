//! Owns fitting unpacked files onto the layers below, before they are mounted together.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::diversions::{Diversion, Override, id};
use super::error::InstallError;
use super::extract::{Extracted, file_error};
use super::namespace::Attributes;
use super::records;
use super::unpack::set_directory;

/// Makes directories of `files` that are also in a layer below (`below`, topmost first) look as they
/// do there, since dpkg never changes an existing directory, and obeys the diversions and overrides
/// of the layers below. To be called when those are finished and before this one is mounted.
pub fn reconcile(extracted: &Extracted, below: &[&Path]) -> Result<(), InstallError> {
    let files = &extracted.files;
    let root = File::open(files).map_err(|source| file_error("open", files, source))?;
    for path in &extracted.directories {
        let Some(known) = lookup(below, path)? else {
            continue;
        };
        if !known.is_dir() {
            continue;
        }
        let attributes = Attributes {
            mode: known.mode() & 0o7777,
            uid: known.uid(),
            gid: known.gid(),
        };
        set_directory(root.as_fd(), path, attributes)
            .map_err(|source| file_error("set attributes in", files, source))?;
    }
    divert(extracted, &text(below, "var/lib/dpkg/diversions")?)?;
    let overrides = text(below, "var/lib/dpkg/statoverride")?;
    let users = text(below, "etc/passwd")?;
    let groups = text(below, "etc/group")?;
    for wanted in Override::parse_all(&overrides) {
        let ids = (id(&users, &wanted.user), id(&groups, &wanted.group));
        let (Some(uid), Some(gid)) = ids else {
            continue;
        };
        let attributes = Attributes {
            mode: wanted.mode,
            uid,
            gid,
        };
        match set_directory(root.as_fd(), wanted.path.as_bytes(), attributes) {
            Err(error) if !is_absent(&error) => {
                return Err(file_error("set attributes in", files, error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Moves files that a package of a layer below has diverted.
fn divert(extracted: &Extracted, diversions: &str) -> Result<(), InstallError> {
    for diversion in Diversion::parse_all(diversions) {
        let relative = diversion.relative().as_bytes();
        let absolute = [b"/", relative].concat();
        let moved = extracted.packages.iter().any(|package| {
            package.control.package() != diversion.package && package.paths.contains(&absolute)
        });
        let contested = extracted
            .undecided
            .iter()
            .any(|undecided| diversion.is_of(&undecided.contest.path));
        if !moved || contested {
            continue;
        }
        let from = extracted.files.join(OsStr::from_bytes(relative));
        let to = extracted
            .files
            .join(OsStr::from_bytes(&diversion.beside(relative)));
        match fs::rename(&from, &to) {
            Err(error) if !is_absent(&error) => return Err(file_error("divert", &from, error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// A text file of the layers below; empty where there is none.
fn text(below: &[&Path], path: &str) -> Result<String, InstallError> {
    for layer in below {
        let place = layer.join(path);
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_file() => return records::read(&place),
            Ok(_) => return Ok(String::new()),
            Err(error) if is_absent(&error) => {}
            Err(source) => return Err(file_error("look at", &place, source)),
        }
    }
    Ok(String::new())
}

/// What the layers show at a relative path.
fn lookup(below: &[&Path], path: &[u8]) -> Result<Option<Metadata>, InstallError> {
    for layer in below {
        let place = layer.join(OsStr::from_bytes(path));
        match fs::symlink_metadata(&place) {
            // A whiteout: removed in that layer.
            Ok(found) if found.file_type().is_char_device() && found.rdev() == 0 => {
                return Ok(None);
            }
            Ok(found) => return Ok(Some(found)),
            Err(error) if is_absent(&error) => {}
            Err(source) => return Err(file_error("look at", &place, source)),
        }
    }
    Ok(None)
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
    )
}
