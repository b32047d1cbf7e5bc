//! Owns the ar archive of a .deb: its three members in their order, read once, front to back, while
//! the digest is computed.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use vmimage_plan::lock::LockedPackage;

use super::compression::decompress;
use super::control::{Control, ControlFile};
use super::copy::{Copying, UncompressedCopy};
use super::error::DebError;
use super::hashing::Hashing;
use super::paragraph::Paragraph;

/// How much is read, and hashed, at once.
const READ_SIZE: usize = 128 << 10;

/// A control member larger than this is not one; the largest in Debian has a few MiB.
const CONTROL_LIMIT: u64 = 64 << 20;

/// A .deb file and what the lock says about it.
#[derive(Clone, Debug)]
pub struct Deb {
    /// The lock's entry.
    pub locked: LockedPackage,
    /// Where the file is.
    pub path: PathBuf,
}

/// An entry of the data member.
#[derive(Debug)]
pub struct Member {
    /// Path relative to the root of the tree, without `.`, `..` or empty parts; empty for the root.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// The owner's name; empty where there is none.
    pub user: Vec<u8>,
    /// The group's name; empty where there is none.
    pub group: Vec<u8>,
    /// Seconds since 1970.
    pub mtime: u64,
}

/// Looks at an entry of the data member, with its content.
pub type Visit<'a, E> = dyn FnMut(&Control, Member, &mut dyn Read) -> Result<(), E> + 'a;

/// What a [`Member`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link to this target.
    Symlink(Vec<u8>),
    /// Another name of this file of the same package, as a relative path.
    Hardlink(Vec<u8>),
}

impl Deb {
    /// Reads the .deb from front to back: control first, then every entry of the data member with
    /// its content. Verifies size, digest and identity; `visit` may have been called before a wrong
    /// digest is noticed, so that what it made counts only when this returns `Ok`.
    pub fn read<E: From<DebError>>(&self, visit: &mut Visit<'_, E>) -> Result<Control, E> {
        self.read_copying(None, visit)
    }

    /// As [`Self::read`]; with `copy`, also writes the same package without compression there.
    pub fn read_copying<E: From<DebError>>(
        &self,
        copy: Option<&Path>,
        visit: &mut Visit<'_, E>,
    ) -> Result<Control, E> {
        let mut failure = None;
        let result = self.read_members(copy, &mut |control, member, content| {
            visit(control, member, content).map_err(|error| {
                failure = Some(error);
                Stopped::Visitor
            })
        });
        match result {
            Ok(control) => Ok(control),
            // A damaged file explains whatever was found in it.
            Err(Stopped::Deb(error)) => Err(self.verify().err().unwrap_or(error).into()),
            Err(Stopped::Visitor) => {
                self.verify()?;
                Err(failure.unwrap_or_else(|| self.malformed("it was not read to its end").into()))
            }
        }
    }

    /// Reads the control member alone. Nothing is verified but the package's identity: whoever uses
    /// its files reads the whole .deb.
    pub fn control(&self) -> Result<Control, DebError> {
        let reader = BufReader::with_capacity(READ_SIZE, self.open()?);
        let mut archive = ar::Archive::new(reader);
        let read = self
            .check_format_version(&mut archive)
            .and_then(|()| self.control_tar(&mut archive))
            .and_then(|tar| self.parse_control_tar(&tar));
        match read {
            // A damaged file explains whatever was found in it.
            Err(error) => Err(self.verify().err().unwrap_or(error)),
            Ok(control) => self.check_identity(&control).map(|()| control),
        }
    }

    /// Checks size and digest alone.
    pub fn verify(&self) -> Result<(), DebError> {
        let mut reader = self.open()?;
        io::copy(&mut reader, &mut io::sink()).map_err(|source| self.unreadable(source))?;
        self.check_digest(reader)
    }

    fn open(&self) -> Result<Hashing, DebError> {
        let file = File::open(&self.path).map_err(|source| self.unreadable(source))?;
        let found = file
            .metadata()
            .map_err(|source| self.unreadable(source))?
            .len();
        if found != self.locked.size {
            return Err(DebError::Size {
                path: self.name(),
                expected: self.locked.size,
                found,
            });
        }
        Ok(Hashing::new(file))
    }

