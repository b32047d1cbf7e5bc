//! Owns work that several packages ask for and that is done once, when all of them are configured.
//! A stand-in for the program notes the requests; the tree never holds it.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::dpkg::Dpkg;
use super::error::InstallError;
use super::extract::file_error;
use super::records::read;
use crate::sandbox::{Bind, Sandbox};

const UPDATE_INITRAMFS: &str = include_str!("update-initramfs.sh");

/// Where the program is, in the tree.
const PROGRAM: &str = "/usr/sbin/update-initramfs";

/// Where the stand-in finds it.
const REAL: &str = "/run/vmimage/update-initramfs";

/// The stand-in's notes.
const REQUESTS: &str = "run/vmimage/initramfs-requests";

/// The stand-ins of one layer.
pub(super) struct Deferred {
    real: PathBuf,
    stand_in: PathBuf,
    requests: PathBuf,
    present: bool,
}

impl Deferred {
    /// Writes the stand-ins into `directory`.
    pub(super) fn prepare(directory: &Path, sandbox: &Sandbox) -> Result<Self, InstallError> {
        let stand_in = directory.join("update-initramfs");
        fs::write(&stand_in, UPDATE_INITRAMFS)
            .and_then(|()| fs::set_permissions(&stand_in, Permissions::from_mode(0o755)))
            .map_err(|source| file_error("write", &stand_in, source))?;
        let real = sandbox.root().join(PROGRAM.trim_start_matches('/'));
        Ok(Self {
            present: real.exists(),
            real,
            stand_in,
            requests: sandbox.root().join(REQUESTS),
        })
    }

    /// What programs see while packages are configured.
    pub(super) fn binds(&self) -> Vec<Bind<'_>> {
        if !self.present {
            return Vec::new();
        }
        vec![
            Bind {
                source: &self.real,
                target: REAL,
                read_only: true,
            },
            Bind {
                source: &self.stand_in,
                target: PROGRAM,
                read_only: true,
            },
        ]
    }

    /// Does what was asked for.
    pub(super) fn run(&self, dpkg: &mut Dpkg<'_>) -> Result<(), InstallError> {
        let text = read(&self.requests)?;
        let requests: BTreeSet<&str> = text.lines().collect();
        let creations: Vec<&&str> = requests
            .iter()
            .filter(|request| request.split_whitespace().any(|word| word == "-c"))
            .collect();
        // What creates an initrd from the finished tree leaves nothing to update.
        let chosen: Vec<&str> = if creations.is_empty() {
            requests.iter().copied().collect()
        } else {
            creations.into_iter().copied().collect()
        };
        for request in chosen {
            let mut argv = vec![PROGRAM];
            argv.extend(request.split_whitespace());
            dpkg.run(&argv, None)?;
        }
        if !text.is_empty() {
            fs::remove_file(&self.requests)
                .map_err(|source| file_error("remove", &self.requests, source))?;
        }
        Ok(())
    }
}
