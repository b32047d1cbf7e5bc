//! Owns the question whether a directory's file system can hold layers, asked before a bake and by
//! trying it: what a kernel takes for the upper layer of an overlay, and does with it, is written
//! nowhere. Must leave nothing behind.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::statfs;
use rustix::io::Errno;

use super::SandboxError;
use super::overlay::{Attributes, Overlay, Upper};

/// Why no overlay can have its upper layer in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The file system lacks what an upper layer needs.
    FileSystem(String),
    /// The path cannot be written in the options of a mount.
    Path,
    /// The kernel has no overlayfs.
    Kernel,
    /// This process may not mount one.
    Permission,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileSystem(name) => write!(
                formatter,
                "its file system ({name}) cannot hold the upper layer of an overlay"
            ),
            Self::Path => formatter.write_str("an overlay's path has no `:`, `,` or `\\`"),
            Self::Kernel => formatter.write_str("this kernel has no overlayfs"),
            Self::Permission => formatter.write_str("this process may not mount an overlay"),
        }
    }
}

impl Obstacle {
    /// What to do.
    pub(super) const fn hint(&self) -> &'static str {
        match self {
            Self::FileSystem(_) => {
                "name a directory on another file system (ext4, xfs, btrfs or tmpfs) with `--cache`; \
                 in a container, one on a volume"
            }
            Self::Path => "name another directory with `--cache`",
            Self::Kernel => "load the kernel's module `overlay`, or bake on another machine",
            Self::Permission => {
                "bake as root on the machine itself, or in a container that may mount \
                 (`--privileged`)"
            }
        }
    }
}

/// Fails unless the layers of a bake can be kept in `directory`, which exists.
pub fn probe(directory: &Path, attributes: Attributes) -> Result<(), SandboxError> {
    let prepare = |source| SandboxError::Prepare {
        path: directory.display().to_string(),
        source,
    };
    let scratch = tempfile::Builder::new()
        .prefix("probe-")
        .tempdir_in(directory)
        .map_err(prepare)?;
    let trial = Trial::prepare(scratch.path()).map_err(prepare)?;
    trial.run(attributes).map_err(|source| SandboxError::Unfit {
        path: directory.display().to_string(),
        obstacle: obstacle(directory, &source),
        source,
    })
}

/// Two trees of which an overlay is made.
struct Trial {
    lower: PathBuf,
    changes: PathBuf,
    work: PathBuf,
    target: PathBuf,
}

impl Trial {
    fn prepare(scratch: &Path) -> io::Result<Self> {
        let trial = Self {
            lower: scratch.join("lower"),
            changes: scratch.join("changes"),
            work: scratch.join("work"),
            target: scratch.join("root"),
        };
        for directory in [&trial.changes, &trial.work, &trial.target] {
            fs::create_dir(directory)?;
        }
        fs::create_dir_all(trial.lower.join("directory"))?;
        for file in ["removed", "directory/removed", "changed"] {
            fs::write(trial.lower.join(file), "lower")?;
        }
        Ok(trial)
    }

    /// Removes and changes what the lower tree has, and sees whether the layer says so afterwards: it
    /// takes character devices, extended attributes and types in directory entries.
    fn run(&self, attributes: Attributes) -> io::Result<()> {
        let upper = Upper {
            changes: &self.changes,
            work: &self.work,
        };
        let root = &self.target;
        let overlay = mount(&[&self.lower], Some(upper), root, attributes)?;
        fs::write(root.join("changed"), "upper")?;
        fs::remove_file(root.join("removed"))?;
        fs::remove_dir_all(root.join("directory"))?;
        fs::create_dir(root.join("directory"))?;
        drop(overlay);
        let layers = [self.changes.as_path(), &self.lower];
        let _overlay = mount(&layers, None, root, attributes)?;
        let is_as_changed = fs::read(root.join("changed"))? == b"upper"
            && !root.join("removed").try_exists()?
            && fs::read_dir(root.join("directory"))?.next().is_none();
        if is_as_changed {
            Ok(())
        } else {
            Err(io::Error::other("what was removed in a layer came back"))
        }
    }
}

fn mount(
    lower: &[&Path],
    upper: Option<Upper<'_>>,
    target: &Path,
    attributes: Attributes,
) -> io::Result<Overlay> {
    Overlay::mount(lower, upper, target, attributes).map_err(|error| match error {
        SandboxError::Mount { source, .. } | SandboxError::Prepare { source, .. } => source,
        other @ (SandboxError::Unfit { .. }
        | SandboxError::Start { .. }
        | SandboxError::Follow { .. }
        | SandboxError::Timeout { .. }) => io::Error::other(other),
    })
}

fn obstacle(directory: &Path, error: &io::Error) -> Obstacle {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NODEV) => Obstacle::Kernel,
        Some(Errno::PERM | Errno::ACCESS) => Obstacle::Permission,
        None if error.kind() == io::ErrorKind::InvalidInput => Obstacle::Path,
        Some(_) | None => Obstacle::FileSystem(file_system_name(directory)),
    }
}

/// The name that mount(8) has for the file system of `path`; its number in statfs(2) where it is none
/// of those that people keep caches on.
fn file_system_name(path: &Path) -> String {
    let Ok(found) = statfs(path) else {
        return "unknown".to_owned();
    };
    let number = found.f_type;
    let name = match number {
        0x794c_7630 => "overlay",
        0x6969 => "nfs",
        0x0102_1994 => "tmpfs",
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x2fc1_2fc1 => "zfs",
        0x6573_5546 => "fuse",
        0x0102_1997 => "9p",
        0x4d44 => "vfat",
        0x2011_bab0 => "exfat",
        0xff53_4d42 | 0xfe53_4d42 => "cifs",
        0xf15f => "ecryptfs",
        _ => return format!("statfs type {number:#x}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Obstacle, obstacle};
    use rustix::io::Errno;
    use std::io;
    use std::path::Path;

    #[test]
    fn each_error_of_a_mount_has_its_obstacle() {
        let check = |error: io::Error| obstacle(Path::new("/proc"), &error);
        let proc = || Obstacle::FileSystem("statfs type 0x9fa0".to_owned());
        for (error, expected) in [
            (Errno::NODEV.into(), Obstacle::Kernel),
            (Errno::PERM.into(), Obstacle::Permission),
            (Errno::INVAL.into(), proc()),
            (Errno::IO.into(), proc()),
            (io::ErrorKind::InvalidInput.into(), Obstacle::Path),
            (io::Error::other("came back"), proc()),
        ] {
            assert_eq!(check(error), expected);
        }
    }
}
