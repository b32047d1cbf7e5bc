//! Owns disk images: the ext4 root, the EFI system partition, GPT and their output formats. Must
//! not use a loop device, and must not mount what it makes.
//!
//! A disk has two partitions: an EFI system partition with systemd-boot, a kernel and its initrd,
//! and last the root, whose type and flags let systemd-repart grow it. The kernel's command line
//! names the root by its partition's GUID (`root=PARTUUID=`), so a recipe's fstab should name it
//! `LABEL=root` or not at all. A kernel that is upgraded on a running machine does not reach the EFI
//! system partition: images are replaced, not upgraded.

mod archived;
mod attributes;
mod boot;
mod digest;
mod error;
mod esp;
mod ext4;
mod fat32;
mod heavy;
mod ids;
mod inodes;
mod layout;
mod qcow2;
mod qcow2_disk;
mod rootfs;
mod size;
mod table;

pub use digest::{FileDigest, digest_file, digest_files};
pub use error::DiskError;
pub use ids::Guid;
pub use layout::{MIB, Partition};
pub use qcow2::make_qcow2;
pub use qcow2_disk::Qcow2Disk;
pub use rootfs::make_rootfs;
pub use size::{TreeSize, measure_tree};
pub use table::read_partition_table;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use vmimage_plan::definition::{Architecture, Image};

use crate::sandbox::Sandbox;
use crate::space::free_bytes;
use layout::{Guids, Layout};

/// What a disk is made of.
#[derive(Debug)]
pub struct DiskRequest<'a> {
    /// A read-only view of the sealed tree; nothing else is mounted in it.
    pub tree: &'a Path,
    /// A sandbox of the same tree, whose mke2fs is used.
    pub tools: &'a Sandbox,
    /// The image.
    pub image: &'a Image,
    /// What it is baked for.
    pub architecture: Architecture,
    /// Hexadecimal; every identifier of the disk follows from it.
    pub seed: &'a str,
    /// A directory for unfinished files.
    pub out: &'a Path,
}

/// A finished disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DiskReport {
    /// The disk's own GUID.
    pub guid: String,
    /// The partitions.
    pub partitions: Vec<Partition>,
    /// UUID of the root file system.
    pub root_uuid: String,
    /// Version of the kernel it boots.
    pub kernel: String,
    /// Size of the disk in bytes.
    pub size: u64,
    /// Bytes that the tree's content takes in whole blocks.
    pub tree_bytes: u64,
    /// Free bytes of the root file system.
    pub root_free: u64,
}

/// Makes `disk.raw` in the request's output directory.
pub fn make_disk(request: &DiskRequest<'_>) -> Result<DiskReport, DiskError> {
    let image = request.image;
    check_not_too_large(image)?;
    let guids = Guids::derive(request.seed);
    let boot = boot::find_boot_files(request.tree, image, request.architecture, guids.root)?;
    let boot_bytes = esp::check_esp_size(&boot.files, &image.name, image.disk.esp_mib)?;
    let tree = measure_tree(request.tree)?;
    let size = size::choose_root_size(image, tree, request.tree)?;
    let own_bytes = size.inodes * 256 + 16 * MIB;
    let needed = boot_bytes + tree.bytes() + own_bytes;
    check_space(request.out, "disk.raw", needed, request.tree)?;

    let layout = Layout {
        esp_mib: image.disk.esp_mib,
        root_mib: size.mib,
    };
    let path = request.out.join("disk.raw");
    let mut disk = create_sparse(&path, layout.disk_bytes())?;
    let ext4 = ext4::Ext4 {
        tree: request.tree,
        disk: &path,
        layout,
        size,
        uuid: Guid::derive(request.seed, "root-file-system"),
        hash_seed: Guid::derive(request.seed, "root-hash-seed"),
    };
    ext4::make_ext4(request.tools, &ext4)?;
    let root_free = inodes::settle_times(&disk, &path, layout.root_offset())?;
    let volume_id = ids::volume_id(request.seed);
    esp::write_esp(&disk, &path, layout, volume_id, &boot.files)?;
    layout::write_partition_table(&mut disk, &path, layout, request.architecture, guids)?;
    let metadata = disk.metadata().map_err(DiskError::io("read", &path))?;
    Ok(DiskReport {
        guid: guids.disk.to_string(),
        partitions: read_partition_table(&mut disk, &path)?,
        root_uuid: ext4.uuid.to_string(),
        kernel: boot.kernel,
        size: metadata.size(),
        tree_bytes: tree.bytes(),
        root_free,
    })
}

