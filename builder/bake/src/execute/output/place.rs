//! Owns the look at the place where an image shall be: whether it may be there, what in it is not of a
//! bake, and how it can be replaced. Must not change anything.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, StatxAttributes, StatxFlags, access, statx};

use super::OutputError;
use super::state::{OutputState, STATE, STATE_UNFINISHED};
use crate::boot_test;

/// The lock and the unfinished output, where they have to be inside the directory.
const LOCK_INSIDE: &str = ".vmimage.lock";
const UNFINISHED_INSIDE: &str = ".vmimage-unfinished-";

/// The directories of a cache; vmimage removes what it does not know in some of them.
const CACHE_FOLDERS: [&str; 5] = ["apt", "debs", "indexes", "last", "layers"];

/// What an image shall not be mixed up with.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Packages and layers.
    pub cache: &'a Path,
    /// The folder with `images/` and `recipes/`.
    pub project: &'a Path,
}

/// Where an image shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The output directory, without links.
    pub(super) directory: PathBuf,
    /// How the new output gets there.
    pub(super) way: Way,
}

/// How a new output gets into its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The directory changes places with a new one beside it.
    Exchange,
    /// The directory itself has to stay (others have it mounted, stand in it, or nothing can be made
    /// beside it), so its files are replaced one by one.
    Inside,
}

