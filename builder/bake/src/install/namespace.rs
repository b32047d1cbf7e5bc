//! Owns the namespace: what the packages seen so far ship where. Must not look at any tree: layers
//! are unpacked while the ones below them are still being configured.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Write};

use super::order;
use crate::deb::relation::parse_relations;
use crate::deb::{Control, Member};

/// How many symbolic links a path may lead through, as in the kernel.
const LINK_LIMIT: usize = 40;

/// The directories that a merged `/usr` makes symbolic links of.
const ALIASES: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// What the packages of all layers so far ship.
#[derive(Clone, Debug)]
pub struct Namespace {
    entries: HashMap<Vec<u8>, Entry>,
    owners: Vec<Owner>,
}

/// A package that ships something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Owner {
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Its `Replaces` field.
    pub(super) replaces: String,
    /// Its `Provides` field.
    pub(super) provides: String,
}

/// Mode and owner of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Owner {
    pub(super) fn of(control: &Control) -> Self {
        let field = |name| control.fields.get(name).unwrap_or_default().to_owned();
        Self {
            name: control.package().to_owned(),
            version: control.version().to_owned(),
            replaces: field("Replaces"),
            provides: field("Provides"),
        }
    }

    /// Whether it may have what the other one ships.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        parse_relations(&self.replaces)
            .iter()
            .flatten()
            .any(|relation| relation.matches(&other.name, &other.version))
    }
}

impl Attributes {
    pub(super) fn of(member: &Member) -> Self {
        Self {
            mode: member.mode,
            uid: member.uid,
            gid: member.gid,
        }
    }
}

/// What a directory has that no package ships.
pub(super) const PLAIN: Attributes = Attributes {
    mode: 0o755,
    uid: 0,
    gid: 0,
};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// The first package in order decides, as with dpkg, which never changes an existing directory.
    Directory {
        attributes: Attributes,
        owner: usize,
    },
    Link {
        target: Vec<u8>,
        owner: usize,
    },
    File {
        owner: usize,
    },
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The path is the claimer's.
    Granted,
    /// Another package ships it; its index.
    Held(usize),
    /// It is a directory of another package; its index.
    IsDirectory(usize),
}

/// Nobody's: the symbolic links of a merged `/usr` before a package ships them.
const NOBODY: usize = usize::MAX;

impl Default for Namespace {
    fn default() -> Self {
        let entries = ALIASES
            .iter()
            .map(|alias| {
                let link = Entry::Link {
                    target: format!("usr/{alias}").into_bytes(),
                    owner: NOBODY,
                };
                (alias.as_bytes().to_vec(), link)
            })
            .collect();
        Self {
            entries,
            owners: Vec::new(),
        }
    }
}

impl Namespace {
    /// Whether no package was seen yet.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Makes room for packages and gives the index of the first. Order decides about directories'
    /// attributes.
    pub(super) fn reserve(&mut self, count: usize) -> usize {
        let first = self.owners.len();
        self.owners.resize(first + count, Owner::default());
        first
    }

    pub(super) fn set_owner(&mut self, index: usize, owner: Owner) {
        if let Some(slot) = self.owners.get_mut(index) {
            *slot = owner;
        }
    }

    pub(super) fn owner(&self, index: usize) -> Option<&Owner> {
        self.owners.get(index)
    }

    /// The names that the packages so far have and provide.
    pub(super) fn installed(&self) -> HashSet<String> {
        self.owners
            .iter()
            .flat_map(|owner| order::names(&owner.name, Some(&owner.provides)))
            .collect()
    }

    /// The attributes of the directory `path`, if a package ships it.
    pub(super) fn attributes(&self, path: &[u8]) -> Option<Attributes> {
        match self.entries.get(path)? {
            Entry::Directory { attributes, .. } => Some(*attributes),
            Entry::File { .. } | Entry::Link { .. } => None,
        }
    }

