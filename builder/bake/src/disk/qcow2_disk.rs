//! Owns reading the disk in a qcow2 file, and the proof that the file is all there. Must not write. It
//! reads what this program and `qemu-img convert` write: no backing files, no compressed clusters.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::DiskError;

/// What the format's documentation calls the offset of a cluster, and the mark of a compressed one.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;

/// The largest first-level table that QEMU takes.
const LARGEST_LEVEL1: u64 = 32 << 20;

/// Incompatible features: `dirty` says that counts may be wrong, which reading does not need.
const DIRTY: u64 = 1;
const CORRUPT: u64 = 2;

/// The disk in a qcow2 file.
#[derive(Debug)]
pub struct Qcow2Disk {
    file: File,
    cluster: u64,
    size: u64,
    /// The offsets of the second-level tables; 0 where there is none.
    level1: Vec<u64>,
    at: u64,
}

impl Qcow2Disk {
    /// Whether a file that begins so is a qcow2 file.
    pub fn is_start_of(bytes: &[u8]) -> bool {
        bytes.starts_with(b"QFI\xfb")
    }

    /// Opens the file at `path` and looks whether everything that it refers to is in it.
    pub fn open(file: File, path: &Path) -> Result<Self, DiskError> {
        let fail = || DiskError::io("read", path);
        let length = file.metadata().map_err(fail())?.len();
        let damaged = |what: String| DiskError::Damaged {
            path: path.display().to_string(),
            what,
        };
        let mut header = [0; 104];
        if length < header.len() as u64 {
            return Err(damaged(format!(
                "it ends within its header, after {length} bytes"
            )));
        }
        file.read_exact_at(&mut header, 0).map_err(fail())?;
        let header = Header::read(&header);
        if let Some(what) = header.unsupported() {
            return Err(DiskError::Unsupported {
                path: path.display().to_string(),
                what,
            });
        }
        header.check().map_err(|what| damaged(what.to_owned()))?;
        let mut disk = Self {
            cluster: 1 << header.cluster_bits,
            size: header.size,
            level1: Vec::new(),
            at: 0,
            file,
        };
        let ends_early = |what: &str, end: u64| DiskError::EndsEarly {
            path: path.display().to_string(),
            size: length,
            parts: "clusters",
            which: what.to_owned(),
            end,
        };
        let bytes = u64::from(header.level1_entries) * 8;
        let end = header.level1_offset.saturating_add(bytes);
        if end > length {
            return Err(ends_early("its first-level table", end));
        }
        disk.level1 = disk
            .read_table(header.level1_offset, bytes)
            .map_err(fail())?
            .into_iter()
            .map(|entry| entry & OFFSET)
            .collect();
        match disk.last_cluster(length).map_err(fail())? {
            (what, end) if end > length => Err(ends_early(what, end)),
            _ => Ok(disk),
        }
    }

    /// What of the file ends last, and where. Stops at what the file, of `length` bytes, does not have.
    fn last_cluster(&self, length: u64) -> io::Result<(&'static str, u64)> {
        let mut last = ("its header", 0);
        for table in self.level1.iter().filter(|offset| **offset != 0) {
            let end = table.saturating_add(self.cluster);
            if end > length {
                return Ok(("a second-level table", end));
            }
            for entry in self.read_table(*table, self.cluster)? {
                // Where a compressed one ends only decompressing it tells; it begins in the file.
                let bytes = if entry & COMPRESSED == 0 {
                    self.cluster
                } else {
                    1
                };
                let offset = self.offset_in_file(entry);
                if offset != 0 && offset.saturating_add(bytes) > last.1 {
                    last = ("its last cluster", offset.saturating_add(bytes));
                }
            }
        }
        Ok(last)
    }

    fn offset_in_file(&self, entry: u64) -> u64 {
        if entry & COMPRESSED == 0 {
            entry & OFFSET
        } else {
            entry & ((1 << (70 - self.cluster.trailing_zeros())) - 1)
        }
    }

    fn read_table(&self, offset: u64, bytes: u64) -> io::Result<Vec<u64>> {
        let mut table = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut table, offset)?;
        let entries = table.chunks_exact(8);
        Ok(entries.map(|entry| u64_at(entry, 0)).collect())
    }

    /// Reads from the cluster in which `self.at` is, at most to its end.
    fn read_in_cluster(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let inside = self.at % self.cluster;
        let left = (self.cluster - inside).min(self.size - self.at);
        let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let buffer = &mut buffer[..length];
        let index = self.at / self.cluster;
        let entries = self.cluster / 8;
        let table = usize::try_from(index / entries).map_err(io::Error::other)?;
        let table = self.level1.get(table).copied().unwrap_or(0);
        let mut entry = [0; 8];
        if table != 0 {
            self.file
                .read_exact_at(&mut entry, table + index % entries * 8)?;
        }
        let entry = u64::from_be_bytes(entry);
        if entry & COMPRESSED != 0 {
            return Err(io::Error::other("the cluster is compressed"));
        }
        // The lowest bit marks a cluster that reads as zeros.
        if entry & OFFSET == 0 || entry & 1 == 1 {
            buffer.fill(0);
        } else {
            self.file.read_exact_at(buffer, (entry & OFFSET) + inside)?;
        }
        Ok(length)
    }
}

