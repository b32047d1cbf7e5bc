//! Owns archives with whatever oddness is asked for, written to disk and signed.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use md5::{Digest as _, Md5};
use sha2::{Sha256, Sha512};
use vmimage_tests::standin::TestKey;

/// One package of an archive.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: &'static str,
    /// `Depends` and the like.
    pub(crate) relations: Vec<(&'static str, String)>,
    /// Where it lies below the archive.
    pub(crate) path: String,
}

/// A kind of hash with the names that indexes and Release files have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

/// Who signs the Release file, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signing {
    Inline,
    Detached,
    Both,
    Nobody,
}

/// Which names index files have in `by-hash/` archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByHash {
    No,
    /// Only the hashes are there.
    Only,
    /// The archive says so, and has only the plain names.
    Claimed,
    Both,
}

/// How the text of an index or a Release file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    Plain,
    CarriageReturns,
    Capitals,
    SmallLetters,
    SpaceBeforeColon,
    LinesOfNothing,
}

/// An archive with one suite.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    pub(crate) suite: &'static str,
    pub(crate) component: &'static str,
    pub(crate) packages: Vec<Package>,
    /// Fields of the Release file besides its hashes.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// Whether packages for all architectures have an index of their own.
    pub(crate) apart: bool,
    /// Extensions of indexes that the Release file lists and that are there.
    pub(crate) listed: Vec<&'static str>,
    pub(crate) served: Vec<&'static str>,
    pub(crate) release_hashes: Vec<Hash>,
    pub(crate) stanza_hashes: Vec<Hash>,
    pub(crate) by_hash: ByHash,
    pub(crate) signing: Signing,
    pub(crate) release_spelling: Spelling,
    pub(crate) index_spelling: Spelling,
    /// Whether fields stand in the reverse order.
    pub(crate) reversed: bool,
    /// A field that every stanza lacks.
    pub(crate) lacking: Option<&'static str>,
    /// Whether the Release file is of an index with another content.
    pub(crate) contradicts_itself: bool,
}

/// When the Release files were made, in seconds since 1970: 2026-01-01.
pub(crate) const DATE: i64 = 1_767_225_600;

impl Package {
    /// What stands for its .deb: nobody unpacks it here.
    pub(crate) fn deb(&self) -> Vec<u8> {
        let text = format!("{} {} {}\n", self.name, self.version, self.architecture);
        text.repeat(200 / text.len() + 1).into_bytes()
    }

    /// What dpkg's status file says of it once it is installed.
    pub(crate) fn as_installed(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, value) in self.fields() {
            text.extend(line(name, &value, Spelling::Plain));
        }
        text.extend_from_slice(b"Status: install ok installed\n\n");
        text
    }

    fn fields(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut fields = vec![
            ("Package", self.name.clone().into_bytes()),
            ("Version", self.version.clone().into_bytes()),
            ("Architecture", self.architecture.as_bytes().to_vec()),
            // Latin-1, as the older packages have it.
            ("Maintainer", b"Jos\xe9 <jose@example.test>".to_vec()),
            (
                "Description",
                b"made by chance\n caf\xe9\n .\n au lait".to_vec(),
            ),
        ];
        for (name, value) in &self.relations {
            fields.push((name, value.clone().into_bytes()));
        }
        fields
    }

    fn stanza(&self, archive: &Archive) -> Vec<u8> {
        let deb = self.deb();
        let mut fields = self.fields();
        fields.push(("Filename", self.path.clone().into_bytes()));
        fields.push(("Size", deb.len().to_string().into_bytes()));
        for hash in &archive.stanza_hashes {
            fields.push((hash.in_stanza(), hash.of(&deb).into_bytes()));
        }
        fields.retain(|(name, _)| Some(*name) != archive.lacking);
        if archive.reversed {
            fields.reverse();
        }
        let spelling = archive.index_spelling;
        let mut text = Vec::new();
        if spelling == Spelling::LinesOfNothing {
            text.extend_from_slice(b"nothing\n# comment\n \n");
            if archive.lacking.is_none() && !archive.reversed {
                // Of a field that is there twice the last one counts.
                text.extend_from_slice(b"Version: 0\nFilename: nowhere\nSize: 1\n");
            }
        }
        for (name, value) in fields {
            text.extend(line(name, &value, spelling));
        }
        text.extend_from_slice(end(spelling));
        text
    }
}

impl Hash {
    fn in_stanza(self) -> &'static str {
        match self {
            Self::Md5 => "MD5sum",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    fn in_release(self) -> &'static str {
        match self {
            Self::Md5 => "MD5Sum",
            Self::Sha1 | Self::Sha256 | Self::Sha512 => self.in_stanza(),
        }
    }

    fn of(self, bytes: &[u8]) -> String {
        match self {
            Self::Md5 => hex::encode(Md5::digest(bytes)),
            Self::Sha1 => filtered("sha1sum", &[], bytes)
                .get(..40)
                .map(|digits| String::from_utf8_lossy(digits).into_owned())
                .unwrap(),
            Self::Sha256 => hex::encode(<Sha256 as sha2::Digest>::digest(bytes)),
            Self::Sha512 => hex::encode(<Sha512 as sha2::Digest>::digest(bytes)),
        }
    }
}