/// Refuses sizes with which the calculations below could overflow.
fn check_not_too_large(image: &Image) -> Result<(), DiskError> {
    let disk = &image.disk;
    let mib = disk
        .esp_mib
        .saturating_add(disk.root_mib.unwrap_or(0).max(disk.root_free_mib));
    if mib > error::LARGEST_MIB {
        return Err(DiskError::TooLarge {
            image: image.name.clone(),
            mib,
        });
    }
    Ok(())
}

/// Fails unless `needed` bytes for `what`, which is made of `tree`, are free in `directory`.
pub fn check_space(
    directory: &Path,
    what: &str,
    needed: u64,
    tree: &Path,
) -> Result<(), DiskError> {
    let available =
        free_bytes(directory).map_err(DiskError::io("ask for the free space of", directory))?;
    if available < needed {
        return Err(DiskError::HostFull {
            what: what.to_owned(),
            path: directory.display().to_string(),
            needed_mib: needed.div_ceil(MIB),
            available_mib: available / MIB,
            heaviest: heavy::find_heaviest(tree)?,
        });
    }
    Ok(())
}

/// The error with the output directory `out` in the place of that of the unfinished output, of which
/// nobody has heard; where room ran out, with what takes most of the image at `tree`.
pub fn explain(mut error: DiskError, out: &Path, tree: &Path) -> DiskError {
    let shown = out.display().to_string();
    if let DiskError::HostFull { path, .. } = &mut error {
        *path = shown;
        return error;
    }
    let Some(what) = file_without_room(&error) else {
        return error;
    };
    match heavy::find_heaviest(tree) {
        Ok(heaviest) => DiskError::NoSpaceLeft {
            what,
            path: shown,
            heaviest,
        },
        Err(error) => error,
    }
}

/// The file for which there was no room, if that is what went wrong.
fn file_without_room(error: &DiskError) -> Option<String> {
    if let DiskError::Io { path, source, .. } = error {
        let name = Path::new(path).file_name().unwrap_or_default();
        return is_full(source).then(|| name.to_string_lossy().into_owned());
    }
    if let DiskError::Mke2fs { tail, .. } = error {
        let is_full = tail.contains("No space left on device");
        return is_full.then(|| "disk.raw".to_owned());
    }
    None
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn create_sparse(path: &Path, size: u64) -> Result<File, DiskError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(DiskError::io("create", path))?;
    file.set_len(size).map_err(DiskError::io("enlarge", path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::{DiskError, check_not_too_large, check_space, explain};
    use crate::manifest::tests::sample_image;
    use rustix::io::Errno;

    #[test]
    fn a_full_host_is_named_with_what_is_needed() {
        let directory = tempfile::tempdir().unwrap();
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("dump.sql"), vec![1; 2 << 20]).unwrap();
        let check = |needed| check_space(directory.path(), "disk.raw", needed, tree.path());
        assert!(check(0).is_ok());
        let error = check(1 << 60).unwrap_err();
        let end = " MiB are free; the largest in the image: `/dump.sql` 2 MiB";
        assert!(error.to_string().ends_with(end), "{error}");
        let start = format!(
            "not enough space for disk.raw in `{}`: it needs 1099511627776 MiB, ",
            directory.path().display()
        );
        assert!(error.to_string().starts_with(&start), "{error}");
        assert_eq!(
            error.hint().as_deref(),
            Some("free some space, or choose another directory with `--out`")
        );
    }

    #[test]
    fn a_host_that_became_full_is_named_by_what_people_know() {
        let tree = tempfile::tempdir().unwrap();
        let said = |error| explain(error, "out".as_ref(), tree.path()).to_string();
        let full = |path: &str| DiskError::io("write", path.as_ref())(Errno::NOSPC.into());
        let mke2fs = |tail: &str| DiskError::Mke2fs {
            code: 1,
            tail: tail.to_owned(),
        };
        let end = " in `out`; the largest in the image: nothing of 1 MiB or more";
        for (error, what) in [
            (full(".out.unfinished-abcdef/disk.qcow2"), "disk.qcow2"),
            (
                mke2fs("mke2fs: No space left on device while x"),
                "disk.raw",
            ),
        ] {
            assert_eq!(said(error), format!("no space is left for {what}{end}"));
        }
        let other = "mke2fs failed with exit code 1; its last output was:\nno luck";
        assert_eq!(said(mke2fs("no luck")), other);
        let denied = DiskError::io("write", "x".as_ref())(Errno::ACCESS.into());
        assert_eq!(said(denied), "cannot write `x`");
    }

    #[test]
    fn disks_beyond_ebs_are_refused() {
        let mut image = sample_image();
        assert!(check_not_too_large(&image).is_ok());
        image.disk.root_mib = Some(u64::MAX);
        assert_eq!(
            check_not_too_large(&image).unwrap_err().to_string(),
            format!(
                "cannot make a disk of {} MiB for `small`: an EBS volume has at most 67108864",
                u64::MAX
            )
        );
    }
}
