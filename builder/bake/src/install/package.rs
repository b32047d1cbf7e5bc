//! Owns unpacking one package: its claims on paths, and its files.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Read};

use md5::{Digest, Md5};

use super::contest::Contest;
use super::error::{Failure, InstallError};
use super::extract::{Brought, Unpacked, Work, lock};
use super::namespace::{Attributes, Claim, Owner};
use super::shipped::{NamedOwner, Shipped, ShippedKind};
use super::unpack::{FileAttributes, Writer, split};
use crate::deb::{Control, Deb, Kind, Member};

/// One package while it is unpacked.
pub(super) struct Package<'a, 'w> {
    work: &'a Work<'a>,
    owner: usize,
    writer: &'a mut Writer<'w>,
    /// Parents as shipped, and where they are.
    parents: HashMap<Vec<u8>, Vec<u8>>,
    conffiles: Option<HashSet<Vec<u8>>>,
    shipped: Vec<Shipped>,
    owners: BTreeSet<NamedOwner>,
    contests: Vec<Contest>,
    md5sums: Option<Vec<Md5sum>>,
}

/// The digest of a file, with its path as shipped, relative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Md5sum {
    pub(super) path: Vec<u8>,
    pub(super) digest: String,
}

impl<'a, 'w> Package<'a, 'w> {
    pub(super) fn new(work: &'a Work<'a>, owner: usize, writer: &'a mut Writer<'w>) -> Self {
        Self {
            work,
            owner,
            writer,
            parents: HashMap::new(),
            conffiles: None,
            shipped: vec![Shipped::root()],
            owners: BTreeSet::new(),
            contests: Vec::new(),
            md5sums: None,
        }
    }

    pub(super) fn unpack(mut self, deb: &Deb) -> Result<Brought, InstallError> {
        let name = deb.locked.name.as_str();
        let control = deb
            .read(&mut |control: &Control, member, content: &mut dyn Read| {
                self.begin(control);
                let path = member.path.clone();
                self.member(&member, content).map_err(|fault| match fault {
                    Fault::Io(source) => Failure::Install(InstallError::File {
                        operation: "write",
                        path: format!("/{}", String::from_utf8_lossy(&path)),
                        package: name.to_owned(),
                        source,
                    }),
                    Fault::Taken(holder) => Failure::Install(self.conflict(name, &path, holder)),
                })
            })
            .map_err(|failure: Failure| failure.of(name))?;
        // dpkg makes symbolic links after everything else.
        self.shipped
            .sort_by_key(|shipped| shipped.kind == ShippedKind::Link);
        let unpacked = Unpacked {
            locked: deb.locked.clone(),
            path: deb.path.clone(),
            control,
            shipped: self.shipped,
            owners: self.owners,
            md5sums: self.md5sums,
            left_to_dpkg: None,
            for_dpkg: Vec::new(),
            is_looked_for: false,
        };
        Ok(Brought {
            unpacked,
            contests: self.contests,
            claims: Vec::new(),
        })
    }

    /// Happens once, as soon as the control member is known.
    fn begin(&mut self, control: &Control) {
        if self.conffiles.is_some() {
            return;
        }
        let conffiles = control.conffiles();
        self.conffiles = Some(
            conffiles
                .into_iter()
                .map(|conffile| conffile.path.get(1..).unwrap_or_default().to_vec())
                .collect(),
        );
        self.md5sums = control.file("md5sums").is_none().then(Vec::new);
        lock(&self.work.namespace).set_owner(self.owner, Owner::of(control));
    }

    fn conflict(&self, name: &str, path: &[u8], holder: usize) -> InstallError {
        let namespace = lock(&self.work.namespace);
        let first = holder
            .checked_sub(self.work.base)
            .and_then(|index| self.work.debs.get(index))
            .map(|deb| deb.locked.name.clone())
            .or_else(|| namespace.owner(holder).map(|owner| owner.name.clone()));
        InstallError::Conflict {
            path: format!("/{}", String::from_utf8_lossy(path)),
            first: first.unwrap_or_else(|| "the base system".to_owned()),
            second: name.to_owned(),
        }
    }

