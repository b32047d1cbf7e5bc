//! Owns writing a .deb with whatever is odd about it: owners by name and number, any mode, any bytes
//! in a path.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use vmimage_plan::lock::LockedPackage;

/// A package to be made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: &'static str,
    /// Further fields, whole lines.
    pub(crate) fields: Vec<u8>,
    /// `preinst`, `conffiles`, ...
    pub(crate) control: Vec<(&'static str, Vec<u8>)>,
    pub(crate) members: Vec<Member>,
    /// Whether dpkg is to unpack it after those that depend on nothing but their .deb.
    pub(crate) late: bool,
    pub(crate) pre_depends: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Without `./`.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) user: (String, u64),
    pub(crate) group: (String, u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File(Vec<u8>),
    Link(Vec<u8>),
    Hardlink(Vec<u8>),
}

impl Package {
    pub(crate) fn control_file(&mut self, name: &'static str, text: &str) {
        if let Some((_, content)) = self.control.iter_mut().find(|(known, _)| *known == name) {
            content.extend(text.as_bytes());
            return;
        }
        let begin = if name.ends_with("inst") {
            "#!/bin/sh\nset -e\n"
        } else {
            ""
        };
        let content = format!("{begin}{text}").into_bytes();
        self.control.push((name, content));
    }

    /// Writes it below `folder` and says what a lock would say of it.
    pub(crate) fn write(&self, folder: &Path) -> LockedPackage {
        let bytes = self.bytes();
        let path = folder.join(format!("{}.deb", self.name));
        fs::write(&path, &bytes).unwrap();
        LockedPackage {
            name: self.name.clone(),
            version: self.version.clone(),
            architecture: self.architecture.to_owned(),
            sha256: hex::encode(Sha256::digest(&bytes)),
            size: bytes.len() as u64,
            archive: "odd".to_owned(),
            path: path.display().to_string(),
            recipe: "odd".to_owned(),
            requested: true,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut archive = ar::Builder::new(Vec::new());
        for (name, bytes) in [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar.gz", gzip(&self.control_tar())),
            ("data.tar.gz", gzip(&self.data_tar())),
        ] {
            let header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
            archive.append(&header, bytes.as_slice()).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn control_tar(&self) -> Vec<u8> {
        let mut paragraph = format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\n",
            self.name, self.version, self.architecture
        )
        .into_bytes();
        if let Some(package) = &self.pre_depends {
            paragraph.extend(format!("Pre-Depends: {package}\n").into_bytes());
        }
        paragraph.extend(&self.fields);
        paragraph.extend(b"Description: made by chance\n J\xf6rg says so\n");
        let mut tar = tar::Builder::new(Vec::new());
        let root = Member::new(b"control", Kind::File(paragraph), 0o644);
        append(&mut tar, &root);
        for (name, content) in &self.control {
            let mode = if name.ends_with("inst") { 0o755 } else { 0o644 };
            let file = Kind::File(content.clone());
            append(&mut tar, &Member::new(name.as_bytes(), file, mode));
        }
        tar.into_inner().unwrap()
    }

    fn data_tar(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, &Member::new(b"", Kind::Directory, 0o755));
        for member in &self.members {
            append(&mut tar, member);
        }
        tar.into_inner().unwrap()
    }
}

impl Member {
    pub(crate) fn new(path: &[u8], kind: Kind, mode: u32) -> Self {
        Self {
            path: path.to_vec(),
            kind,
            mode,
            user: ("root".to_owned(), 0),
            group: ("root".to_owned(), 0),
        }
    }
}

fn append(tar: &mut tar::Builder<Vec<u8>>, member: &Member) {
    let mut header = tar::Header::new_gnu();
    let content: &[u8] = match &member.kind {
        Kind::File(content) => content,
        Kind::Directory | Kind::Link(_) | Kind::Hardlink(_) => &[],
    };
    let (entry_type, target) = match &member.kind {
        Kind::Directory => (tar::EntryType::Directory, None),
        Kind::File(_) => (tar::EntryType::Regular, None),
        Kind::Link(target) => (tar::EntryType::Symlink, Some(target.clone())),
        Kind::Hardlink(path) => {
            let path = [b"./", path.as_slice()].concat();
            (tar::EntryType::Link, Some(path))
        }
    };
    header.set_entry_type(entry_type);
    header.set_mode(member.mode);
    header.set_size(content.len() as u64);
    header.set_uid(member.user.1);
    header.set_gid(member.group.1);
    header.set_mtime(1_700_000_000);
    header.set_username(&member.user.0).unwrap();
    header.set_groupname(&member.group.0).unwrap();
    let end: &[u8] = if member.kind == Kind::Directory {
        b"/"
    } else {
        b""
    };
    let path = match member.path.as_slice() {
        b"" => b"./".to_vec(),
        path => [b"./", path, end].concat(),
    };
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[..path.len()].copy_from_slice(&path);
    if let Some(target) = target {
        gnu.linkname[..target.len()].copy_from_slice(&target);
    }
    header.set_cksum();
    tar.append(&header, content).unwrap();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