impl Place {
    /// Looks at the place and refuses those in which no image can be.
    pub(super) fn find(out: &Path, around: Surroundings<'_>) -> Result<Self, OutputError> {
        let unsuitable = |what: String| OutputError::Unsuitable {
            path: out.display().to_string(),
            what,
        };
        // Without a slash at its end, which would follow a link.
        let out: PathBuf = out.components().collect();
        let exists = match fs::metadata(&out) {
            Ok(metadata) if metadata.is_dir() => true,
            Ok(_) => return Err(unsuitable("it is not a directory".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(OutputError::file("look at", &out)(error)),
        };
        if !exists && fs::symlink_metadata(&out).is_ok() {
            let target = fs::read_link(&out).map_err(OutputError::file("read", &out))?;
            let target = target.display();
            return Err(unsuitable(format!(
                "it is a link to `{target}`, where nothing is"
            )));
        }
        let directory = without_links(&out).map_err(OutputError::file("look at", &out))?;
        if directory.file_name().is_none() {
            return Err(unsuitable(
                "it is the root directory, or has no name".to_owned(),
            ));
        }
        if let Some(what) =
            is_amid(&directory, around).map_err(OutputError::file("look at", &out))?
        {
            return Err(unsuitable(what));
        }
        let way = if exists {
            choose_way(&directory)
        } else {
            Way::Exchange
        };
        Ok(Self { directory, way })
    }

    /// Where the lock and the unfinished output are, and what their names begin with.
    pub(super) fn lock(&self) -> PathBuf {
        match self.way {
            Way::Exchange => self.beside("lock"),
            Way::Inside => self.lock_inside(),
        }
    }

    /// The lock of a bake that sees this place as one that cannot be exchanged.
    pub(super) fn lock_inside(&self) -> PathBuf {
        self.directory.join(LOCK_INSIDE)
    }

    /// The directory of the unfinished output, and what its name begins with.
    pub(super) fn unfinished(&self) -> (PathBuf, String) {
        match self.way {
            Way::Exchange => {
                let path = self.beside("unfinished-");
                let name = path.file_name().unwrap_or_default();
                let name = name.to_string_lossy().into_owned();
                (parent(&self.directory).to_owned(), name)
            }
            Way::Inside => (self.directory.clone(), UNFINISHED_INSIDE.to_owned()),
        }
    }

    fn beside(&self, what: &str) -> PathBuf {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.directory.file_name().unwrap_or_default());
        name.push(".");
        name.push(what);
        self.directory.with_file_name(name)
    }

    /// What dead bakes left: unfinished outputs.
    pub(super) fn leftovers(&self) -> io::Result<Vec<PathBuf>> {
        let (beside, prefix) = self.unfinished();
        let mut found = Vec::new();
        let places = [
            (beside, prefix),
            (self.directory.clone(), UNFINISHED_INSIDE.to_owned()),
        ];
        for (directory, prefix) in places {
            let entries = match fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name();
                let random = name.to_str().and_then(|name| name.strip_prefix(&prefix));
                if random.is_some_and(is_random) && entry.file_type()?.is_dir() {
                    found.push(entry.path());
                }
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The files that a bake wrote into the directory. Refuses a directory in which there is anything
    /// else: a bake replaces only what a bake wrote.
    pub(super) fn own_files(&self) -> Result<BTreeSet<String>, OutputError> {
        let directory = &self.directory;
        let path = || directory.display().to_string();
        let state = OutputState::read(directory).map_err(|source| OutputError::NoRecord {
            path: path(),
            record: STATE,
            source,
        })?;
        let names = state.map(|state| state.names()).unwrap_or_default();
        let mut foreign = Vec::new();
        let read = || OutputError::file("read", directory);
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
            Err(error) => return Err(read()(error)),
        };
        for entry in entries {
            let entry = entry.map_err(read())?;
            foreign.extend(self.foreign(&entry, &names).map_err(read())?);
        }
        if !foreign.is_empty() {
            foreign.sort();
            return Err(OutputError::Foreign {
                path: path(),
                names: foreign,
            });
        }
        if boot_test::is_running_in(&directory.join(boot_test::FOLDER)) {
            return Err(OutputError::BootTest { path: path() });
        }
        Ok(names)
    }

    /// What of an entry is not of a bake or a boot test.
    fn foreign(&self, entry: &DirEntry, names: &BTreeSet<String>) -> io::Result<Vec<String>> {
        let kind = entry.file_type()?;
        let lossy = entry.file_name().to_string_lossy().into_owned();
        let whole = |name: &str| {
            vec![if kind.is_dir() {
                format!("{name}/")
            } else {
                name.to_owned()
            }]
        };
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Ok(whole(&lossy));
        };
        if is_mount_point(&entry.path()) {
            return Ok(whole(name));
        }
        let is_unfinished = name.strip_prefix(UNFINISHED_INSIDE).is_some_and(is_random);
        // A file system that is mounted here has this by itself; it is never touched.
        let is_lost_and_found = name == "lost+found" && self.way == Way::Inside;
        if kind.is_dir() {
            return if name == boot_test::FOLDER {
                boot_test::foreign_files(&entry.path())
            } else if is_unfinished || is_lost_and_found {
                Ok(Vec::new())
            } else {
                Ok(whole(name))
            };
        }
        let is_own = names.contains(name) || [STATE, STATE_UNFINISHED, LOCK_INSIDE].contains(&name);
        Ok(if is_own { Vec::new() } else { whole(name) })
    }
}

/// As [`tempfile`] makes them.
fn is_random(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn choose_way(directory: &Path) -> Way {
    let is_current = std::env::current_dir().is_ok_and(|current| current == directory);
    let is_open_above = access(parent(directory), Access::WRITE_OK | Access::EXEC_OK).is_ok();
    if is_current || is_mount_point(directory) || !is_open_above {
        Way::Inside
    } else {
        Way::Exchange
    }
}

/// A kernel older than 5.8 does not say; there renaming fails, and that is noticed too.
fn is_mount_point(path: &Path) -> bool {
    statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE)
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// The path without links; what of it does not exist stays as it is.
fn without_links(path: &Path) -> io::Result<PathBuf> {
    let mut missing = Vec::new();
    let mut there = path;
    loop {
        match there.canonicalize() {
            Ok(found) => {
                return Ok(missing
                    .iter()
                    .rev()
                    .fold(found, |path, name| path.join(name)));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (Some(name), Some(above)) = (there.file_name(), there.parent()) else {
                    return Err(error);
                };
                missing.push(name.to_owned());
                there = above;
            }
            Err(error) => return Err(error),
        }
    }
}

/// What is wrong with a directory amid the cache's or the project's own files.
fn is_amid(directory: &Path, around: Surroundings<'_>) -> io::Result<Option<String>> {
    let cache = without_links(around.cache)?;
    let project = without_links(around.project)?;
    if cache.starts_with(directory) {
        return Ok(Some(format!("the cache `{}` is in it", cache.display())));
    }
    let reserved = CACHE_FOLDERS
        .map(|folder| (&cache, folder, "the cache's"))
        .into_iter()
        .chain(["images", "recipes"].map(|folder| (&project, folder, "the project's")));
    for (root, folder, whose) in reserved {
        let reserved = without_links(&root.join(folder))?;
        if directory.starts_with(&reserved) {
            return Ok(Some(format!("it is in {whose} own `{folder}`")));
        }
    }
    Ok(None)
}
