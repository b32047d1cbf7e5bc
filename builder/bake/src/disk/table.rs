//! Owns reading a disk's partition table, and the proof that the disk is all there: both tables, and
//! every partition. Must not write.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use gptman::{GPTHeader, GPTPartitionEntry};

use super::error::DiskError;
use super::ids::Guid;
use super::layout::{Partition, SECTOR};

/// Bytes of an entry, and the most entries, of a table that is taken: the format lets a table ask for
/// any number.
const ENTRY: u32 = 128;
const MOST_ENTRIES: u32 = 1024;

/// A disk as it is read.
trait Disk: Read + Seek {}
impl<D: Read + Seek> Disk for D {}

/// Reads the partition table of `disk`. A disk that ends early, or whose tables are damaged, is an
/// error: whoever copies it further would copy that too.
pub fn read_partition_table(
    disk: &mut (impl Read + Seek),
    path: &Path,
) -> Result<Vec<Partition>, DiskError> {
    let size = disk
        .seek(SeekFrom::End(0))
        .map_err(DiskError::io("read", path))?;
    let damaged = |what: String| DiskError::Damaged {
        path: path.display().to_string(),
        what,
    };
    if size == 0 {
        return Err(damaged("it is empty".to_owned()));
    }
    let (header, entries) = read_table(disk, 1, size)
        .map_err(|why| damaged(format!("its partition table cannot be used: {why}")))?;
    let partitions = partitions(&entries);
    for partition in &partitions {
        check_partition(partition, path, size)?;
    }
    let end = header.backup_lba.saturating_add(1).saturating_mul(SECTOR);
    if end > size {
        return Err(DiskError::EndsEarly {
            path: path.display().to_string(),
            size,
            parts: "partition tables",
            which: "the second".to_owned(),
            end,
        });
    }
    let (backup, _) = read_table(disk, header.backup_lba, size)
        .map_err(|why| damaged(format!("its second partition table cannot be used: {why}")))?;
    let identity = |header: &GPTHeader| (header.disk_guid, header.partition_entry_array_crc32);
    if identity(&backup) == identity(&header) {
        Ok(partitions)
    } else {
        Err(damaged("its two partition tables differ".to_owned()))
    }
}

/// Reads the table whose header is in sector `lba`, or says what is wrong with it.
fn read_table(
    disk: &mut dyn Disk,
    lba: u64,
    size: u64,
) -> Result<(GPTHeader, Vec<GPTPartitionEntry>), String> {
    let text = |error: gptman::Error| error.to_string();
    let ends_in =
        |what: &str, end: u64| format!("the disk has {size} bytes, {what} ends at byte {end}");
    let end = lba.saturating_add(1).saturating_mul(SECTOR);
    if end > size {
        return Err(ends_in("its header", end));
    }
    disk.seek(SeekFrom::Start(lba * SECTOR))
        .map_err(|error| error.to_string())?;
    let header = GPTHeader::read_from(disk).map_err(text)?;
    let count = header.number_of_partition_entries;
    if header.size_of_partition_entry != ENTRY || !(1..=MOST_ENTRIES).contains(&count) {
        let found = header.size_of_partition_entry;
        return Err(format!("it has {count} entries of {found} bytes"));
    }
    let start = header.partition_entry_lba.saturating_mul(SECTOR);
    let end = start.saturating_add(u64::from(count) * u64::from(ENTRY));
    if end > size {
        return Err(ends_in("its list of partitions", end));
    }
    let entries = header.read_partitions(disk, SECTOR).map_err(text)?;
    Ok((header, entries))
}

fn partitions(entries: &[GPTPartitionEntry]) -> Vec<Partition> {
    (1..)
        .zip(entries)
        .filter(|(_, entry)| entry.is_used())
        .map(|(number, entry)| Partition {
            number,
            name: entry.partition_name.as_str().to_owned(),
            type_guid: Guid::from_disk(entry.partition_type_guid).to_string(),
            guid: Guid::from_disk(entry.unique_partition_guid).to_string(),
            offset: entry.starting_lba.saturating_mul(SECTOR),
            size: (entry.ending_lba.saturating_add(1))
                .saturating_sub(entry.starting_lba)
                .saturating_mul(SECTOR),
            attributes: entry.attribute_bits,
        })
        .collect()
}

