//! Owns the times in a finished root file system. Must not change anything else in it.
//!
//! mke2fs copies a file's access and change time, clamped to `SOURCE_DATE_EPOCH`. Whether a file
//! was read since it was unpacked, and how the host mounts its disks, must not show in an image; and
//! a change time that follows the lock would change every block of the inode tables with every new
//! lock. So all of a file's times become its modification time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::DiskError;

/// Where the superblock starts, and its magic number.
const SUPERBLOCK: u64 = 1024;
const MAGIC: u16 = 0xef53;

/// `EXT4_BG_INODE_UNINIT`: the group has no inode in use.
const INODE_UNINIT: u16 = 1;

/// `EXT4_FEATURE_INCOMPAT_CSUM_SEED`.
const CSUM_SEED: u32 = 0x2000;

/// The file system's numbers that matter here.
#[derive(Debug)]
struct Superblock {
    block: u64,
    blocks: u64,
    blocks_per_group: u64,
    inodes_per_group: u64,
    descriptor: u64,
    checksum_seed: u32,
    free_blocks: u64,
}

/// Sets all times of every inode to its modification time, in the file system that starts at
/// `offset` of `disk`. Returns how many bytes of it are free.
pub(crate) fn settle_times(disk: &File, path: &Path, offset: u64) -> Result<u64, DiskError> {
    let superblock = read_superblock(disk, path, offset)?;
    let groups = superblock.blocks.div_ceil(superblock.blocks_per_group);
    let table = offset + superblock.block.max(2048);
    for group in 0..groups {
        let mut descriptor = [0_u8; 64];
        disk.read_exact_at(&mut descriptor, table + group * superblock.descriptor)
            .map_err(DiskError::io("read", path))?;
        if u16_at(&descriptor, 18) & INODE_UNINIT != 0 {
            continue;
        }
        let unused = u64::from(u16_at(&descriptor, 28)) | u64::from(u16_at(&descriptor, 50)) << 16;
        let used = superblock.inodes_per_group.saturating_sub(unused);
        let at = u64::from(u32_at(&descriptor, 8)) | u64::from(u32_at(&descriptor, 40)) << 32;
        settle_group(
            disk,
            offset + at * superblock.block,
            used,
            group * superblock.inodes_per_group + 1,
            superblock.checksum_seed,
        )
        .map_err(DiskError::io("write the times of", path))?;
    }
    Ok(superblock.free_blocks * superblock.block)
}

fn read_superblock(disk: &File, path: &Path, offset: u64) -> Result<Superblock, DiskError> {
    let mut bytes = [0_u8; 1024];
    disk.read_exact_at(&mut bytes, offset + SUPERBLOCK)
        .map_err(DiskError::io("read", path))?;
    if u16_at(&bytes, 56) != MAGIC {
        return Err(DiskError::Malformed("it has no superblock"));
    }
    if u16_at(&bytes, 88) != 256 || u16_at(&bytes, 254) != 64 {
        return Err(DiskError::Malformed(
            "its inodes or group descriptors have an unknown size",
        ));
    }
    let (blocks_per_group, inodes_per_group) = (u32_at(&bytes, 32), u32_at(&bytes, 40));
    let log_block = u32_at(&bytes, 24);
    if blocks_per_group == 0 || log_block > 6 {
        return Err(DiskError::Malformed("its superblock makes no sense"));
    }
    let checksum_seed = if u32_at(&bytes, 96) & CSUM_SEED == 0 {
        crc32c(u32::MAX, &bytes[104..120])
    } else {
        u32_at(&bytes, 0x270)
    };
    Ok(Superblock {
        block: 1024 << log_block,
        blocks: u64::from(u32_at(&bytes, 4)) | u64::from(u32_at(&bytes, 0x150)) << 32,
        blocks_per_group: u64::from(blocks_per_group),
        inodes_per_group: u64::from(inodes_per_group),
        descriptor: 64,
        checksum_seed,
        free_blocks: u64::from(u32_at(&bytes, 12)) | u64::from(u32_at(&bytes, 0x158)) << 32,
    })
}

/// Settles `used` inodes at `at`, the first of which has the number `first`.
fn settle_group(disk: &File, at: u64, used: u64, first: u64, seed: u32) -> io::Result<()> {
    let length = usize::try_from(used * 256).map_err(io::Error::other)?;
    let mut table = vec![0_u8; length];
    disk.read_exact_at(&mut table, at)?;
    let first = u32::try_from(first).map_err(io::Error::other)?;
    for (number, inode) in (first..).zip(table.chunks_exact_mut(256)) {
        if u16_at(inode, 26) > 0 && u16_at(inode, 128) >= 32 {
            settle_inode(inode, number, seed);
        }
    }
    disk.write_all_at(&table, at)
}

fn settle_inode(inode: &mut [u8], number: u32, seed: u32) {
    // Seconds, then nanoseconds with the upper bits of the seconds.
    let (seconds, extra) = (u32_at(inode, 16), u32_at(inode, 136));
    for (at, extra_at) in [(8, 140), (12, 132), (144, 148)] {
        inode[at..at + 4].copy_from_slice(&seconds.to_le_bytes());
        inode[extra_at..extra_at + 4].copy_from_slice(&extra.to_le_bytes());
    }
    inode[124..126].fill(0);
    inode[130..132].fill(0);
    let checksum = crc32c(seed, &number.to_le_bytes());
    let checksum = crc32c(checksum, &inode[100..104]);
    let checksum = crc32c(checksum, inode).to_le_bytes();
    inode[124..126].copy_from_slice(&checksum[..2]);
    inode[130..132].copy_from_slice(&checksum[2..]);
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// CRC-32C as ext4 uses it: neither the start value nor the result is inverted.
fn crc32c(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |crc, byte| {
        let index = usize::from(crc.to_le_bytes()[0] ^ byte);
        CRC_TABLE[index] ^ (crc >> 8)
    })
}

const CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index: u32 = 0;
    while index < 256 {
        let mut crc = index;
        let mut bit = 0;
        while bit < 8 {
            // The Castagnoli polynomial, reversed.
            crc = if crc & 1 == 0 {
                crc >> 1
            } else {
                (crc >> 1) ^ 0x82f6_3b78
            };
            bit += 1;
        }
        table[index as usize] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn crc32c_has_its_check_value() {
        assert_eq!(crc32c(u32::MAX, b"123456789") ^ u32::MAX, 0xe306_9283);
    }
}