fn end(spelling: Spelling) -> &'static [u8] {
    if spelling == Spelling::CarriageReturns {
        b"\r\n"
    } else {
        b"\n"
    }
}

fn line(name: &str, value: &[u8], spelling: Spelling) -> Vec<u8> {
    let name = match spelling {
        Spelling::Capitals => name.to_ascii_uppercase(),
        Spelling::SmallLetters => name.to_ascii_lowercase(),
        Spelling::SpaceBeforeColon => format!("{name} "),
        Spelling::Plain | Spelling::CarriageReturns | Spelling::LinesOfNothing => name.to_owned(),
    };
    let mut text = name.into_bytes();
    text.push(b':');
    if value.first() != Some(&b'\n') {
        text.push(b' ');
    }
    text.extend_from_slice(value);
    text.push(b'\n');
    if spelling == Spelling::CarriageReturns {
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        text = lines.join(&b"\r\n"[..]);
    }
    text
}

/// Runs `bytes` through a program.
fn filtered(program: &str, arguments: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // Small enough for a pipe, so nothing has to be read meanwhile.
    input.write_all(bytes).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}");
    output.stdout
}

fn compressed(extension: &str, bytes: &[u8]) -> Vec<u8> {
    match extension {
        "" => bytes.to_vec(),
        ".gz" => filtered("gzip", &["-n", "-c"], bytes),
        ".xz" => filtered("xz", &["-c"], bytes),
        ".bz2" => filtered("bzip2", &["-c"], bytes),
        ".lzma" => filtered("xz", &["--format=lzma", "-c"], bytes),
        ".zst" => filtered("zstd", &["-q", "-c"], bytes),
        // Nobody knows it.
        _ => b"unknown".to_vec(),
    }
}

impl Archive {
    /// Writes it into `root`.
    pub(crate) fn write(&self, root: &Path, key: &TestKey) {
        let dist = root.join("dists").join(self.suite);
        let mut files = Vec::new();
        let (own, all): (Vec<_>, Vec<_>) = self
            .packages
            .iter()
            .partition(|package| !self.apart || package.architecture != "all");
        for (folder, packages) in [("amd64", own), ("all", all)] {
            if folder == "all" && !self.apart {
                continue;
            }
            let text: Vec<u8> = packages.iter().flat_map(|p| p.stanza(self)).collect();
            let folder = format!("{}/binary-{folder}", self.component);
            for extension in &self.listed {
                let name = format!("{folder}/Packages{extension}");
                let content = compressed(extension, &text);
                self.write_index(&dist, &name, extension, &content);
                let content = if self.contradicts_itself && extension.is_empty() {
                    [&text[..], b"\n"].concat()
                } else {
                    content
                };
                files.push((name, content));
            }
        }
        for package in &self.packages {
            save(
                &root.join(package.path.trim_start_matches('/')),
                &package.deb(),
            );
        }
        let release = self.release(&files);
        save(&dist.join("Release"), &release);
        let detached = key.sign_detached(&release, DATE).unwrap();
        let inline = key.sign_inline_bytes(&release, DATE).unwrap();
        if matches!(self.signing, Signing::Inline | Signing::Both) {
            save(&dist.join("InRelease"), &inline);
        }
        if matches!(self.signing, Signing::Detached | Signing::Both) {
            save(&dist.join("Release.gpg"), detached.as_bytes());
        }
    }

    fn write_index(&self, dist: &Path, name: &str, extension: &str, content: &[u8]) {
        if !self.served.contains(&extension) {
            return;
        }
        if self.by_hash != ByHash::Only {
            save(&dist.join(name), content);
        }
        if matches!(self.by_hash, ByHash::Only | ByHash::Both) {
            let folder = dist.join(name).parent().map(PathBuf::from).unwrap();
            for hash in &self.release_hashes {
                let kind = hash.in_release();
                save(
                    &folder.join("by-hash").join(kind).join(hash.of(content)),
                    content,
                );
            }
        }
    }

    fn release(&self, files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut fields: Vec<(&str, Vec<u8>)> = self
            .fields
            .iter()
            .map(|(name, value)| (*name, value.clone().into_bytes()))
            .collect();
        fields.push(("Label", b"Caf\xe9".to_vec()));
        if self.by_hash != ByHash::No {
            fields.push(("Acquire-By-Hash", b"yes".to_vec()));
        }
        for hash in &self.release_hashes {
            let mut list = Vec::new();
            for (name, content) in files {
                let entry = format!("\n {} {} {name}", hash.of(content), content.len());
                list.extend(entry.into_bytes());
            }
            fields.push((hash.in_release(), list));
        }
        if self.reversed {
            fields.reverse();
        }
        let mut text = Vec::new();
        for (name, value) in fields {
            text.extend(line(name, &value, self.release_spelling));
            if self.release_spelling == Spelling::LinesOfNothing {
                text.extend_from_slice(b"nothing\n");
            }
        }
        text
    }
}

fn save(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
