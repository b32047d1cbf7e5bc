//! Owns why a boot test could not even start. What went wrong in the guest is in the report.

use std::io;
use std::path::PathBuf;

use crate::disk::DiskError;

/// Why no boot was tried. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootTestError {
    /// A program is not installed.
    #[error("cannot find the program `{program}`")]
    MissingProgram {
        /// Its name.
        program: &'static str,
    },
    /// There is no UEFI firmware.
    #[error("cannot find UEFI firmware in {}", quoted(folders))]
    MissingFirmware {
        /// Where it was looked for.
        folders: Vec<PathBuf>,
    },
    /// The disk cannot be read.
    #[error("cannot read the disk `{}`", path.display())]
    Disk {
        /// The disk.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no disk that UEFI boots.
    #[error("`{}` is not a bootable disk: {reason}", path.display())]
    NotADisk {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: &'static str,
    },
    /// The disk is not all there.
    #[error(transparent)]
    Damaged(#[from] DiskError),
    /// There is too little space for the temporary overlay.
    #[error("cannot boot in `{}`: {needed_bytes} bytes are needed and {free_bytes} are free", path.display())]
    Space {
        /// The work folder.
        path: PathBuf,
        /// For the overlay and its log.
        needed_bytes: u64,
        /// What there is.
        free_bytes: u64,
    },
    /// The work folder or something in it cannot be made.
    #[error("cannot write `{}`", path.display())]
    Scratch {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The overlay over the disk cannot be made.
    #[error("cannot make an overlay over `{}`: {said}", disk.display())]
    Overlay {
        /// The disk.
        disk: PathBuf,
        /// What qemu-img said.
        said: String,
    },
    /// A program cannot be started.
    #[error("cannot start `{}`", program.display())]
    Spawn {
        /// Which.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl BootTestError {
    /// What to do next, where that is certain.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::MissingProgram { program } => {
                let package = match *program {
                    "qemu-system-x86_64" => "qemu-system-x86",
                    "qemu-img" => "qemu-utils",
                    "setpriv" => "util-linux",
                    other => other,
                };
                Some(format!("run `apt-get install {package}`"))
            }
            Self::MissingFirmware { .. } => Some("run `apt-get install ovmf`".to_owned()),
            Self::NotADisk { .. } => {
                Some("give the `disk.raw` or `disk.qcow2` that `vmimage bake` wrote".to_owned())
            }
            Self::Damaged(error) => error.hint(),
            Self::Space { path, .. } => Some(format!(
                "free space in `{}`, or name another work folder",
                path.display()
            )),
            Self::Disk { .. }
            | Self::Scratch { .. }
            | Self::Overlay { .. }
            | Self::Spawn { .. } => None,
        }
    }
}

fn quoted(paths: &[PathBuf]) -> String {
    let quoted: Vec<String> = paths
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    quoted.join(", ")
}
