//! Owns qcow2 files, version 3, made from a raw disk. Written here and not by qemu-img so that the
//! same disk gives the same file everywhere.
//!
//! The file has its tables first (sized for a full disk), then the clusters that are not zero, in
//! the disk's order. Format: QEMU's `docs/interop/qcow2.rst`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::DiskError;
use crate::sparse::data_ranges;

const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;

/// Entries of 8 bytes in a cluster.
const TABLE_ENTRIES: u64 = CLUSTER / 8;

/// Reference counts of 2 bytes in a cluster.
const COUNTS: u64 = CLUSTER / 2;

/// Set where a cluster is referred to exactly once: all of them are.
const COPIED: u64 = 1 << 63;

/// Where the tables lie, in clusters.
#[derive(Debug)]
struct Tables {
    level2_count: u64,
    level1: u64,
    level2: u64,
    count_table: u64,
    counts: u64,
    count_blocks: u64,
    data: u64,
}

impl Tables {
    fn for_disk(size: u64) -> Self {
        let level2_count = size.div_ceil(CLUSTER).div_ceil(TABLE_ENTRIES);
        let level1_clusters = level2_count.div_ceil(TABLE_ENTRIES);
        let fixed = 1 + level1_clusters + level2_count + 1;
        // Each block of counts also counts itself.
        let count_blocks = (fixed + size.div_ceil(CLUSTER)).div_ceil(COUNTS - 1);
        let level1 = 1;
        let level2 = level1 + level1_clusters;
        let count_table = level2 + level2_count;
        let counts = count_table + 1;
        Self {
            level2_count,
            level1,
            level2,
            count_table,
            counts,
            count_blocks,
            data: counts + count_blocks,
        }
    }
}

/// Makes the qcow2 file `target` of the raw disk `source`.
pub fn make_qcow2(source: &Path, target: &Path) -> Result<(), DiskError> {
    let disk = File::open(source).map_err(DiskError::io("read", source))?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(target)
        .map_err(DiskError::io("create", target))?;
    convert(&disk, &file).map_err(DiskError::io("write", target))
}

fn convert(disk: &File, file: &File) -> io::Result<()> {
    let size = disk.metadata()?.len();
    let tables = Tables::for_disk(size);
    let mut clusters = Vec::new();
    let mut buffer = vec![0; usize::try_from(CLUSTER).map_err(io::Error::other)?];
    let mut free = tables.data;
    let mut next = 0;
    for range in data_ranges(disk)? {
        let range = range?;
        let first = (range.start / CLUSTER).max(next);
        next = range.end.div_ceil(CLUSTER);
        for index in first..next {
            read_cluster(disk, index * CLUSTER, size, &mut buffer)?;
            if buffer.iter().any(|byte| *byte != 0) {
                file.write_all_at(&buffer, free * CLUSTER)?;
                clusters.push((index, free));
                free += 1;
            }
        }
    }
    write_tables(file, &tables, &clusters, free)?;
    file.write_all_at(&header(size, &tables), 0)?;
    file.set_len(free * CLUSTER)
}

/// Reads a cluster; the last one is filled up with zeros.
fn read_cluster(disk: &File, at: u64, size: u64, buffer: &mut [u8]) -> io::Result<()> {
    let length = usize::try_from((size - at).min(CLUSTER)).map_err(io::Error::other)?;
    buffer[length..].fill(0);
    disk.read_exact_at(&mut buffer[..length], at)
}

fn write_tables(
    file: &File,
    tables: &Tables,
    clusters: &[(u64, u64)],
    used: u64,
) -> io::Result<()> {
    for index in 0..tables.level2_count {
        let entry = ((tables.level2 + index) * CLUSTER) | COPIED;
        file.write_all_at(&entry.to_be_bytes(), tables.level1 * CLUSTER + index * 8)?;
    }
    for (index, cluster) in clusters {
        let entry = (cluster * CLUSTER) | COPIED;
        file.write_all_at(&entry.to_be_bytes(), tables.level2 * CLUSTER + index * 8)?;
    }
    for index in 0..tables.count_blocks {
        let entry = (tables.counts + index) * CLUSTER;
        file.write_all_at(
            &entry.to_be_bytes(),
            tables.count_table * CLUSTER + index * 8,
        )?;
    }
    let used = usize::try_from(used).map_err(io::Error::other)?;
    file.write_all_at(&[0, 1].repeat(used), tables.counts * CLUSTER)
}

fn header(size: u64, tables: &Tables) -> Vec<u8> {
    let mut header = Vec::with_capacity(112);
    let mut long = |value: u64| header.extend(value.to_be_bytes());
    // Fields of 4 bytes are written two at a time.
    let pair = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    long(pair(0x5146_49fb, 3));
    long(0); // No backing file
    long(pair(0, CLUSTER_BITS));
    long(size);
    long(tables.level2_count); // No encryption, then the size of the first-level table.
    long(tables.level1 * CLUSTER);
    long(tables.count_table * CLUSTER);
    long(pair(1, 0)); // One cluster of that table, no snapshots.
    long(0); // Where snapshots would be.
    long(0); // Incompatible,
    long(0); // compatible
    long(0); // and autoclear features.
    long(pair(4, 104)); // Counts of 2 to the 4th bits; the header's length.
    long(0); // No header extensions.
    header
}

#[cfg(test)]
mod tests {
    use super::{CLUSTER, convert};
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    fn read_u64(file: &File, at: u64) -> u64 {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, at).unwrap();
        u64::from_be_bytes(bytes)
    }

    #[test]
    fn only_clusters_with_content_are_kept() {
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(10 * CLUSTER + 512).unwrap();
        disk.write_all_at(b"first", 3 * CLUSTER + 7).unwrap();
        disk.write_all_at(&[0; 4096], 5 * CLUSTER).unwrap();
        disk.write_all_at(b"last", 10 * CLUSTER + 500).unwrap();
        let file = tempfile::tempfile().unwrap();
        convert(&disk, &file).unwrap();

        assert_eq!(read_u64(&file, 0), 0x5146_49fb_0000_0003);
        assert_eq!(read_u64(&file, 24), 10 * CLUSTER + 512);
        let level1 = read_u64(&file, 40);
        let level2 = read_u64(&file, level1) & !(1 << 63);
        let entries: Vec<u64> = (0..11)
            .map(|index| read_u64(&file, level2 + index * 8))
            .collect();
        let used: Vec<usize> = (0..11).filter(|index| entries[*index] != 0).collect();
        assert_eq!(used, [3, 10]);
        let mut content = [0; 5];
        file.read_exact_at(&mut content, (entries[3] & !(1 << 63)) + 7)
            .unwrap();
        assert_eq!(&content, b"first");
        // Header, level 1, level 2, count table, counts, two clusters of content.
        assert_eq!(file.metadata().unwrap().len(), 7 * CLUSTER);
    }
}