    fn read_members(
        &self,
        copy: Option<&Path>,
        visit: &mut Visit<'_, Stopped>,
    ) -> Result<Control, Stopped> {
        let reader = BufReader::with_capacity(READ_SIZE, self.open()?);
        let mut archive = ar::Archive::new(reader);
        self.check_format_version(&mut archive)?;
        let control_tar = self.control_tar(&mut archive)?;
        let control = self.parse_control_tar(&control_tar)?;
        self.check_identity(&control)?;
        match copy {
            None => self.read_data(&mut archive, &control, &mut io::sink(), visit)?,
            Some(path) => {
                let uncopied = |source| DebError::Copy {
                    path: self.name(),
                    source,
                };
                let mut copy = UncompressedCopy::begin(path, &control_tar).map_err(uncopied)?;
                self.read_data(&mut archive, &control, &mut copy, visit)?;
                copy.finish().map_err(uncopied)?;
            }
        }
        let mut reader = archive
            .into_inner()
            .map_err(|source| self.unreadable(source))?;
        io::copy(&mut reader, &mut io::sink()).map_err(|source| self.unreadable(source))?;
        self.check_digest(reader.into_inner())?;
        Ok(control)
    }

    fn check_format_version(&self, archive: &mut Members) -> Result<(), DebError> {
        let (name, mut member) = self.next_member(archive)?;
        let mut version = Vec::new();
        (&mut member)
            .take(64)
            .read_to_end(&mut version)
            .map_err(|source| self.unreadable(source))?;
        if name == "debian-binary" && version.starts_with(b"2.") {
            Ok(())
        } else {
            Err(self.malformed("its first member is not `debian-binary` of format 2"))
        }
    }

    /// The control member without its compression.
    fn control_tar(&self, archive: &mut Members) -> Result<Vec<u8>, DebError> {
        let (name, member) = self.next_member(archive)?;
        let input = decompress(&name, "control.tar", BufReader::new(member))
            .ok_or_else(|| {
                self.malformed(&format!(
                    "its second member is `{name}` and not the control member"
                ))
            })?
            .map_err(|source| self.unreadable(source))?;
        let mut tar = Vec::new();
        input
            .take(CONTROL_LIMIT)
            .read_to_end(&mut tar)
            .map_err(|source| self.unreadable(source))?;
        Ok(tar)
    }

    fn parse_control_tar(&self, tar: &[u8]) -> Result<Control, DebError> {
        let mut tar = tar::Archive::new(tar);
        let mut control = Control::default();
        let mut found = false;
        for entry in tar.entries().map_err(|source| self.unreadable(source))? {
            let entry = entry.map_err(|source| self.unreadable(source))?;
            let Some(file) = self.read_control_file(entry)? else {
                continue;
            };
            if file.name == "control" {
                control.fields = self.parse_control(&file.bytes)?;
                found = true;
            } else {
                control.files.push(file);
            }
        }
        if found {
            Ok(control)
        } else {
            Err(self.malformed("its control member has no file `control`"))
        }
    }

    fn read_control_file(
        &self,
        mut entry: tar::Entry<'_, impl Read>,
    ) -> Result<Option<ControlFile>, DebError> {
        if !entry.header().entry_type().is_file() {
            return Ok(None);
        }
        let path = self.checked_path(&entry.path_bytes())?;
        let name = String::from_utf8_lossy(&path).into_owned();
        if name.contains('/') {
            return Err(self.malformed(&format!("its control member holds `{name}`")));
        }
        let mut bytes = Vec::new();
        entry
            .read_to_end(&mut bytes)
            .map_err(|source| self.unreadable(source))?;
        let header = entry.header();
        Ok(Some(ControlFile {
            name,
            mode: header.mode().map_err(|source| self.unreadable(source))? & 0o7777,
            mtime: header.mtime().map_err(|source| self.unreadable(source))?,
            bytes,
        }))
    }

    fn parse_control(&self, bytes: &[u8]) -> Result<Paragraph, DebError> {
        Paragraph::parse(bytes).map_err(|line| {
            self.malformed(&format!("line {line} of its control paragraph is no field"))
        })
    }

    fn check_identity(&self, control: &Control) -> Result<(), DebError> {
        let locked = &self.locked;
        let expected = [&locked.name, &locked.version, &locked.architecture];
        let found = [control.package(), control.version(), control.architecture()];
        if expected == found {
            Ok(())
        } else {
            Err(DebError::Identity {
                path: self.name(),
                expected: format!(
                    "`{} {} {}`",
                    locked.name, locked.version, locked.architecture
                ),
                found: format!("`{}`", found.join(" ")),
            })
        }
    }

