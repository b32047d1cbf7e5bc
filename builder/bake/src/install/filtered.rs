//! Owns taking what dpkg's path filters leave out away from unpacked files. Must not read any
//! configuration.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;

use super::below::Below;
use super::directories::remove_unneeded_directories;
use super::error::InstallError;
use super::extract::{Extracted, Unpacked, file_error};
use super::filter::Filters;
use super::shipped::{Shipped, ShippedKind};
use super::unpack::{remove_file, split};

/// Removes what the filters leave out. dpkg's records keep all paths that the packages ship. Fails
/// where dpkg would: what stays may need what is left out.
pub(super) fn leave_out(
    extracted: &mut Extracted,
    filters: &Filters,
    below: &Below<'_>,
) -> Result<(), InstallError> {
    if filters.is_empty() {
        return Ok(());
    }
    let files = extracted.files.clone();
    let root = File::open(&files).map_err(|source| file_error("open", &files, source))?;
    let before = extracted.directories.clone();
    let mut left_out = BTreeSet::new();
    for package in &mut extracted.packages {
        let digests = &mut package.md5sums;
        for shipped in &mut package.shipped {
            if !shipped.is_left_out(filters) {
                continue;
            }
            if let Some(digests) = digests {
                digests.retain(|known| !shipped.is_of(&known.path));
            }
            let Some(place) = shipped.place.take() else {
                continue;
            };
            if shipped.is_directory() {
                left_out.insert(place);
                continue;
            }
            let removed = remove_file(&root, &place);
            removed.map_err(|source| {
                file_error("remove", &files.join(OsStr::from_bytes(&place)), source)
            })?;
        }
    }
    // Who was to have such a path and was unpacked first has it still on record.
    for mut replaced in std::mem::take(&mut extracted.replaced) {
        if replaced.loser < replaced.winner && replaced.shipped.is_left_out(filters) {
            replaced.shipped.place = None;
            if let Some(package) = extracted.packages.get_mut(replaced.loser) {
                let path = replaced.shipped.path.get(1..).unwrap_or_default().to_vec();
                package.take_back(replaced);
                package.forget_digest(&path);
            }
        } else {
            extracted.replaced.push(replaced);
        }
    }
    extracted.note_shipped_directories();
    left_out.retain(|place| !extracted.directories.contains(place));
    for package in &extracted.packages {
        check(package, filters, &left_out, below)?;
    }
    remove_unneeded_directories(extracted, &before, &root)
}

/// What stays must have its directory and, if it is another name of a file, that file.
fn check(
    package: &Unpacked,
    filters: &Filters,
    left_out: &BTreeSet<Vec<u8>>,
    below: &Below<'_>,
) -> Result<(), InstallError> {
    let fault = |shipped: &Shipped, missing: &[u8]| InstallError::Filtered {
        package: package.locked.name.clone(),
        path: shipped.shown(),
        missing: String::from_utf8_lossy(missing).into_owned(),
    };
    for shipped in package.shipped.iter().filter(|s| s.place.is_some()) {
        if let ShippedKind::Hardlink(existing) = &shipped.kind
            && filters.leaves_out(existing, false)
        {
            return Err(fault(shipped, existing));
        }
        let Some(parent) = shipped.parent().filter(|parent| left_out.contains(*parent)) else {
            continue;
        };
        let is_there = below
            .look(parent)?
            .is_some_and(|found| found.metadata.is_dir());
        if !is_there {
            let (missing, _) = split(&shipped.path);
            return Err(fault(shipped, missing));
        }
    }
    Ok(())
}
