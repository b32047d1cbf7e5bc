//! Owns overlay mounts: several trees seen as one. Must not know what the trees hold.

use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::SandboxError;

/// A mounted overlay; dropping it unmounts it.
#[derive(Debug)]
pub struct Overlay {
    target: PathBuf,
}

/// Where changes to an overlay go.
#[derive(Clone, Copy, Debug)]
pub struct Upper<'a> {
    /// Receives what changes.
    pub changes: &'a Path,
    /// An empty directory on the same file system, for the kernel's own use.
    pub work: &'a Path,
}

impl Overlay {
    /// Mounts `lower` (topmost first) on `target`, read-only unless there is an upper directory.
    ///
    /// `volatile` spares every sync: a layer that was not finished is thrown away, so nothing in it
    /// needs to survive a power cut. A user namespace needs `userxattr`; as root the kernel's
    /// default keeps the layers readable for other tools.
    pub fn mount(
        lower: &[&Path],
        upper: Option<Upper<'_>>,
        target: &Path,
        attributes: Attributes,
    ) -> Result<Self, SandboxError> {
        let what = format!(
            "an overlay of {} trees",
            lower.len() + usize::from(upper.is_some())
        );
        let fail = |source: io::Error| SandboxError::Mount {
            what: what.clone(),
            target: target.display().to_string(),
            source,
        };
        let mut options = String::from("lowerdir=");
        options.push_str(&join(lower).map_err(fail)?);
        if let Some(upper) = upper {
            options.push_str(",upperdir=");
            options.push_str(&join(&[upper.changes]).map_err(fail)?);
            options.push_str(",workdir=");
            options.push_str(&join(&[upper.work]).map_err(fail)?);
            options.push_str(",volatile");
        }
        if attributes == Attributes::User {
            options.push_str(",userxattr");
        }
        let data = CString::new(options).map_err(|error| fail(error.into()))?;
        let flags = if upper.is_some() {
            MountFlags::empty()
        } else {
            MountFlags::RDONLY
        };
        mount("overlay", target, "overlay", flags, data.as_c_str())
            .map_err(|errno| fail(errno.into()))?;
        Ok(Self {
            target: target.to_owned(),
        })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.target
    }
}

/// Which extended attributes an overlay keeps its own records in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributes {
    /// `trusted.*`, for root.
    Trusted,
    /// `user.*`, inside a user namespace.
    User,
}

impl Drop for Overlay {
    fn drop(&mut self) {
        // Detached, it goes when its last user does; the mount namespace is private.
        let _ = unmount(&self.target, UnmountFlags::DETACH);
    }
}

/// Joins paths as overlayfs reads them. It takes `:` and `,` for separators.
fn join(paths: &[&Path]) -> io::Result<String> {
    let mut joined = String::new();
    for (index, path) in paths.iter().enumerate() {
        let text = path
            .to_str()
            .filter(|text| !text.contains([':', ',', '\\']))
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!(
                        "`{}` has a character that overlayfs cannot take",
                        path.display()
                    ),
                )
            })?;
        if index > 0 {
            joined.push(':');
        }
        joined.push_str(text);
    }
    Ok(joined)
}
