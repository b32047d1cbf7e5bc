//! Owns what can go wrong while a disk is made, and what to do about it.

use std::io;
use std::path::Path;

use super::heavy::Heaviest;
use crate::sandbox::SandboxError;

/// The largest EBS volume is 64 TiB.
pub(crate) const LARGEST_MIB: u64 = 64 << 20;

/// Why there is no disk.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The tree lacks something that a disk boots with.
    #[error("cannot make a bootable disk of `{image}`: {what} is not in the image at `{path}`")]
    MissingBootFile {
        /// The image.
        image: String,
        /// What is missing: `a kernel`, `an initrd` or `systemd-boot`.
        what: &'static str,
        /// Where it was looked for, as seen in the image.
        path: String,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// The EFI system partition cannot hold the boot files.
    #[error(
        "the EFI system partition of `{image}` is too small: it has {esp_mib} MiB, \
         its files need {needed_mib} MiB"
    )]
    EspTooSmall {
        /// The image.
        image: String,
        /// Its size now.
        esp_mib: u64,
        /// The least that does.
        needed_mib: u64,
    },
    /// The root file system cannot hold the tree.
    #[error(
        "the root of `{image}` is too small: it has {root_mib} MiB, the tree and its free space \
         need {needed_mib} MiB; the largest in it: {heaviest}"
    )]
    RootTooSmall {
        /// The image.
        image: String,
        /// Its size now.
        root_mib: u64,
        /// The least that does.
        needed_mib: u64,
        /// What takes most of it.
        heaviest: Heaviest,
    },
    /// No EBS volume is that large.
    #[error(
        "cannot make a disk of {mib} MiB for `{image}`: an EBS volume has at most {LARGEST_MIB}"
    )]
    TooLarge {
        /// The image.
        image: String,
        /// What it would have.
        mib: u64,
    },
    /// The host's disk is too full.
    #[error(
        "not enough space for {what} in `{path}`: it needs {needed_mib} MiB, {available_mib} MiB are free; \
         the largest in the image: {heaviest}"
    )]
    HostFull {
        /// Which file.
        what: String,
        /// The directory.
        path: String,
        /// What it needs.
        needed_mib: u64,
        /// What there is.
        available_mib: u64,
        /// What takes most of the image.
        heaviest: Heaviest,
    },
    /// The host's disk became full.
    #[error("no space is left for {what} in `{path}`; the largest in the image: {heaviest}")]
    NoSpaceLeft {
        /// Which file.
        what: String,
        /// The directory.
        path: String,
        /// What takes most of the image.
        heaviest: Heaviest,
    },
    /// The image's mke2fs does not give the same bytes twice.
    #[error("the image's own mke2fs {found} does not give the same file system twice; 1.47.1 does")]
    OldMke2fs {
        /// Its version.
        found: String,
    },
    /// The image's mke2fs failed.
    #[error("mke2fs failed with exit code {code}; its last output was:\n{tail}")]
    Mke2fs {
        /// Its exit code.
        code: i32,
        /// Its last lines.
        tail: String,
    },
    /// The image's mke2fs could not be run.
    #[error("cannot run the image's own mke2fs")]
    Sandbox(#[source] SandboxError),
    /// The file system that mke2fs made is not as expected.
    #[error("the root file system is not as mke2fs should have made it: {0}")]
    Malformed(&'static str),
    /// The disk is shorter than what is on it.
    #[error(
        "the disk `{path}` ends before its {parts} do: it has {size} bytes, {which} ends at byte {end}"
    )]
    EndsEarly {
        /// The disk.
        path: String,
        /// The bytes that it has.
        size: u64,
        /// Of what there is too much: `partitions`, `partition tables` or `clusters`.
        parts: &'static str,
        /// The first that does not end in it.
        which: String,
        /// Where that ends.
        end: u64,
    },
    /// The disk is not as any program would have made it.
    #[error("the disk `{path}` is damaged: {what}")]
    Damaged {
        /// The disk.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The disk is stored in a way that is not read here.
    #[error("cannot read the disk `{path}`: it has {what}")]
    Unsupported {
        /// The disk.
        path: String,
        /// What it has.
        what: &'static str,
    },
    /// The partition table could not be written.
    #[error("cannot write the partition table of `{path}`")]
    PartitionTable {
        /// The disk.
        path: String,
        /// Why.
        #[source]
        source: gptman::Error,
    },
    /// A file could not be read or written.
    #[error("cannot {operation} `{path}`")]
    Io {
        /// `read`, `write`, ...
        operation: &'static str,
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl DiskError {
    /// What to do, where that is certain.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::MissingBootFile { package, .. } => Some(format!(
                "add the package `{package}` to one of the image's recipes"
            )),
            Self::EspTooSmall { needed_mib, .. } => Some(format!(
                "set `esp-mib` in the image's `[disk]` to {needed_mib} or more"
            )),
            Self::RootTooSmall { needed_mib, .. } => Some(format!(
                "set `root-mib` in the image's `[disk]` to {needed_mib} or more, or leave it out"
            )),
            Self::TooLarge { .. } => Some(
                "lower `esp-mib`, `root-mib` or `root-free-mib` in the image's `[disk]`".to_owned(),
            ),
            Self::HostFull { .. } | Self::NoSpaceLeft { .. } => {
                Some("free some space, or choose another directory with `--out`".to_owned())
            }
            Self::OldMke2fs { .. } => Some(
                "take `e2fsprogs` from the suite's backports: add that repository to the base \
                 recipe and ask for `e2fsprogs/SUITE-backports`"
                    .to_owned(),
            ),
            Self::EndsEarly { .. } | Self::Damaged { .. } => Some(
                "it was copied incompletely or changed: copy it again, or bake again".to_owned(),
            ),
            Self::Unsupported { .. } => {
                Some("make a plain one of it with `qemu-img convert -O qcow2`".to_owned())
            }
            Self::Mke2fs { .. }
            | Self::Sandbox(_)
            | Self::Malformed(_)
            | Self::PartitionTable { .. }
            | Self::Io { .. } => None,
        }
    }

    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Io {
            operation,
            path,
            source,
        }
    }
}