fn check_partition(partition: &Partition, path: &Path, size: u64) -> Result<(), DiskError> {
    let which = format!("partition {} `{}`", partition.number, partition.name);
    let path = path.display().to_string();
    if partition.size == 0 {
        let what = format!("its {which} ends before it begins");
        return Err(DiskError::Damaged { path, what });
    }
    let end = partition.offset.saturating_add(partition.size);
    if end > size {
        return Err(DiskError::EndsEarly {
            path,
            size,
            parts: "partitions",
            which,
            end,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::read_partition_table;
    use crate::disk::ids::Guid;
    use gptman::{GPT, GPTPartitionEntry};
    use std::io::Cursor;
    use std::path::Path;

    const MIB: usize = 1 << 20;

    fn disk() -> Vec<u8> {
        let mut disk = Cursor::new(vec![0; 64 * MIB]);
        let guid = Guid::from_u128(7).to_disk();
        let mut table = GPT::new_from(&mut disk, 512, guid).unwrap();
        for (number, name, start, end) in [(1, "esp", 2048, 20_479), (2, "root", 20_480, 129_023)] {
            table[number] = GPTPartitionEntry {
                partition_type_guid: guid,
                unique_partition_guid: Guid::from_u128(number.into()).to_disk(),
                starting_lba: start,
                ending_lba: end,
                attribute_bits: 0,
                partition_name: name.into(),
            };
        }
        GPT::write_protective_mbr_into(&mut disk, 512).unwrap();
        table.write_into(&mut disk).unwrap();
        disk.into_inner()
    }

    fn refusal(disk: Vec<u8>) -> String {
        read_partition_table(&mut Cursor::new(disk), Path::new("d.raw"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_whole_disk_has_its_partitions_and_may_have_grown() {
        for added in [0, 5 * MIB] {
            let mut disk = disk();
            disk.resize(disk.len() + added, 0);
            let partitions = read_partition_table(&mut Cursor::new(disk), Path::new("d")).unwrap();
            let found: Vec<_> = partitions
                .iter()
                .map(|found| (found.number, found.name.as_str(), found.offset, found.size))
                .collect();
            let (esp, root) = (9 << 20, 53 << 20);
            assert_eq!(
                found,
                [(1, "esp", 1 << 20, esp), (2, "root", 10 << 20, root)]
            );
        }
    }

    #[test]
    fn a_disk_that_ends_early_says_where() {
        for (length, expected) in [
            (0, "the disk `d.raw` is damaged: it is empty"),
            (
                512,
                "the disk `d.raw` is damaged: its partition table cannot be used: the disk has 512 \
                 bytes, its header ends at byte 1024",
            ),
            (
                1024,
                "the disk `d.raw` is damaged: its partition table cannot be used: the disk has 1024 \
                 bytes, its list of partitions ends at byte 17408",
            ),
            (
                9 * MIB,
                "the disk `d.raw` ends before its partitions do: it has 9437184 bytes, partition 1 \
                 `esp` ends at byte 10485760",
            ),
            (
                63 * MIB - 1,
                "the disk `d.raw` ends before its partitions do: it has 66060287 bytes, partition 2 \
                 `root` ends at byte 66060288",
            ),
            (
                64 * MIB - 1,
                "the disk `d.raw` ends before its partition tables do: it has 67108863 bytes, the \
                 second ends at byte 67108864",
            ),
        ] {
            let mut disk = disk();
            disk.truncate(length);
            assert_eq!(refusal(disk), expected);
        }
    }

    #[test]
    fn damage_in_either_table_is_found() {
        let with = |at: usize, byte: u8| {
            let mut disk = disk();
            disk[at] ^= byte;
            let refusal = refusal(disk);
            let (start, rest) = refusal.split_at("the disk `d.raw` is damaged: ".len());
            assert_eq!(start, "the disk `d.raw` is damaged: ");
            rest.split(" (").next().unwrap().to_owned()
        };
        let last = 64 * MIB - 512;
        for (at, expected) in [
            (512, "its partition table cannot be used: invalid signature"),
            (
                600,
                "its partition table cannot be used: corrupted CRC32 checksum",
            ),
            (
                1024,
                "its partition table cannot be used: corrupted partition entry array CRC32 checksum",
            ),
            (
                last,
                "its second partition table cannot be used: invalid signature",
            ),
            (
                last - 32 * 512,
                "its second partition table cannot be used: corrupted partition entry array CRC32 \
                 checksum",
            ),
        ] {
            assert_eq!(with(at, 0x10), expected);
        }
    }

    /// Any byte of a table may be any other: an answer or an error, never a panic, also where the
    /// checksums fit.
    #[test]
    fn no_table_makes_it_panic() {
        let whole = disk();
        for at in 512..604 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut disk = whole[..2 * MIB].to_vec();
                disk[at] = value;
                let mut header: Vec<u8> = disk[512..604].to_vec();
                header[16..20].fill(0);
                let sum = crc32(&header).to_le_bytes();
                if !(528..532).contains(&at) {
                    disk[528..532].copy_from_slice(&sum);
                }
                assert!(!refusal(disk).is_empty());
            }
        }
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc: u32, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1))
            })
        })
    }
}
