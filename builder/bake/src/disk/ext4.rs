//! Owns the root file system: made by the image's own mke2fs from the tree, in place. Must not
//! mount it.

use std::path::Path;

use crate::sandbox::{Bind, Run, Sandbox};

use super::error::DiskError;
use super::ids::Guid;
use super::layout::Layout;
use super::size::{BLOCK, JOURNAL_MIB, RootSize};

/// Where the tree is seen while mke2fs runs.
const TREE: &str = "/run/vmimage/tree";

/// Where the unfinished disk is seen while mke2fs runs.
const DISK: &str = "/run/vmimage/disk.raw";

/// The first e2fsprogs that reads directories in sorted order and honours `SOURCE_DATE_EPOCH`.
const FIRST_REPRODUCIBLE: (u64, u64, u64) = (1, 47, 1);

/// The features of the root, all of them and no others, whatever the image's `mke2fs.conf` says.
/// Debian 12's kernel and tools know all of these.
const FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,orphan_file,filetype,\
    extent,64bit,flex_bg,metadata_csum,metadata_csum_seed,sparse_super,large_file,huge_file,\
    dir_nlink,extra_isize";

/// What mke2fs is told.
#[derive(Debug)]
pub(crate) struct Ext4<'a> {
    pub(crate) tree: &'a Path,
    pub(crate) disk: &'a Path,
    pub(crate) layout: Layout,
    pub(crate) size: RootSize,
    pub(crate) uuid: Guid,
    pub(crate) hash_seed: Guid,
}

/// Makes the file system in its partition of the disk, which must consist of holes there.
pub(crate) fn make_ext4(tools: &Sandbox, ext4: &Ext4<'_>) -> Result<(), DiskError> {
    check_version(tools)?;
    let binds = [
        Bind {
            source: ext4.tree,
            target: TREE,
            read_only: true,
        },
        Bind {
            source: ext4.disk,
            target: DISK,
            read_only: false,
        },
    ];
    // The partition is known to be zero, so inode tables and journal need not be written, neither
    // now nor by the kernel after the first boot.
    let extended = format!(
        "offset={},hash_seed={},lazy_itable_init=1,assume_storage_prezeroed=1,nodiscard,\
         root_owner=0:0",
        ext4.layout.root_offset(),
        ext4.hash_seed
    );
    let blocks = ext4.size.blocks().to_string();
    let options = [
        ("-t", "ext4".to_owned()),
        ("-b", BLOCK.to_string()),
        ("-I", "256".to_owned()),
        ("-N", ext4.size.inodes.to_string()),
        ("-m", "1".to_owned()),
        ("-e", "remount-ro".to_owned()),
        ("-L", "root".to_owned()),
        ("-U", ext4.uuid.to_string()),
        ("-J", format!("size={JOURNAL_MIB}")),
        ("-O", FEATURES.to_owned()),
        ("-E", extended),
        ("-d", TREE.to_owned()),
    ];
    let mut argv = vec!["mke2fs", "-q", "-F"];
    for (flag, value) in &options {
        argv.extend([*flag, value.as_str()]);
    }
    argv.extend([DISK, blocks.as_str()]);
    let run = Run {
        binds: &binds,
        ..Run::new(&argv)
    };
    let output = tools.run(&run, &mut |_| {}).map_err(DiskError::Sandbox)?;
    if output.code == 0 {
        Ok(())
    } else {
        Err(DiskError::Mke2fs {
            code: output.code,
            tail: output.tail,
        })
    }
}

fn check_version(tools: &Sandbox) -> Result<(), DiskError> {
    let output = tools
        .run(&Run::new(&["mke2fs", "-V"]), &mut |_| {})
        .map_err(DiskError::Sandbox)?;
    match parse_version(&output.tail) {
        Some((_, version)) if version >= FIRST_REPRODUCIBLE => Ok(()),
        Some((found, _)) => Err(DiskError::OldMke2fs { found }),
        None => Err(DiskError::Mke2fs {
            code: output.code,
            tail: output.tail,
        }),
    }
}

/// Reads `mke2fs 1.47.2 (1-Jan-2025)`.
fn parse_version(text: &str) -> Option<(String, (u64, u64, u64))> {
    let word = text.strip_prefix("mke2fs ")?.split_whitespace().next()?;
    let mut numbers = word.split('.').map(|number| {
        let digits = number.find(|character: char| !character.is_ascii_digit());
        number[..digits.unwrap_or(number.len())].parse().ok()
    });
    let version = (
        numbers.next()??,
        numbers.next()??,
        numbers.next().unwrap_or(Some(0))?,
    );
    Some((word.to_owned(), version))
}

#[cfg(test)]
mod tests {
    use super::{FIRST_REPRODUCIBLE, parse_version};

    #[test]
    fn the_version_of_mke2fs_is_read() {
        for (text, found, version) in [
            (
                "mke2fs 1.47.2 (1-Jan-2025)\n\tUsing EXT2FS Library version 1.47.2",
                "1.47.2",
                (1, 47, 2),
            ),
            ("mke2fs 1.47.0 (5-Feb-2023)", "1.47.0", (1, 47, 0)),
            ("mke2fs 1.48 (1-Jan-2026)", "1.48", (1, 48, 0)),
            ("mke2fs 1.48-rc1 (1-Jan-2026)", "1.48-rc1", (1, 48, 0)),
        ] {
            assert_eq!(parse_version(text), Some((found.to_owned(), version)));
        }
        assert!((1, 47, 0) < FIRST_REPRODUCIBLE);
        assert_eq!(parse_version("sh: mke2fs: not found"), None);
        assert_eq!(parse_version("mke2fs x.y"), None);
    }
}