impl Read for Qcow2Disk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let read = self.read_in_cluster(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Qcow2Disk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// What of a header matters for reading.
#[derive(Debug)]
struct Header {
    version: u32,
    backing_file: u64,
    cluster_bits: u32,
    size: u64,
    encryption: u32,
    level1_entries: u32,
    level1_offset: u64,
    incompatible: u64,
}

impl Header {
    fn read(bytes: &[u8; 104]) -> Self {
        let version = u32_at(bytes, 4);
        Self {
            version,
            backing_file: u64_at(bytes, 8),
            cluster_bits: u32_at(bytes, 20),
            size: u64_at(bytes, 24),
            encryption: u32_at(bytes, 32),
            level1_entries: u32_at(bytes, 36),
            level1_offset: u64_at(bytes, 40),
            incompatible: if version < 3 { 0 } else { u64_at(bytes, 72) },
        }
    }

    /// What the file has that is not read here.
    fn unsupported(&self) -> Option<&'static str> {
        if !(2..=3).contains(&self.version) {
            Some("another version than 2 or 3")
        } else if self.backing_file != 0 {
            Some("a backing file")
        } else if self.encryption != 0 {
            Some("encryption")
        } else if self.incompatible & !(DIRTY | CORRUPT) != 0 {
            Some("features that only QEMU knows")
        } else {
            None
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.incompatible & CORRUPT != 0 {
            return Err("QEMU has marked it as corrupt");
        }
        if !(9..=21).contains(&self.cluster_bits) || self.size == 0 {
            return Err("its header makes no sense");
        }
        let entries = u64::from(self.level1_entries);
        // Each cluster of a second-level table has the offsets of an eighth of its bytes.
        let needed = self.size.div_ceil(1 << (2 * self.cluster_bits - 3));
        if entries < needed || entries * 8 > LARGEST_LEVEL1 {
            return Err("its first-level table does not fit its size");
        }
        Ok(())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) << 32 | u64::from(u32_at(bytes, at + 4))
}

#[cfg(test)]
mod tests {
    use super::Qcow2Disk;
    use crate::disk::make_qcow2;
    use std::fs::{self, File};
    use std::io::{Read, Seek, SeekFrom};
    use std::os::unix::fs::FileExt;
    use std::path::PathBuf;

    const CLUSTER: u64 = 65_536;

    fn qcow2(directory: &tempfile::TempDir) -> PathBuf {
        let (raw, qcow2) = (directory.path().join("raw"), directory.path().join("qcow2"));
        let disk = File::create(&raw).unwrap();
        disk.set_len(10 * CLUSTER + 512).unwrap();
        disk.write_all_at(b"first", 3 * CLUSTER - 2).unwrap();
        disk.write_all_at(b"last", 10 * CLUSTER + 508).unwrap();
        make_qcow2(&raw, &qcow2).unwrap();
        qcow2
    }

    fn open(path: &PathBuf) -> Result<Qcow2Disk, String> {
        let file = File::open(path).unwrap();
        Qcow2Disk::open(file, "d.qcow2".as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_read_is_the_raw_disk() {
        let directory = tempfile::tempdir().unwrap();
        let mut disk = open(&qcow2(&directory)).unwrap();
        let mut bytes = Vec::new();
        disk.read_to_end(&mut bytes).unwrap();
        assert!(bytes == fs::read(directory.path().join("raw")).unwrap());
        disk.seek(SeekFrom::End(-4)).unwrap();
        bytes.clear();
        disk.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"last");
    }

    #[test]
    fn a_file_that_ends_early_says_where() {
        let directory = tempfile::tempdir().unwrap();
        let path = qcow2(&directory);
        let length = fs::metadata(&path).unwrap().len();
        let cut = |length: u64| {
            let file = File::options().write(true).open(&path).unwrap();
            file.set_len(length).unwrap();
            open(&path).unwrap_err()
        };
        for (length, expected) in [
            (length - 1, "its last cluster ends at byte 524288"),
            (length - 2 * CLUSTER, "its last cluster ends at byte 524288"),
            (2 * CLUSTER + 8, "a second-level table ends at byte 196608"),
            (CLUSTER, "its first-level table ends at byte 65544"),
        ] {
            let start = "the disk `d.qcow2` ends before its clusters do: ";
            let expected = format!("{start}it has {length} bytes, {expected}");
            assert_eq!(cut(length), expected);
        }
        let within = "the disk `d.qcow2` is damaged: it ends within its header, after 50 bytes";
        assert_eq!(cut(50), within);
    }

    #[test]
    fn headers_that_are_odd_are_refused_and_none_makes_it_panic() {
        let directory = tempfile::tempdir().unwrap();
        let path = qcow2(&directory);
        let whole = fs::read(&path).unwrap();
        let with = |at: usize, value: u8| {
            let mut bytes = whole.clone();
            bytes[at] = value;
            fs::write(&path, bytes).unwrap();
            open(&path).map(|mut disk| disk.read_to_end(&mut Vec::new()).is_ok())
        };
        let unsupported = "cannot read the disk `d.qcow2`: it has ";
        for (at, value, expected) in [
            (7, 4, "another version than 2 or 3"),
            (15, 1, "a backing file"),
            (35, 1, "encryption"),
            (79, 4, "features that only QEMU knows"),
        ] {
            assert_eq!(with(at, value), Err(format!("{unsupported}{expected}")));
        }
        let damaged = "the disk `d.qcow2` is damaged: ";
        for (at, value, expected) in [
            (79, 2, "QEMU has marked it as corrupt"),
            (23, 70, "its header makes no sense"),
            (24, 1, "its first-level table does not fit its size"),
            (36, 1, "its first-level table does not fit its size"),
        ] {
            assert_eq!(with(at, value), Err(format!("{damaged}{expected}")));
        }
        for at in (0..104).chain(65_536..65_544) {
            for value in [0x3f, 0x7f, 0xff] {
                drop(with(at, value));
            }
        }
    }
}
