//! Owns what a lab leaves when it is not ended properly, and what it needs of the machine before it
//! starts. Must not start anything.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Lab;
use crate::node::LabError;
use crate::node::cgroup::Group;
use crate::node::image;
use crate::node::place::{Place, images, labs};

/// The programs of the host that a lab needs, and Debian's packages with them.
const PROGRAMS: [(&str, &str); 8] = [
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
    ("umount", "mount"),
    ("tar", "tar"),
];

/// Where Debian has them.
const FOLDERS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

/// A lab that runs, or that left something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
}

impl Lab {
    /// The labs of a state root that run or left something, by name.
    pub fn traces(state_root: &Path) -> Vec<Trace> {
        let entries = fs::read_dir(labs(state_root)).into_iter().flatten();
        let mut found: Vec<Trace> = entries
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter_map(|name| {
                let place = Place::new(state_root, &name).ok()?;
                let running = matches!(lock(&place, &name), Err(LabError::Running { .. }));
                Some(Trace { name, running })
            })
            .collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }

    /// Removes unpacked images that no lab uses; gives where the others are and how many.
    pub fn remove_images(state_root: &Path, which: Images) -> Result<(PathBuf, usize), LabError> {
        let keep = match which {
            Images::Old => IMAGES_KEPT,
            Images::All => 0,
        };
        let images = images(state_root);
        let kept = image::prune(&images, keep)?;
        Ok((images, kept))
    }

    /// Removes everything that a lab left which was not ended properly. One that runs is refused.
    pub fn clean(state_root: &Path, name: &str) -> Result<(), LabError> {
        check_root()?;
        let place = Place::new(state_root, name)?;
        let group = Group::of_lab(name)?;
        let _held = lock(&place, name)?;
        sweep(&place, &group)
    }
}

/// How many unpacked images stay for the labs to come.
const IMAGES_KEPT: usize = 3;

/// Which unpacked images are removed when a lab has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    /// All but the few that were used last.
    Old,
    /// All.
    All,
}

/// Ends what still runs and removes all files. The lock must be held.
pub(super) fn sweep(place: &Place, group: &Group) -> Result<(), LabError> {
    group.kill()?;
    group.remove()?;
    match fs::remove_dir_all(place.lab()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        other => other.map_err(LabError::file("remove", place.lab()))?,
    }
    let path = place.lock();
    fs::remove_file(&path).map_err(LabError::file("remove", &path))
}

/// Takes the lab's lock, which the kernel gives back when its holder ends, however it does.
pub(super) fn lock(place: &Place, name: &str) -> Result<File, LabError> {
    let path = place.lock();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(LabError::file("make", folder))?;
    }
    let file = File::create(&path).map_err(LabError::file("make", &path))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(LabError::Running {
            name: name.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(LabError::file("lock", &path)(error)),
        Ok(()) if is_at(&file, &path) => Ok(file),
        // Its holder removed it in between, so somebody else may have the name now.
        Ok(()) => lock(place, name),
    }
}

/// Whether `path` still names this file.
pub(in crate::node) fn is_at(file: &File, path: &Path) -> bool {
    let (held, named) = (file.metadata(), fs::metadata(path));
    matches!((held, named), (Ok(held), Ok(named)) if held.ino() == named.ino())
}

/// Whether this machine and this user can have a lab.
pub(super) fn check_host() -> Result<(), LabError> {
    check_root()?;
    for (program, package) in PROGRAMS {
        let is_in = |folder: &str| Path::new(folder).join(program).is_file();
        if !FOLDERS.iter().any(|folder| is_in(folder)) {
            return Err(LabError::NoProgram { program, package });
        }
    }
    Ok(())
}

fn check_root() -> Result<(), LabError> {
    if rustix::process::geteuid().is_root() {
        Ok(())
    } else {
        Err(LabError::NotRoot)
    }
}
