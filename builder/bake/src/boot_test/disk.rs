//! Owns the look at the disk under test: its format and size. Must not write to it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::BootTestError;
use crate::disk::{DiskError, Qcow2Disk, read_partition_table};

/// How a disk is stored in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFormat {
    /// Byte for byte.
    Raw,
    /// QEMU's format.
    Qcow2,
}

impl DiskFormat {
    /// As `qemu-img` calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// A disk that may be booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) path: PathBuf,
    pub(crate) format: DiskFormat,
    /// As the guest sees it.
    pub(crate) bytes: u64,
}

/// The start of a qcow2 file, and where its virtual size is.
const QCOW2_MAGIC: &[u8; 4] = b"QFI\xfb";
const QCOW2_SIZE_AT: usize = 24;
/// A GPT's header stands in the second sector.
const GPT_AT: usize = 512;
const GPT_MAGIC: &[u8; 8] = b"EFI PART";

impl Disk {
    pub(crate) fn open(path: &Path) -> Result<Self, BootTestError> {
        let fail = |source| BootTestError::Disk {
            path: path.to_owned(),
            source,
        };
        // QEMU takes a relative backing file as relative to the overlay.
        let path = path.canonicalize().map_err(fail)?;
        let mut file = File::open(&path).map_err(fail)?;
        if file.metadata().map_err(fail)?.is_dir() {
            return Err(BootTestError::NotADisk {
                path,
                reason: "it is a folder",
            });
        }
        let mut start = Vec::new();
        file.by_ref()
            .take(GPT_AT as u64 + 8)
            .read_to_end(&mut start)
            .map_err(fail)?;
        let length = file.seek(SeekFrom::End(0)).map_err(fail)?;
        let (format, bytes) =
            recognize(&start, length).map_err(|reason| BootTestError::NotADisk {
                path: path.clone(),
                reason,
            })?;
        check(&path, format, file)?;
        Ok(Self {
            path,
            format,
            bytes,
        })
    }
}

/// Refuses a disk that is not all there: the firmware would only say that it found nothing to boot.
fn check(path: &Path, format: DiskFormat, mut file: File) -> Result<(), DiskError> {
    match format {
        DiskFormat::Raw => read_partition_table(&mut file, path).map(drop),
        DiskFormat::Qcow2 => match Qcow2Disk::open(file, path) {
            Ok(mut disk) => read_partition_table(&mut disk, path).map(drop),
            // QEMU can read more than we can.
            Err(DiskError::Unsupported { .. }) => Ok(()),
            Err(error) => Err(error),
        },
    }
}

fn recognize(start: &[u8], length: u64) -> Result<(DiskFormat, u64), &'static str> {
    if start.starts_with(QCOW2_MAGIC) {
        let size = start
            .get(QCOW2_SIZE_AT..QCOW2_SIZE_AT + 8)
            .and_then(|bytes| bytes.try_into().ok());
        return match size.map(u64::from_be_bytes) {
            Some(bytes) if bytes > 0 => Ok((DiskFormat::Qcow2, bytes)),
            Some(_) | None => Err("its qcow2 header is damaged"),
        };
    }
    if start.get(GPT_AT..) != Some(GPT_MAGIC.as_slice()) {
        return Err("it has no GUID partition table");
    }
    if !length.is_multiple_of(512) {
        return Err("its size is not a multiple of 512 bytes");
    }
    Ok((DiskFormat::Raw, length))
}

/// Copies a file so that the copy may be written, whatever the original's permissions are.
pub(crate) fn copy_writable(from: &Path, to: &Path) -> io::Result<()> {
    let mut target = File::create_new(to)?;
    io::copy(&mut File::open(from)?, &mut target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{DiskFormat, recognize};

    #[test]
    fn raw_and_qcow2_are_told_apart_and_the_rest_is_refused() {
        let mut gpt = vec![0_u8; 512];
        gpt.extend_from_slice(b"EFI PART");
        let mut qcow2 = b"QFI\xfb".to_vec();
        qcow2.resize(24, 0);
        let cut = qcow2.clone();
        qcow2.extend_from_slice(&(3_u64 << 30).to_be_bytes());
        let mut empty = cut.clone();
        empty.extend_from_slice(&[0; 8]);
        let table: [(&[u8], u64, Result<_, &str>); 7] = [
            (&gpt, 1 << 20, Ok((DiskFormat::Raw, 1 << 20))),
            (
                &gpt,
                (1 << 20) + 1,
                Err("its size is not a multiple of 512 bytes"),
            ),
            (&qcow2, 197_120, Ok((DiskFormat::Qcow2, 3 << 30))),
            (&cut, 24, Err("its qcow2 header is damaged")),
            (&empty, 32, Err("its qcow2 header is damaged")),
            (b"", 0, Err("it has no GUID partition table")),
            (&[0; 520], 1 << 20, Err("it has no GUID partition table")),
        ];
        for (start, length, expected) in table {
            assert_eq!(recognize(start, length), expected);
        }
    }
}
