//! Owns how large the root file system must be. Must not make it, and must not depend on how the host
//! stores the tree: the same tree gives the same size everywhere.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use vmimage_plan::definition::Image;

use super::error::DiskError;
use super::heavy::find_heaviest;
use super::layout::MIB;
use crate::sparse::{SHORTEST_RUN, zero_runs};

/// Bytes in a block of the root file system.
pub(crate) const BLOCK: u64 = 4096;

/// MiB of the journal: what mke2fs takes by itself for a root of up to 128 GiB or so; fixed, so
/// that the root's size does not change it.
pub(crate) const JOURNAL_MIB: u64 = 64;

/// Bytes of the root file system for each of its inodes. The ratio also holds for what the root
/// grows by.
const BYTES_PER_INODE: u64 = 16_384;

/// Blocks and inodes in a block group.
const GROUP_BLOCKS: u64 = 8 * BLOCK;

/// A tree's demands on a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeSize {
    /// Files of every kind; hard links count once.
    pub inodes: u64,
    /// Blocks of 4 KiB for the content of files and directories.
    pub blocks: u64,
}

impl TreeSize {
    /// Bytes for the content, in whole blocks.
    pub const fn bytes(self) -> u64 {
        self.blocks * BLOCK
    }
}

/// Measures the tree at `root`, without what is mounted in it.
pub fn measure_tree(root: &Path) -> Result<TreeSize, DiskError> {
    let metadata = fs::symlink_metadata(root).map_err(DiskError::io("read", root))?;
    let mut size = TreeSize::default();
    let mut linked = HashSet::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        size.inodes += 1;
        let mut entry_bytes = 24;
        for entry in fs::read_dir(&directory).map_err(DiskError::io("read", &directory))? {
            let entry = entry.map_err(DiskError::io("read", &directory))?;
            let path = entry.path();
            let found = fs::symlink_metadata(&path).map_err(DiskError::io("read", &path))?;
            let name = u64::try_from(entry.file_name().as_bytes().len()).unwrap_or(u64::MAX);
            entry_bytes += 8 + name.next_multiple_of(4);
            if found.is_dir() {
                if found.dev() == metadata.dev() {
                    directories.push(path);
                }
            } else if found.nlink() < 2 || linked.insert((found.dev(), found.ino())) {
                size.inodes += 1;
                size.blocks +=
                    content_blocks(&path, &found).map_err(DiskError::io("read", &path))?;
            }
        }
        // A block of a directory loses what the next entry does not fit into.
        size.blocks += entry_bytes.div_ceil(BLOCK - 64);
    }
    Ok(size)
}

/// Blocks for the content of what is no directory. mke2fs makes holes of blocks of zeros, so long runs
/// of them take no room.
pub(super) fn content_blocks(path: &Path, metadata: &Metadata) -> io::Result<u64> {
    let length = metadata.len();
    if !metadata.is_file() {
        // Links of up to 59 bytes are kept in their inode.
        return Ok(if length > 59 {
            length.div_ceil(BLOCK)
        } else {
            0
        });
    }
    let mut blocks = length.div_ceil(BLOCK);
    if length >= SHORTEST_RUN {
        for run in zero_runs(&File::open(path)?, length)? {
            blocks -= (run.end - run.start).div_ceil(BLOCK);
        }
    }
    Ok(blocks)
}

/// What the root file system is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RootSize {
    pub(crate) mib: u64,
    pub(crate) inodes: u64,
}

impl RootSize {
    pub(crate) const fn blocks(self) -> u64 {
        self.mib * (MIB / BLOCK)
    }
}

/// Chooses the size of the root for the tree at `root`, which was measured, or refuses the size that
/// the image asks for.
pub(crate) fn choose_root_size(
    image: &Image,
    tree: TreeSize,
    root: &Path,
) -> Result<RootSize, DiskError> {
    let needed_mib = needed_mib(tree, image.disk.root_free_mib);
    let mib = image.disk.root_mib.unwrap_or(needed_mib);
    if mib < needed_mib {
        return Err(DiskError::RootTooSmall {
            image: image.name.clone(),
            root_mib: mib,
            needed_mib,
            heaviest: find_heaviest(root)?,
        });
    }
    Ok(RootSize {
        mib,
        inodes: inodes_for(tree, mib),
    })
}

