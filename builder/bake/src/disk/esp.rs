//! Owns the EFI system partition: whether its files fit, and writing it. Must not know FAT's bytes.

use std::fs::File;
use std::path::Path;

use super::error::DiskError;
use super::fat32::{Content, Shape, write_volume};
use super::layout::{ESP_OFFSET, Layout, MIB};

/// Refuses a partition that cannot hold the files, before anything is written. Returns how many
/// bytes they need.
pub(crate) fn check_esp_size(
    files: &[(String, Content)],
    image: &str,
    esp_mib: u64,
) -> Result<u64, DiskError> {
    let mut bytes = 0;
    for (path, content) in files {
        let size = content
            .size()
            .map_err(DiskError::io("read", Path::new(path)))?;
        // Clusters of at most 4 KiB; each file may bring two directories.
        bytes += size.next_multiple_of(4096) + 8192;
    }
    let fits = |mib: u64| {
        let shape = Shape::for_size(mib * MIB);
        shape.is_fat32() && shape.capacity() >= bytes
    };
    if fits(esp_mib) {
        return Ok(bytes);
    }
    // No file of a partition is larger than FAT32 can have, 4 GiB.
    let needed_mib = (esp_mib + 1..=8192)
        .find(|mib| fits(*mib))
        .unwrap_or(u64::MAX);
    Err(DiskError::EspTooSmall {
        image: image.to_owned(),
        esp_mib,
        needed_mib,
    })
}

/// Writes the partition with `files` into `disk`.
pub(crate) fn write_esp(
    disk: &File,
    disk_path: &Path,
    layout: Layout,
    volume_id: u32,
    files: &[(String, Content)],
) -> Result<(), DiskError> {
    let shape = Shape::for_size(layout.esp_bytes());
    write_volume(disk, ESP_OFFSET, shape, volume_id, files).map_err(DiskError::io(
        "write the EFI system partition of",
        disk_path,
    ))
}

#[cfg(test)]
mod tests {
    use super::check_esp_size;
    use crate::disk::fat32::Content;

    #[test]
    fn an_esp_that_is_too_small_says_what_it_needs() {
        let files = [("linux".to_owned(), Content::Text("k".repeat(40 << 20)))];
        let error = check_esp_size(&files, "small", 36).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the EFI system partition of `small` is too small: it has 36 MiB, its files need 41 MiB"
        );
        assert_eq!(
            error.hint().as_deref(),
            Some("set `esp-mib` in the image's `[disk]` to 41 or more")
        );
        assert!(check_esp_size(&files, "small", 41).is_ok());
        assert!(check_esp_size(&[], "small", 32).is_err());
    }
}
