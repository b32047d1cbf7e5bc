//! Owns looking into images: what one holds, and how two differ. Must not change them, and must not
//! print.

mod difference;
mod render;
mod table;

pub use difference::{
    ChangedFile, ChangedPackage, Difference, ListedPackage, OutputSize, RecipeChange, Resize, diff,
};
pub use render::{render_difference, render_inspection};

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use vmimage_plan::bake::Format;

use crate::disk::{DiskError, Partition, Qcow2Disk, digest_file, read_partition_table};
use crate::manifest::{FILE_NAME, Manifest, ManifestError, OutputEntry, load_manifest};

/// What is known about an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspection {
    /// The file or directory that was asked for.
    pub file: PathBuf,
    /// Its manifest; a disk may have lost its own.
    pub manifest: Option<Manifest>,
    /// The partition table, where the disk itself was looked at.
    pub partitions: Vec<Partition>,
    /// The files whose size and digest were found to be the manifest's.
    pub verified: Vec<String>,
}

/// Why an image cannot be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The file is none that belongs to an image.
    #[error(
        "cannot inspect `{path}`: it is neither a disk, nor a manifest, nor a directory with one"
    )]
    Unknown {
        /// The file.
        path: String,
    },
    /// The file is not there or cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The disk cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The manifest beside a file does not name it.
    #[error("the manifest beside `{path}` does not name it")]
    Unnamed {
        /// The file.
        path: String,
    },
    /// A file is not what its manifest says.
    #[error("`{path}` is not what its manifest says: its {what} is {found}, not {expected}")]
    Mismatch {
        /// The file.
        path: String,
        /// `size` or `SHA-256`.
        what: &'static str,
        /// What it is.
        found: String,
        /// What the manifest says.
        expected: String,
    },
}

impl InspectError {
    /// What to do, where that is certain.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Mismatch { .. } => Some(
                "it was changed or copied incompletely after the bake: bake again, or inspect \
                 `manifest.json` for what it was"
                    .to_owned(),
            ),
            Self::Disk(error) => error.hint(),
            Self::Manifest(ManifestError::Syntax { .. }) => Some(
                "it was copied incompletely or changed: copy it again, or bake again".to_owned(),
            ),
            Self::Manifest(ManifestError::Format { .. }) => {
                Some("inspect it with the vmimage that baked it, or bake again".to_owned())
            }
            Self::Unknown { .. } | Self::Read { .. } | Self::Manifest(_) | Self::Unnamed { .. } => {
                None
            }
        }
    }
}

/// Inspects an output directory, a manifest, or one of an image's files. A file that has its
/// manifest beside it is verified; of a directory, all files are.
pub fn inspect(file: &Path) -> Result<Inspection, InspectError> {
    let metadata = file.metadata().map_err(|source| read_error(file, source))?;
    if metadata.is_dir() {
        return inspect_directory(file);
    }
    if file
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        return Ok(Inspection {
            file: file.to_owned(),
            manifest: Some(load_manifest(file)?),
            partitions: Vec::new(),
            verified: Vec::new(),
        });
    }
    let beside = file.with_file_name(FILE_NAME);
    let manifest = if beside.is_file() {
        Some(load_manifest(&beside)?)
    } else {
        None
    };
    let mut verified = Vec::new();
    if let Some(manifest) = &manifest {
        let output = find_output(manifest, file)?;
        verify(file, output)?;
        verified.push(output.name.clone());
    }
    let partitions = match read_partitions(file)? {
        Some(partitions) => partitions,
        None if manifest.is_some() => Vec::new(),
        None => {
            return Err(InspectError::Unknown {
                path: file.display().to_string(),
            });
        }
    };
    Ok(Inspection {
        file: file.to_owned(),
        manifest,
        partitions,
        verified,
    })
}

fn inspect_directory(directory: &Path) -> Result<Inspection, InspectError> {
    let path = directory.join(FILE_NAME);
    if !path.is_file() {
        return Err(InspectError::Unknown {
            path: directory.display().to_string(),
        });
    }
    let manifest = load_manifest(&path)?;
    let mut verified = Vec::new();
    for output in &manifest.outputs {
        verify(&directory.join(&output.name), output)?;
        verified.push(output.name.clone());
    }
    let mut partitions = Vec::new();
    for format in [Format::Raw, Format::Qcow2] {
        let disk = directory.join(format.file_name());
        if partitions.is_empty() && disk.is_file() {
            partitions = read_partitions(&disk)?.unwrap_or_default();
        }
    }
    Ok(Inspection {
        file: directory.to_owned(),
        manifest: Some(manifest),
        partitions,
        verified,
    })
}

fn find_output<'a>(manifest: &'a Manifest, file: &Path) -> Result<&'a OutputEntry, InspectError> {
    manifest
        .outputs
        .iter()
        .find(|output| {
            file.file_name()
                .is_some_and(|name| name == output.name.as_str())
        })
        .ok_or_else(|| InspectError::Unnamed {
            path: file.display().to_string(),
        })
}

fn verify(path: &Path, expected: &OutputEntry) -> Result<(), InspectError> {
    let mismatch = |what, found: String, expected: String| InspectError::Mismatch {
        path: path.display().to_string(),
        what,
        found,
        expected,
    };
    let metadata = path.metadata().map_err(|source| read_error(path, source))?;
    if metadata.len() != expected.size {
        let (found, expected) = (metadata.len().to_string(), expected.size.to_string());
        return Err(mismatch("size", found, expected));
    }
    let digest = digest_file(path)?;
    if digest.sha256 == expected.sha256 {
        Ok(())
    } else {
        Err(mismatch("SHA-256", digest.sha256, expected.sha256.clone()))
    }
}

/// The partitions of a disk, raw or in a qcow2 file; `None` where the file is neither.
fn read_partitions(path: &Path) -> Result<Option<Vec<Partition>>, InspectError> {
    let mut file = File::open(path).map_err(|source| read_error(path, source))?;
    let mut start = Vec::new();
    file.by_ref()
        .take(1024)
        .read_to_end(&mut start)
        .map_err(|source| read_error(path, source))?;
    Ok(if Qcow2Disk::is_start_of(&start) {
        Some(read_partition_table(
            &mut Qcow2Disk::open(file, path)?,
            path,
        )?)
    } else if is_start_of_disk(&start) {
        Some(read_partition_table(&mut file, path)?)
    } else {
        None
    })
}

/// A disk's table starts in its second sector, and its first says that there is one (UEFI 2.10, table
/// 5.4); damage to either leaves the other. An empty file is what is left of something.
fn is_start_of_disk(start: &[u8]) -> bool {
    start.is_empty()
        || start.get(512..520) == Some(b"EFI PART")
        || (start.get(450) == Some(&0xee) && start.get(510..512) == Some(&[0x55, 0xaa]))
}

fn read_error(path: &Path, source: io::Error) -> InspectError {
    InspectError::Read {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests;
