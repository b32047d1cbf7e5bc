//! Owns fitting unpacked files onto the layers below, before they are mounted together.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::error::InstallError;
use super::extract::{Extracted, file_error};
use super::namespace::Attributes;
use super::unpack::set_directory;

/// Makes directories of `files` that are also in a layer below (`below`, topmost first) look as they
/// do there: dpkg never changes an existing directory. To be called when the layers below are
/// finished and before this one is mounted.
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
    Ok(())
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
