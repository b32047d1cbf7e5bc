//! Owns the EFI system partition: FAT32, written in user space. Must not know what it boots.

use std::fs::File;
use std::io::{self, Cursor, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use fatfs::{
    Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider,
};

use super::boot::{BootContent, BootFile};
use super::error::DiskError;
use super::layout::{ESP_OFFSET, Layout, MIB};

/// FAT32 has at least 65,525 clusters; with one sector each that is 32 MiB and the tables.
const SMALLEST_MIB: u64 = 34;

/// From this size on, clusters of 4 KiB still make FAT32, and writing is quicker.
const LARGE_CLUSTERS_FROM_MIB: u64 = 260;

/// The date of every file in the partition: FAT's first day. A real date would change the
/// partition's blocks with every lock, though its files are the same.
#[derive(Debug)]
struct FirstDay;

impl TimeProvider for FirstDay {
    fn get_current_date(&self) -> Date {
        Date {
            year: 1980,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime {
            date: self.get_current_date(),
            time: Time {
                hour: 0,
                min: 0,
                sec: 0,
                millis: 0,
            },
        }
    }
}

/// Refuses a partition that cannot hold the files, before anything is written.
pub(crate) fn check_esp_size(
    files: &[BootFile],
    image: &str,
    esp_mib: u64,
) -> Result<u64, DiskError> {
    let mut bytes = 0;
    for file in files {
        bytes += match &file.content {
            BootContent::Copy(path) => {
                let metadata = path.metadata().map_err(DiskError::io("read", path))?;
                metadata.len().next_multiple_of(4096)
            }
            // Each of the small files may need a directory of its own.
            BootContent::Text(_) => 8192,
        };
    }
    // The tables take 1/64 with the smallest clusters; one MiB is for the reserved sectors.
    let needed_mib = (bytes + bytes / 64).div_ceil(MIB) + 1;
    let needed_mib = needed_mib.max(SMALLEST_MIB);
    if esp_mib < needed_mib {
        return Err(DiskError::EspTooSmall {
            image: image.to_owned(),
            esp_mib,
            needed_mib,
        });
    }
    Ok(bytes)
}

/// Writes the partition with `files` into `disk`.
///
/// It is put together in memory, of which only what is used gets allocated: FAT's small writes
/// would each be a system call, and all its other blocks stay holes.
pub(crate) fn write_esp(
    disk: &File,
    disk_path: &Path,
    layout: Layout,
    volume_id: u32,
    files: &[BootFile],
) -> Result<(), DiskError> {
    let write = || DiskError::io("write the EFI system partition of", disk_path);
    let size = usize::try_from(layout.esp_bytes()).map_err(|error| {
        DiskError::io("write the EFI system partition of", disk_path)(io::Error::other(error))
    })?;
    let mut bytes = vec![0_u8; size];
    format(&mut bytes, layout.esp_mib, volume_id).map_err(write())?;
    {
        let options = FsOptions::new().time_provider(&FirstDay);
        let volume = FileSystem::new(Cursor::new(bytes.as_mut_slice()), options).map_err(write())?;
        for file in files {
            write_file(&volume, file, disk_path)?;
        }
        volume.unmount().map_err(write())?;
    }
    let step = 64 * 1024;
    for (chunk, at) in bytes.chunks(step).zip((ESP_OFFSET..).step_by(step)) {
        if chunk.iter().any(|byte| *byte != 0) {
            disk.write_all_at(chunk, at).map_err(write())?;
        }
    }
    Ok(())
}

fn format(bytes: &mut [u8], esp_mib: u64, volume_id: u32) -> io::Result<()> {
    let cluster = if esp_mib < LARGE_CLUSTERS_FROM_MIB {
        512
    } else {
        4096
    };
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(cluster)
        .volume_id(volume_id)
        .volume_label(*b"ESP        ");
    fatfs::format_volume(Cursor::new(bytes), options)
}

fn write_file(
    volume: &FileSystem<Cursor<&mut [u8]>>,
    file: &BootFile,
    disk_path: &Path,
) -> Result<(), DiskError> {
    let write = || DiskError::io("write the EFI system partition of", disk_path);
    let root = volume.root_dir();
    for (index, _) in file.path.match_indices('/') {
        root.create_dir(&file.path[..index]).map_err(write())?;
    }
    let mut target = root.create_file(&file.path).map_err(write())?;
    match &file.content {
        BootContent::Copy(path) => {
            let mut source = File::open(path).map_err(DiskError::io("read", path))?;
            io::copy(&mut source, &mut target).map_err(DiskError::io("copy", path))?;
        }
        BootContent::Text(text) => target.write_all(text.as_bytes()).map_err(write())?,
    }
    target.flush().map_err(write())
}