fn inodes_for(tree: TreeSize, mib: u64) -> u64 {
    (mib * MIB / BYTES_PER_INODE).max(tree.inodes + tree.inodes / 4 + 1024)
}

/// The file system's own structures grow with it, so the size is a fixed point.
fn needed_mib(tree: TreeSize, free_mib: u64) -> u64 {
    let content = tree.blocks + tree.blocks / 200 + free_mib * (MIB / BLOCK);
    let mut mib = 0;
    // Every round adds less than a twentieth of what the round before added.
    for _ in 0..32 {
        let blocks = content + own_blocks(tree, mib);
        let next = (blocks * BLOCK).div_ceil(MIB);
        if next <= mib {
            break;
        }
        mib = next;
    }
    mib
}

/// Blocks that a file system of `mib` takes for itself: bitmaps, inode tables, the journal, copies
/// of the superblock with group descriptors (and room for those of a root a thousand times larger),
/// and the hundredth reserved for root.
fn own_blocks(tree: TreeSize, mib: u64) -> u64 {
    let blocks = mib * (MIB / BLOCK);
    let groups = blocks.div_ceil(GROUP_BLOCKS);
    let inode_blocks = (inodes_for(tree, mib) * 256).div_ceil(BLOCK) + groups;
    let descriptor_blocks = (groups * 64).div_ceil(BLOCK);
    let growth_blocks = (groups * 1024 * 64).div_ceil(BLOCK).min(1024);
    let copies = 2 + count_powers(3, groups) + count_powers(5, groups) + count_powers(7, groups);
    let journal = JOURNAL_MIB * (MIB / BLOCK);
    2 * groups
        + inode_blocks
        + copies * (1 + descriptor_blocks + growth_blocks)
        + journal
        + blocks / 100
        + 64
}

/// How many powers of `base` from `base` itself on are below `limit`.
fn count_powers(base: u64, limit: u64) -> u64 {
    std::iter::successors(Some(base), |power| power.checked_mul(base))
        .take_while(|power| *power < limit)
        .map(|_| 1)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{TreeSize, choose_root_size, measure_tree};
    use crate::manifest::tests::sample_image;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_root_has_room_for_the_tree_and_what_shall_be_free() {
        let tree = TreeSize {
            inodes: 30_000,
            blocks: 300_000,
        };
        let mut image = sample_image();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("big"), vec![1; 3 << 20]).unwrap();
        let root = directory.path();
        let size = choose_root_size(&image, tree, root).unwrap();
        // 1172 MiB of content, 64 MiB of journal and 64 MiB free; the rest is the file system's.
        assert_eq!((size.mib, size.inodes), (1345, 86_080));
        image.disk.root_mib = Some(size.mib);
        assert!(choose_root_size(&image, tree, root).is_ok());
        image.disk.root_mib = Some(size.mib - 1);
        let error = choose_root_size(&image, tree, root).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the root of `small` is too small: it has 1344 MiB, the tree and its free space need \
             1345 MiB; the largest in it: `/big` 3 MiB"
        );
        assert_eq!(
            error.hint().as_deref(),
            Some("set `root-mib` in the image's `[disk]` to 1345 or more, or leave it out")
        );
    }

    #[test]
    fn hard_links_and_short_links_are_measured_once_or_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("a"), vec![1; 5000]).unwrap();
        std::fs::hard_link(path("a"), path("b")).unwrap();
        std::os::unix::fs::symlink("a", path("short")).unwrap();
        std::os::unix::fs::symlink("l".repeat(60), path("long")).unwrap();
        let expected = TreeSize {
            inodes: 4,
            blocks: 4,
        };
        assert_eq!(measure_tree(directory.path()).unwrap(), expected);
    }

    #[test]
    fn zeros_are_not_measured_whether_they_are_holes_or_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let data = std::fs::File::create(path("data.mdb")).unwrap();
        data.set_len(40 << 30).unwrap();
        data.write_all_at(&[1; 5000], 20 << 30).unwrap();
        std::fs::write(path("zeros"), vec![0; 3 << 20]).unwrap();
        std::fs::write(path("short"), vec![0; 8192]).unwrap();
        // Two blocks of `data.mdb`, two of `short`, one of the directory.
        let expected = TreeSize {
            inodes: 4,
            blocks: 5,
        };
        assert_eq!(measure_tree(directory.path()).unwrap(), expected);
    }
}