    /// The aliases of a merged `/usr` that no package ships.
    pub(super) fn missing_aliases(&self) -> impl Iterator<Item = &'static str> {
        ALIASES.into_iter().filter(|alias| {
            matches!(
                self.entries.get(alias.as_bytes()),
                Some(Entry::Link { owner: NOBODY, .. })
            )
        })
    }

    /// `path` with every symbolic link in it followed, its last part too. Links that would leave the
    /// tree stay in it.
    pub(super) fn resolve(&self, path: &[u8]) -> Vec<u8> {
        let mut pending: Vec<Vec<u8>> = parts(path).rev().map(<[u8]>::to_vec).collect();
        let mut resolved: Vec<u8> = Vec::with_capacity(path.len() + 8);
        let mut links = 0;
        while let Some(part) = pending.pop() {
            if part == b".." {
                let end = resolved.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                resolved.truncate(end);
                continue;
            }
            let parent = resolved.len();
            if parent > 0 {
                resolved.push(b'/');
            }
            resolved.extend_from_slice(&part);
            let Some(Entry::Link { target, .. }) = self.entries.get(&resolved) else {
                continue;
            };
            links += 1;
            if links > LINK_LIMIT {
                continue;
            }
            resolved.truncate(if target.starts_with(b"/") { 0 } else { parent });
            pending.extend(parts(target).rev().map(<[u8]>::to_vec));
        }
        resolved
    }

    /// Claims a directory; `Err` is the index of the package that has something else there.
    pub(super) fn claim_directory(
        &mut self,
        path: &[u8],
        attributes: Attributes,
        owner: usize,
    ) -> Result<(), usize> {
        match self.entries.get_mut(path) {
            None => {
                self.entries
                    .insert(path.to_vec(), Entry::Directory { attributes, owner });
                Ok(())
            }
            Some(Entry::Directory {
                attributes: known,
                owner: first,
            }) => {
                if owner < *first {
                    *known = attributes;
                    *first = owner;
                }
                Ok(())
            }
            Some(Entry::File { owner } | Entry::Link { owner, .. }) => Err(*owner),
        }
    }

    /// Claims a file, or with `target` a symbolic link.
    pub(super) fn claim(&mut self, path: &[u8], target: Option<&[u8]>, owner: usize) -> Claim {
        match self.entries.get(path) {
            Some(Entry::Directory { owner, .. }) => return Claim::IsDirectory(*owner),
            Some(Entry::Link { owner: NOBODY, .. }) | None => {}
            Some(Entry::File { owner: held } | Entry::Link { owner: held, .. }) => {
                return Claim::Held(*held);
            }
        }
        self.give(path, target, owner);
        Claim::Granted
    }

    /// Makes a file or link `owner`'s, whoever had it.
    pub(super) fn give(&mut self, path: &[u8], target: Option<&[u8]>, owner: usize) {
        let entry = match target {
            Some(target) => Entry::Link {
                target: target.to_vec(),
                owner,
            },
            None => Entry::File { owner },
        };
        self.entries.insert(path.to_vec(), entry);
    }
}

fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
}

impl Namespace {
    /// Writes it, so that a layer that is reused need not be unpacked to know what it ships.
    pub fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        for owner in &self.owners {
            let [replaces, provides] =
                [&owner.replaces, &owner.provides].map(|field| field.replace('\n', " "));
            let Owner { name, version, .. } = owner;
            let length = replaces.len();
            write!(
                output,
                "p {name} {version} {length} {replaces} {provides}\0"
            )?;
        }
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(path, _)| path.as_slice());
        for (path, entry) in entries {
            match entry {
                Entry::Directory { attributes, owner } => {
                    let Attributes { mode, uid, gid } = attributes;
                    write!(output, "d {owner} {mode:o} {uid} {gid} ")?;
                }
                Entry::File { owner } => write!(output, "f {owner} ")?,
                Entry::Link { target, owner } => {
                    write!(output, "l {owner} {} ", target.len())?;
                    output.write_all(target)?;
                    output.write_all(b" ")?;
                }
            }
            output.write_all(path)?;
            output.write_all(&[0])?;
        }
        Ok(())
    }

    /// Reads what [`Self::write`] wrote.
    pub fn read(input: &mut dyn BufRead) -> io::Result<Self> {
        let mut namespace = Self {
            entries: HashMap::new(),
            owners: Vec::new(),
        };
        loop {
            let mut record = Vec::new();
            if input.read_until(0, &mut record)? == 0 {
                return Ok(namespace);
            }
            record.pop();
            namespace.read_record(&record).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a record of the namespace is damaged",
                )
            })?;
        }
    }

    fn read_record(&mut self, record: &[u8]) -> Option<()> {
        let (kind, rest) = field(record)?;
        if kind == b"p" {
            let (name, rest) = field(rest)?;
            let (version, rest) = field(rest)?;
            let (length, rest) = field(rest)?;
            let (replaces, rest) = rest.split_at_checked(number(length, 10)?)?;
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
            self.owners.push(Owner {
                name: text(name)?,
                version: text(version)?,
                replaces: text(replaces)?,
                provides: text(rest.strip_prefix(b" ")?)?,
            });
            return Some(());
        }
        let (owner, rest) = field(rest)?;
        let owner = number(owner, 10)?;
        let (entry, path) = match kind {
            b"f" => (Entry::File { owner }, rest),
            b"d" => {
                let (mode, rest) = field(rest)?;
                let (uid, rest) = field(rest)?;
                let (gid, rest) = field(rest)?;
                let attributes = Attributes {
                    mode: u32::try_from(number(mode, 8)?).ok()?,
                    uid: u32::try_from(number(uid, 10)?).ok()?,
                    gid: u32::try_from(number(gid, 10)?).ok()?,
                };
                (Entry::Directory { attributes, owner }, rest)
            }
            b"l" => {
                let (length, rest) = field(rest)?;
                let (target, rest) = rest.split_at_checked(number(length, 10)?)?;
                let target = target.to_vec();
                (Entry::Link { target, owner }, rest.strip_prefix(b" ")?)
            }
            _ => return None,
        };
        self.entries.insert(path.to_vec(), entry);
        Some(())
    }
}

fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b' ')?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

fn number(bytes: &[u8], radix: u32) -> Option<usize> {
    usize::from_str_radix(std::str::from_utf8(bytes).ok()?, radix).ok()
}
