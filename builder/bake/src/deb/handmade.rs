//! Owns making small .debs for tests.

use std::fs;
use std::io::Write;
use std::path::Path;

use sha2::{Digest, Sha256};
use vmimage_plan::lock::LockedPackage;

use super::Deb;

/// A .deb to be made.
#[derive(Clone)]
pub(crate) struct Handmade {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static str,
    pub(crate) control: Vec<(&'static str, &'static str)>,
    pub(crate) entries: Vec<Entry>,
    /// `""`, `gz`, `xz` or `zst`.
    pub(crate) compression: &'static str,
    /// The names of the members, in order.
    pub(crate) members: [&'static str; 3],
}

#[derive(Clone)]
pub(crate) enum Entry {
    Directory(&'static str, u32),
    File(String, &'static str),
    Symlink(&'static str, &'static str),
    Hardlink(&'static str, &'static str),
    Device(&'static str),
}

pub(crate) fn file(path: &str, content: &'static str) -> Entry {
    Entry::File(path.to_owned(), content)
}

impl Handmade {
    pub(crate) fn new(name: &'static str, entries: Vec<Entry>) -> Self {
        Self {
            name,
            fields: "",
            control: Vec::new(),
            entries,
            compression: "xz",
            members: ["debian-binary", "control.tar", "data.tar"],
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut archive = ar::Builder::new(Vec::new());
        for member in self.members {
            let (name, bytes) = match member {
                "debian-binary" => (member.to_owned(), b"2.0\n".to_vec()),
                "control.tar" => self.compressed(member, self.control_tar()),
                _ => self.compressed(member, self.data_tar()),
            };
            let header = ar::Header::new(name.into_bytes(), bytes.len() as u64);
            archive.append(&header, bytes.as_slice()).unwrap();
        }
        archive.into_inner().unwrap()
    }

    /// Writes it below `directory`.
    pub(crate) fn write(&self, directory: &Path) -> Deb {
        let bytes = self.bytes();
        let path = directory.join(format!("{}.deb", self.name));
        fs::write(&path, &bytes).unwrap();
        Deb {
            locked: LockedPackage {
                name: self.name.to_owned(),
                version: "1.0-1".to_owned(),
                architecture: "amd64".to_owned(),
                sha256: hex::encode(Sha256::digest(&bytes)),
                size: bytes.len() as u64,
                archive: "debian".to_owned(),
                path: "pool/x.deb".to_owned(),
                recipe: "base".to_owned(),
                requested: true,
            },
            path,
        }
    }

    fn control_tar(&self) -> Vec<u8> {
        let paragraph = format!(
            "Package: {}\nVersion: 1.0-1\nArchitecture: amd64\n{}",
            self.name, self.fields
        );
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, "./control", 0o644, paragraph.as_bytes());
        for (name, content) in &self.control {
            append(&mut tar, &format!("./{name}"), 0o755, content.as_bytes());
        }
        tar.into_inner().unwrap()
    }

    fn data_tar(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for entry in &self.entries {
            match entry {
                Entry::Directory(path, mode) => {
                    special(&mut tar, path, tar::EntryType::Directory, *mode, None);
                }
                Entry::File(path, content) => append(&mut tar, path, 0o644, content.as_bytes()),
                Entry::Symlink(path, target) => {
                    special(&mut tar, path, tar::EntryType::Symlink, 0o777, Some(target));
                }
                Entry::Hardlink(path, target) => {
                    special(&mut tar, path, tar::EntryType::Link, 0o644, Some(target));
                }
                Entry::Device(path) => special(&mut tar, path, tar::EntryType::Char, 0o600, None),
            }
        }
        tar.into_inner().unwrap()
    }

    fn compressed(&self, name: &str, bytes: Vec<u8>) -> (String, Vec<u8>) {
        let compressed = match self.compression {
            "" => return (name.to_owned(), bytes),
            "gz" => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&bytes).unwrap();
                encoder.finish().unwrap()
            }
            "xz" => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
                encoder.write_all(&bytes).unwrap();
                encoder.finish().unwrap()
            }
            _ => zstd::encode_all(bytes.as_slice(), 1).unwrap(),
        };
        (format!("{name}.{}", self.compression), compressed)
    }
}

fn header(entry_type: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(entry_type);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header
}

/// Writes the name as it is, so that unsafe ones can be made; long ones by GNU's extension.
fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) {
    let mut header = header(tar::EntryType::Regular, mode, content.len() as u64);
    if path.len() < 100 {
        name(&mut header, path);
        tar.append(&header, content).unwrap();
    } else {
        tar.append_data(&mut header, path, content).unwrap();
    }
}

fn special(
    tar: &mut tar::Builder<Vec<u8>>,
    path: &str,
    entry_type: tar::EntryType,
    mode: u32,
    target: Option<&str>,
) {
    let mut header = header(entry_type, mode, 0);
    if let Some(target) = target {
        header.as_gnu_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
    }
    name(&mut header, path);
    tar.append(&header, std::io::empty()).unwrap();
}

fn name(header: &mut tar::Header, path: &str) {
    header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_cksum();
}