    fn read_data(
        &self,
        archive: &mut Members,
        control: &Control,
        copy: &mut dyn Write,
        visit: &mut Visit<'_, Stopped>,
    ) -> Result<(), Stopped> {
        let (name, member) = self.next_member(archive)?;
        let input = decompress(
            &name,
            "data.tar",
            BufReader::with_capacity(READ_SIZE, member),
        )
        .ok_or_else(|| {
            self.malformed(&format!(
                "its third member is `{name}` and not the data member"
            ))
        })?
        .map_err(|source| self.unreadable(source))?;
        let mut tar = tar::Archive::new(Copying { input, copy });
        for entry in tar.entries().map_err(|source| self.unreadable(source))? {
            let mut entry = entry.map_err(|source| self.unreadable(source))?;
            if let Some(member) = self.member(&entry)? {
                visit(control, member, &mut entry)?;
            }
        }
        // What follows the end of the tar is padding, but a truncated stream shows only here.
        io::copy(&mut tar.into_inner(), &mut io::sink())
            .map_err(|source| self.unreadable(source))?;
        Ok(())
    }

    fn member(&self, entry: &tar::Entry<'_, impl Read>) -> Result<Option<Member>, DebError> {
        let header = entry.header();
        let path = self.checked_path(&entry.path_bytes())?;
        let link = || entry.link_name_bytes().unwrap_or_default();
        let entry_type = header.entry_type();
        let kind = if entry_type.is_dir() {
            Kind::Directory
        } else if entry_type.is_file() || entry_type.is_contiguous() {
            Kind::File
        } else if entry_type.is_symlink() {
            Kind::Symlink(link().into_owned())
        } else if entry_type.is_hard_link() {
            Kind::Hardlink(self.checked_path(&link())?)
        } else if entry_type.is_pax_global_extensions() {
            return Ok(None);
        } else {
            return Err(DebError::Unsupported {
                path: self.name(),
                member: String::from_utf8_lossy(&path).into_owned(),
                what: type_name(entry_type).to_owned(),
            });
        };
        let number = |value: io::Result<u64>| -> Result<u32, DebError> {
            let value = value.map_err(|source| self.unreadable(source))?;
            u32::try_from(value)
                .map_err(|error| self.malformed(&format!("an owner is {value} ({error})")))
        };
        Ok(Some(Member {
            path,
            kind,
            mode: header.mode().map_err(|source| self.unreadable(source))? & 0o7777,
            uid: number(header.uid())?,
            gid: number(header.gid())?,
            user: header.username_bytes().unwrap_or_default().to_vec(),
            group: header.groupname_bytes().unwrap_or_default().to_vec(),
            mtime: header.mtime().map_err(|source| self.unreadable(source))?,
        }))
    }

    /// `./usr//bin/` becomes `usr/bin`; what is absolute or climbs is refused.
    fn checked_path(&self, path: &[u8]) -> Result<Vec<u8>, DebError> {
        let unsafe_path = || DebError::UnsafePath {
            path: self.name(),
            member: String::from_utf8_lossy(path).into_owned(),
        };
        if path.starts_with(b"/") || path.is_empty() || path.contains(&0) || path.contains(&b'\n') {
            return Err(unsafe_path());
        }
        let mut checked = Vec::with_capacity(path.len());
        for part in path.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err(unsafe_path()),
                part => {
                    if !checked.is_empty() {
                        checked.push(b'/');
                    }
                    checked.extend_from_slice(part);
                }
            }
        }
        Ok(checked)
    }

    fn next_member<'a>(
        &self,
        archive: &'a mut Members,
    ) -> Result<(String, ar::Entry<'a, BufReader<Hashing>>), DebError> {
        match archive.next_entry() {
            Some(Ok(entry)) => {
                let name = String::from_utf8_lossy(entry.header().identifier());
                let name = name.trim_end_matches('/').to_owned();
                Ok((name, entry))
            }
            Some(Err(source)) => Err(self.unreadable(source)),
            None => Err(self.malformed("it has fewer than three members")),
        }
    }

    fn check_digest(&self, reader: Hashing) -> Result<(), DebError> {
        let found = reader.finish();
        if found == self.locked.sha256 {
            Ok(())
        } else {
            Err(DebError::Digest {
                path: self.name(),
                expected: self.locked.sha256.clone(),
                found,
            })
        }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn unreadable(&self, source: io::Error) -> DebError {
        DebError::Read {
            path: self.name(),
            source,
        }
    }

    fn malformed(&self, reason: &str) -> DebError {
        DebError::Format {
            path: self.name(),
            reason: reason.to_owned(),
        }
    }
}

type Members = ar::Archive<BufReader<Hashing>>;

/// Why reading stopped: the .deb, or whoever looks at its entries.
enum Stopped {
    Deb(DebError),
    Visitor,
}

impl From<DebError> for Stopped {
    fn from(error: DebError) -> Self {
        Self::Deb(error)
    }
}

fn type_name(entry_type: tar::EntryType) -> &'static str {
    if entry_type.is_character_special() || entry_type.is_block_special() {
        "a device"
    } else if entry_type.is_fifo() {
        "a named pipe"
    } else {
        "of an unknown type"
    }
}
