//! Owns looking at finished layers, below the one that is being made, as if they were mounted. Must
//! not change them.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::lgetxattr;

use super::error::InstallError;
use super::extract::file_error;

/// How many symbolic links a path may lead through, as in the kernel.
const LINK_LIMIT: usize = 40;

/// How a layer says that a directory of it hides what the layers below have there.
const OPAQUE: [&str; 2] = ["trusted.overlay.opaque", "user.overlay.opaque"];

/// The layers, topmost first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Below<'a>(pub(super) &'a [&'a Path]);

/// What is at a path: the file that is seen, and for a directory all that it is merged of.
pub(super) struct Found {
    pub(super) metadata: Metadata,
    /// Topmost first.
    places: Vec<PathBuf>,
}

impl Found {
    fn top(&self) -> &Path {
        self.places.first().map_or(Path::new(""), PathBuf::as_path)
    }
}

impl Below<'_> {
    /// What the layers show at a relative path, not following any link.
    pub(super) fn look(&self, path: &[u8]) -> Result<Option<Found>, InstallError> {
        let mut layers: Vec<PathBuf> = self.0.iter().map(|layer| (*layer).to_owned()).collect();
        let mut found = None;
        for part in path
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
        {
            let Some(next) = look_in(&layers, OsStr::from_bytes(part))? else {
                return Ok(None);
            };
            layers = if next.metadata.is_dir() {
                next.places.clone()
            } else {
                Vec::new()
            };
            found = Some(next);
        }
        Ok(found)
    }

    /// The content of the file at an absolute path, following links; `None` where there is none.
    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, InstallError> {
        match self.follow(path.as_bytes())? {
            Some(found) if found.metadata.is_file() => {
                let place = found.top();
                let read = fs::read(place);
                read.map(Some)
                    .map_err(|source| file_error("read", place, source))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The names in the directory at an absolute path, in order.
    pub(super) fn names(&self, path: &str) -> Result<BTreeSet<OsString>, InstallError> {
        let mut names = BTreeSet::new();
        let Some(found) = self.follow(path.as_bytes())? else {
            return Ok(names);
        };
        if found.metadata.is_dir() {
            for place in &found.places {
                let failed = |source| file_error("read", place, source);
                for entry in fs::read_dir(place).map_err(failed)? {
                    names.insert(entry.map_err(failed)?.file_name());
                }
            }
        }
        Ok(names)
    }

    fn follow(&self, path: &[u8]) -> Result<Option<Found>, InstallError> {
        let mut pending: Vec<Vec<u8>> = parts(path);
        let mut resolved: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        let mut found = None;
        while let Some(part) = pending.pop() {
            if part == b".." {
                resolved.pop();
                continue;
            }
            resolved.push(part);
            let Some(next) = self.look(&resolved.join(&b'/'))? else {
                return Ok(None);
            };
            if next.metadata.is_symlink() {
                links += 1;
                if links > LINK_LIMIT {
                    return Ok(None);
                }
                let place = next.top();
                let target =
                    fs::read_link(place).map_err(|source| file_error("read", place, source))?;
                let target = target.as_os_str().as_bytes();
                resolved.pop();
                if target.starts_with(b"/") {
                    resolved.clear();
                }
                pending.extend(parts(target));
            }
            found = Some(next);
        }
        Ok(found)
    }
}

/// The parts of a path, the last one first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(<[u8]>::to_vec)
        .rev()
        .collect()
}

fn look_in(layers: &[PathBuf], name: &OsStr) -> Result<Option<Found>, InstallError> {
    let mut found: Option<Found> = None;
    for layer in layers {
        let place = layer.join(name);
        let metadata = match fs::symlink_metadata(&place) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(file_error("look at", &place, source)),
        };
        let is_whiteout = metadata.file_type().is_char_device() && metadata.rdev() == 0;
        if is_whiteout {
            break;
        }
        let is_last = !metadata.is_dir() || is_opaque(&place);
        match &mut found {
            Some(_) if !metadata.is_dir() => break,
            Some(found) => found.places.push(place),
            None => {
                let places = vec![place];
                found = Some(Found { metadata, places });
            }
        }
        if is_last {
            break;
        }
    }
    Ok(found)
}

fn is_opaque(directory: &Path) -> bool {
    let mut value = [0_u8; 1];
    OPAQUE
        .iter()
        .any(|name| lgetxattr(directory, *name, &mut value[..]) == Ok(1) && value == *b"y")
}

#[cfg(test)]
mod tests {
    use super::Below;
    use std::ffi::OsString;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    #[test]
    fn layers_are_seen_as_if_they_were_mounted() {
        let folder = tempfile::tempdir().unwrap();
        let [upper, lower] = ["upper", "lower"].map(|name| folder.path().join(name));
        for (path, text) in [
            (lower.join("etc/a.d/1"), "one"),
            (upper.join("etc/a.d/2"), "two"),
            (lower.join("srv/hidden/x"), "hidden"),
            (upper.join("opt/data/y"), "y"),
        ] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        // An absolute link leads to the layers' own path and not to the machine's.
        fs::create_dir_all(upper.join("srv")).unwrap();
        symlink("/opt/data", upper.join("srv/hidden")).unwrap();
        let layers: [&Path; 2] = [&upper, &lower];
        let below = Below(&layers);
        let names: Vec<OsString> = below.names("/etc/a.d").unwrap().into_iter().collect();
        assert_eq!(names, ["1", "2"]);
        assert_eq!(below.read("/etc/a.d/1").unwrap().unwrap(), b"one");
        assert_eq!(below.read("/srv/hidden/y").unwrap().unwrap(), b"y");
        assert_eq!(below.read("/srv/hidden/x").unwrap(), None);
        assert!(below.look(b"srv/hidden/x").unwrap().is_none());
        assert!(
            below
                .look(b"srv/hidden")
                .unwrap()
                .unwrap()
                .metadata
                .is_symlink()
        );
    }
}
