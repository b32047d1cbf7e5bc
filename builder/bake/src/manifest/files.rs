//! Owns which files of a tree are not as a package brought them. Must not follow links out of the
//! tree.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ManifestError;
use super::dpkg::{Database, read_error};
use crate::sparse::read_bytes;

/// dpkg's own database; the list of packages says what it holds.
const DATABASE: &str = "/var/lib/dpkg/";

/// A file that no package brought, or that is not as its package brought it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OutsideFile {
    /// Absolute path in the image; a byte that is no UTF-8 is written `\xE9`.
    pub path: String,
    /// Permission bits in octal, for example `0644`; absent for symbolic links.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mode: Option<String>,
    /// Digest of its content; absent for symbolic links.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<String>,
    /// What it points at, if it is a symbolic link.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link: Option<String>,
    /// The package whose file was changed; absent where no package brought it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub package: Option<String>,
}

/// Lists the files outside packages in the tree at `tree`, by path.
///
/// Packages bring their files with times of before `source_date_epoch`, and whatever the bake
/// writes is clamped to it: only files of that time can have changed, and only those are compared.
pub(super) fn list_outside_files(
    tree: &Path,
    database: &Database,
    source_date_epoch: i64,
) -> Result<Vec<OutsideFile>, ManifestError> {
    let mut files = Vec::new();
    let mut directories = vec![tree.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).map_err(|source| read_error(&directory, source))?;
        for entry in entries {
            let path = entry
                .map_err(|source| read_error(&directory, source))?
                .path();
            let metadata =
                fs::symlink_metadata(&path).map_err(|source| read_error(&path, source))?;
            let inside = path.strip_prefix(tree).unwrap_or(&path);
            let name = [b"/", inside.as_os_str().as_bytes()].concat();
            if metadata.is_dir() {
                directories.push(path);
            } else if !name.starts_with(DATABASE.as_bytes())
                && (metadata.is_file() || metadata.is_symlink())
            {
                let package = database.owners.get(&name);
                let changed = match database.md5.get(&name) {
                    Some(shipped)
                        if metadata.is_file() && metadata.mtime() >= source_date_epoch =>
                    {
                        md5(&path).map_err(|source| read_error(&path, source))? != *shipped
                    }
                    Some(_) | None => false,
                };
                if package.is_none() || changed {
                    let file = describe(shown(&name), &path, &metadata, package.cloned());
                    files.push(file.map_err(|source| read_error(&path, source))?);
                }
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// A path as JSON can have it: bytes that are no UTF-8 become `\xE9`, so that two paths stay two.
fn shown(path: &[u8]) -> String {
    let mut text = String::new();
    for chunk in path.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str("\\x");
            text.push_str(&hex::encode_upper([*byte]));
        }
    }
    text
}

fn describe(
    name: String,
    path: &Path,
    metadata: &Metadata,
    package: Option<String>,
) -> io::Result<OutsideFile> {
    let (mut mode, mut sha256, mut link) = (None, None, None);
    if metadata.is_symlink() {
        link = Some(shown(fs::read_link(path)?.as_os_str().as_bytes()));
    } else {
        mode = Some(format!("{:04o}", metadata.mode() & 0o7777));
        sha256 = Some(self::sha256(path)?);
    }
    Ok(OutsideFile {
        path: name,
        mode,
        sha256,
        link,
        package,
    })
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    read(path, &mut |part| hasher.update(part))?;
    Ok(hex::encode(hasher.finalize()))
}

fn md5(path: &Path) -> io::Result<String> {
    let mut hasher = <Md5 as md5::Digest>::new();
    read(path, &mut |part| md5::Digest::update(&mut hasher, part))?;
    Ok(hex::encode(md5::Digest::finalize(hasher)))
}

fn read(path: &Path, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    read_bytes(&file, size, take)
}