    fn member(&mut self, member: &Member, content: &mut dyn Read) -> Result<(), Fault> {
        if member.path.is_empty() {
            return Ok(());
        }
        self.owners.extend(NamedOwner::of(member));
        let place = match &member.kind {
            Kind::Directory => Some(self.directory(member)?),
            Kind::File => self.file(member, content)?,
            Kind::Symlink(target) => {
                let place = self.claim(&member.path, Some(target))?;
                if let Some(place) = &place {
                    let attributes = FileAttributes::of(member);
                    self.writer.symlink(place, target, attributes)?;
                }
                place
            }
            Kind::Hardlink(existing) => {
                let source = self.place(existing);
                let place = self.claim(&member.path, None)?;
                if let Some(place) = &place {
                    self.writer
                        .hardlink(place, &source, FileAttributes::of(member))?;
                }
                self.note_same_digest(&member.path, existing);
                place
            }
        };
        self.shipped.push(Shipped {
            path: [b"/", member.path.as_slice()].concat(),
            kind: ShippedKind::of(member),
            place,
        });
        Ok(())
    }

    fn file(&mut self, member: &Member, content: &mut dyn Read) -> Result<Option<Vec<u8>>, Fault> {
        let place = self.claim(&member.path, None)?;
        let mut digest = self.md5sums.is_some().then(Md5::new);
        let mut observe = |bytes: &[u8]| {
            if let Some(digest) = &mut digest {
                digest.update(bytes);
            }
        };
        let attributes = FileAttributes::of(member);
        match &place {
            Some(place) => self.writer.file(place, attributes, content, &mut observe)?,
            None => self.writer.observe(content, &mut observe)?,
        }
        if let (Some(md5sums), Some(digest)) = (&mut self.md5sums, digest) {
            md5sums.push(Md5sum {
                path: member.path.clone(),
                digest: hex::encode(digest.finalize()),
            });
        }
        Ok(place)
    }

    fn directory(&mut self, member: &Member) -> Result<Vec<u8>, Fault> {
        let place = {
            let mut namespace = lock(&self.work.namespace);
            let place = namespace.resolve(&member.path);
            namespace
                .claim_directory(&place, Attributes::of(member), self.owner)
                .map_err(Fault::Taken)?;
            place
        };
        self.writer.directory(&place)?;
        self.parents.insert(member.path.clone(), place.clone());
        Ok(place)
    }

    /// Claims the path and says where to write it; `None` when another package has it, which is
    /// settled when all packages are known.
    fn claim(&mut self, path: &[u8], target: Option<&[u8]>) -> Result<Option<Vec<u8>>, Fault> {
        let resolved = self.resolved(path);
        let place = self.suffixed(path, resolved.clone());
        let claim = lock(&self.work.namespace).claim(&resolved, target, self.owner);
        match claim {
            Claim::Granted => Ok(Some(place)),
            // Of what a package ships twice, the last one counts.
            Claim::Held(holder) if holder == self.owner => Ok(Some(place)),
            Claim::Held(holder) => {
                self.contests.push(Contest {
                    path: path.to_vec(),
                    resolved,
                    place,
                    target: target.map(<[u8]>::to_vec),
                    holder,
                    challenger: self.owner,
                });
                Ok(None)
            }
            Claim::IsDirectory(holder) => Err(Fault::Taken(holder)),
        }
    }

    fn place(&mut self, path: &[u8]) -> Vec<u8> {
        let resolved = self.resolved(path);
        self.suffixed(path, resolved)
    }

    /// dpkg installs configuration files when it configures the package.
    fn suffixed(&self, path: &[u8], resolved: Vec<u8>) -> Vec<u8> {
        let is_conffile = self
            .conffiles
            .as_ref()
            .is_some_and(|paths| paths.contains(path));
        if is_conffile {
            [resolved.as_slice(), b".dpkg-new"].concat()
        } else {
            resolved
        }
    }

    fn resolved(&mut self, path: &[u8]) -> Vec<u8> {
        let (parent, name) = split(path);
        if parent.is_empty() {
            return name.to_vec();
        }
        if let Some(known) = self.parents.get(parent) {
            return [known.as_slice(), b"/", name].concat();
        }
        let resolved = lock(&self.work.namespace).resolve(parent);
        let whole = [resolved.as_slice(), b"/", name].concat();
        self.parents.insert(parent.to_vec(), resolved);
        whole
    }

    /// The other name of a file has its digest.
    fn note_same_digest(&mut self, path: &[u8], existing: &[u8]) {
        let Some(md5sums) = &mut self.md5sums else {
            return;
        };
        let known = md5sums.iter().find(|known| known.path == existing);
        if let Some(digest) = known.map(|known| known.digest.clone()) {
            let path = path.to_vec();
            md5sums.push(Md5sum { path, digest });
        }
    }
}

enum Fault {
    Io(io::Error),
    /// Something of another kind is there, of the package with this index.
    Taken(usize),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
