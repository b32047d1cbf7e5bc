//! Owns fitting unpacked files onto the layers below, before they are mounted together.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::below::Below;
use super::config;
use super::diversions::{Diversion, Override, id};
use super::error::InstallError;
use super::extract::{Extracted, file_error};
use super::filter::Filters;
use super::filtered;
use super::handover::hand_over;
use super::looked_for::looked_for;
use super::namespace::Attributes;
use super::shipped::{Shipped, ShippedKind};
use super::unpack::set_directory;

/// A file that a recipe writes before its packages are configured.
#[derive(Clone, Copy, Debug)]
pub struct FileBefore<'a> {
    /// Its absolute path.
    pub path: &'a str,
    /// Its content.
    pub content: &'a [u8],
}

/// Makes `files` what dpkg would have made on the layers below (`below`, topmost first) and the
/// recipe's own files before its packages: it obeys the path filters, diversions and overrides there,
/// never changes a directory that exists, and leaves to dpkg what depends on more. To be called when
/// those layers are finished and before this one is mounted.
pub fn reconcile(
    extracted: &mut Extracted,
    below: &[&Path],
    before: &[FileBefore<'_>],
) -> Result<(), InstallError> {
    let below = Below(below);
    let filters = filters(&below, before)?;
    filtered::leave_out(extracted, &filters, &below)?;
    let mut left = depending_on_below(extracted, &below)?;
    for index in looked_for(extracted, &below)? {
        if let Some(package) = extracted.packages.get_mut(index) {
            package.is_looked_for = true;
        }
        left.insert(index);
    }
    hand_over(extracted, &left)?;
    let files = &extracted.files;
    let root = File::open(files).map_err(|source| file_error("open", files, source))?;
    for path in &extracted.directories {
        let Some(known) = below.look(path)?.map(|found| found.metadata) else {
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
    divert(extracted, &text(&below, "/var/lib/dpkg/diversions")?)?;
    obey_overrides(&root, files, &below)
}

/// The path filters of dpkg's configuration, as dpkg would read it.
fn filters(below: &Below<'_>, before: &[FileBefore<'_>]) -> Result<Filters, InstallError> {
    let mut names = below.names(config::DIRECTORY)?;
    let prefix = format!("{}/", config::DIRECTORY);
    names.extend(before.iter().filter_map(|file| {
        let name = file.path.strip_prefix(&prefix)?;
        (!name.contains('/')).then(|| name.into())
    }));
    let paths = names
        .iter()
        .filter_map(|name| name.to_str().filter(|name| config::is_read(name)))
        .map(|name| format!("{prefix}{name}"))
        .chain(config::FILES.map(str::to_owned));
    let mut filters = Filters::default();
    for path in paths {
        let content = match before.iter().find(|file| file.path == path) {
            Some(file) => Some(file.content.to_vec()),
            None => below.read(&path)?,
        };
        config::read(&path, &content.unwrap_or_default(), &mut filters)?;
    }
    Ok(filters)
}

/// The packages whose unpacking the layers below decide in a way that only dpkg does right: names of
/// owners that have other numbers there, and directories of theirs that are something else there.
fn depending_on_below(
    extracted: &Extracted,
    below: &Below<'_>,
) -> Result<BTreeSet<usize>, InstallError> {
    let mut left = BTreeSet::new();
    if extracted.first {
        return Ok(left);
    }
    let [passwd, group] =
        [below.read("/etc/passwd")?, below.read("/etc/group")?].map(Option::unwrap_or_default);
    let mut occupied = BTreeSet::new();
    for path in &extracted.directories {
        if below
            .look(path)?
            .is_some_and(|found| !found.metadata.is_dir())
        {
            occupied.insert(path.as_slice());
        }
    }
    for (index, package) in extracted.packages.iter().enumerate() {
        let named = package
            .owners
            .iter()
            .any(|owner| owner.differs(&passwd, &group));
        if named || is_in_the_way(&package.shipped, &occupied, below)? {
            left.insert(index);
        }
    }
    Ok(left)
}

/// Whether a directory that the package ships, or that it has something in, is `occupied`, or a link
/// of it is a directory below.
fn is_in_the_way(
    shipped: &[Shipped],
    occupied: &BTreeSet<&[u8]>,
    below: &Below<'_>,
) -> Result<bool, InstallError> {
    for shipped in shipped {
        let Some(place) = shipped.place.as_deref() else {
            continue;
        };
        let through = |path: &&[u8]| place.strip_prefix(*path).is_some_and(is_end_of_part);
        if occupied.iter().any(through) {
            return Ok(true);
        }
        if shipped.kind == ShippedKind::Link
            && below
                .look(place)?
                .is_some_and(|found| found.metadata.is_dir())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_end_of_part(rest: &[u8]) -> bool {
    rest.is_empty() || rest.starts_with(b"/")
}

fn obey_overrides(root: &File, files: &Path, below: &Below<'_>) -> Result<(), InstallError> {
    let overrides = text(below, "/var/lib/dpkg/statoverride")?;
    let users = text(below, "/etc/passwd")?;
    let groups = text(below, "/etc/group")?;
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
            package.control.package() != diversion.package
                && package
                    .shipped
                    .iter()
                    .any(|shipped| shipped.path == absolute)
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
fn text(below: &Below<'_>, path: &str) -> Result<String, InstallError> {
    let bytes = below.read(path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
    )
}
