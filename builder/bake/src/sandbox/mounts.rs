//! Owns what is mounted into a tree while programs run in it. Must not outlive them: dropping
//! unmounts, and the private mount namespace ends with the process in any case.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};

use super::{Bind, SandboxError};

/// Refuses every action of `invoke-rc.d`, so that no package starts its service
/// (`/usr/share/doc/init-system-helpers/README.policy-rc.d.gz`).
const POLICY: &str = "#!/bin/sh\nexit 101\n";

/// A name that resolves without any name server; postfix's configuration waits for seconds on one
/// that does not.
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// Device nodes that programs in a tree may use.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Mounted paths, in the order in which they were mounted, and files that are taken away again.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    mounted: Vec<PathBuf>,
    written: Vec<(PathBuf, &'static str)>,
}

impl Mounts {
    /// Mounts `/dev`, `/run` and `/tmp` in the tree and writes its policy.
    pub(super) fn prepare(root: &Path) -> Result<Self, SandboxError> {
        let mut mounts = Self::default();
        for (directory, mode) in [("dev", "0755"), ("run", "0755"), ("tmp", "1777")] {
            mounts.tmpfs(&root.join(directory), mode)?;
        }
        mounts.devices(&root.join("dev"))?;
        // As systemd-tmpfiles makes it at boot (legacy.conf); `/var/lock` of Debian points there.
        let lock = root.join("run/lock");
        fs::create_dir(&lock)
            .and_then(|()| fs::set_permissions(&lock, fs::Permissions::from_mode(0o1777)))
            .map_err(|source| prepare_error(&lock, source))?;
        if root.join("usr/sbin").is_dir() {
            mounts.write(&root.join("usr/sbin/policy-rc.d"), POLICY, 0o755)?;
        }
        if root.join("etc").is_dir() {
            mounts.write(&root.join("etc/hosts"), HOSTS, 0o644)?;
        }
        let proc_dir = root.join("proc");
        fs::create_dir_all(&proc_dir).map_err(|source| prepare_error(&proc_dir, source))?;
        Ok(mounts)
    }

    /// Binds what a single program sees; dropping the result unbinds it.
    pub(super) fn bind(root: &Path, binds: &[Bind<'_>]) -> Result<Self, SandboxError> {
        let mut bound = Self::default();
        for bind in binds {
            let target = root.join(bind.target.trim_start_matches('/'));
            if bind.target.starts_with("/run/") {
                make_mount_point(bind.source, &target)?;
            }
            mount_bind(bind.source, &target)
                .map_err(|errno| mount_error(&bind.source.display().to_string(), &target, errno))?;
            bound.mounted.push(target.clone());
            if bind.read_only {
                mount_remount(&target, MountFlags::BIND | MountFlags::RDONLY, "")
                    .map_err(|errno| mount_error("read-only", &target, errno))?;
            }
        }
        Ok(bound)
    }

    fn tmpfs(&mut self, target: &Path, mode: &str) -> Result<(), SandboxError> {
        fs::create_dir_all(target).map_err(|source| prepare_error(target, source))?;
        let data = std::ffi::CString::new(format!("mode={mode}"))
            .map_err(|error| prepare_error(target, error.into()))?;
        mount(
            "tmpfs",
            target,
            "tmpfs",
            MountFlags::NOSUID,
            data.as_c_str(),
        )
        .map_err(|errno| mount_error("tmpfs", target, errno))?;
        self.mounted.push(target.to_owned());
        Ok(())
    }

    fn devices(&mut self, dev: &Path) -> Result<(), SandboxError> {
        for name in DEVICES {
            let target = dev.join(name);
            fs::write(&target, "").map_err(|source| prepare_error(&target, source))?;
            mount_bind(Path::new("/dev").join(name), &target)
                .map_err(|errno| mount_error(&format!("/dev/{name}"), &target, errno))?;
            self.mounted.push(target);
        }
        for (name, target) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
            ("ptmx", "pts/ptmx"),
        ] {
            let path = dev.join(name);
            symlink(target, &path).map_err(|source| prepare_error(&path, source))?;
        }
        for name in ["shm", "pts"] {
            let path = dev.join(name);
            fs::create_dir(&path).map_err(|source| prepare_error(&path, source))?;
        }
        let pts = dev.join("pts");
        mount(
            "devpts",
            &pts,
            "devpts",
            MountFlags::NOSUID,
            c"newinstance,ptmxmode=0666,mode=620",
        )
        .map_err(|errno| mount_error("devpts", &pts, errno))?;
        self.mounted.push(pts);
        Ok(())
    }

    /// Writes a file that is removed again, unless the tree has one.
    fn write(&mut self, path: &Path, text: &'static str, mode: u32) -> Result<(), SandboxError> {
        if path.symlink_metadata().is_ok() {
            return Ok(());
        }
        fs::write(path, text)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
            .map_err(|source| prepare_error(path, source))?;
        self.written.push((path.to_owned(), text));
        Ok(())
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for (path, text) in self.written.drain(..) {
            // What a package or a recipe put in its place stays. A maintainer script may have removed
            // it, and a tree that is being given up may be gone altogether; the seal checks that
            // neither file is in an image.
            if fs::read(&path).is_ok_and(|bytes| bytes == text.as_bytes()) {
                drop(fs::remove_file(path));
            }
        }
        for path in self.mounted.drain(..).rev() {
            // Detached mounts go when their last user does; the namespace is private.
            let _ = unmount(&path, UnmountFlags::DETACH);
        }
    }
}

fn make_mount_point(source: &Path, target: &Path) -> Result<(), SandboxError> {
    let made = if source.is_dir() {
        fs::create_dir_all(target)
    } else {
        target
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| {
                fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(target)
                    .map(drop)
            })
    };
    made.map_err(|source| prepare_error(target, source))
}

fn prepare_error(path: &Path, source: io::Error) -> SandboxError {
    SandboxError::Prepare {
        path: path.display().to_string(),
        source,
    }
}

fn mount_error(what: &str, target: &Path, errno: rustix::io::Errno) -> SandboxError {
    SandboxError::Mount {
        what: what.to_owned(),
        target: target.display().to_string(),
        source: errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Mounts;

    #[test]
    fn what_was_put_in_the_place_of_a_stand_in_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
        let mut mounts = Mounts::default();
        mounts.write(&ours, "stand-in", 0o644).unwrap();
        mounts.write(&theirs, "stand-in", 0o644).unwrap();
        fs::write(&theirs, "of a recipe").unwrap();
        drop(mounts);
        assert!(!ours.exists());
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "of a recipe");
    }
}
