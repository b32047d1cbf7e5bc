//! Owns unpacking one package: its claims on paths, and its files.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};

use md5::{Digest, Md5};

use super::contest::Contest;
use super::error::{Failure, InstallError};
use super::extract::{Brought, Unpacked, Work, lock};
use super::namespace::{Attributes, Claim, Owner};
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
    paths: Vec<Vec<u8>>,
    contests: Vec<Contest>,
    directories: Vec<Vec<u8>>,
    md5sums: Option<String>,
}

impl<'a, 'w> Package<'a, 'w> {
    pub(super) fn new(work: &'a Work<'a>, owner: usize, writer: &'a mut Writer<'w>) -> Self {
        Self {
            work,
            owner,
            writer,
            parents: HashMap::new(),
            conffiles: None,
            paths: vec![b"/.".to_vec()],
            contests: Vec::new(),
            directories: Vec::new(),
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
        let unpacked = Unpacked {
            locked: deb.locked.clone(),
            path: deb.path.clone(),
            control,
            paths: self.paths,
            md5sums: self.md5sums,
        };
        Ok(Brought {
            unpacked,
            contests: self.contests,
            directories: self.directories,
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
                .map(|conffile| conffile.path.trim_start_matches('/').as_bytes().to_vec())
                .collect(),
        );
        self.md5sums = control.file("md5sums").is_none().then(String::new);
        let owner = Owner {
            name: control.package().to_owned(),
            version: control.version().to_owned(),
            replaces: control
                .fields
                .get("Replaces")
                .unwrap_or_default()
                .to_owned(),
        };
        lock(&self.work.namespace).set_owner(self.owner, owner);
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
        self.paths.push([b"/", member.path.as_slice()].concat());
        let attributes = FileAttributes::of(member);
        match &member.kind {
            Kind::Directory => self.directory(member),
            Kind::File => {
                let Some(place) = self.claim(&member.path, None)? else {
                    return Ok(());
                };
                let mut digest = self.md5sums.is_some().then(Md5::new);
                self.writer
                    .file(&place, attributes, content, &mut |bytes| {
                        if let Some(digest) = &mut digest {
                            digest.update(bytes);
                        }
                    })?;
                self.note_digest(&member.path, digest);
                Ok(())
            }
            Kind::Symlink(target) => {
                if let Some(place) = self.claim(&member.path, Some(target))? {
                    self.writer.symlink(&place, target, attributes)?;
                }
                Ok(())
            }
            Kind::Hardlink(existing) => {
                let existing = self.place(existing);
                if let Some(place) = self.claim(&member.path, None)? {
                    self.writer.hardlink(&place, &existing)?;
                }
                Ok(())
            }
        }
    }

    fn directory(&mut self, member: &Member) -> Result<(), Fault> {
        let attributes = Attributes {
            mode: member.mode,
            uid: member.uid,
            gid: member.gid,
        };
        let place = {
            let mut namespace = lock(&self.work.namespace);
            let place = namespace.resolve(&member.path);
            namespace
                .claim_directory(&place, attributes, self.owner)
                .map_err(Fault::Taken)?;
            place
        };
        self.writer.directory(&place)?;
        self.directories.push(place.clone());
        self.parents.insert(member.path.clone(), place);
        Ok(())
    }

    /// Claims the path and says where to write it; `None` when another package has it, which is
    /// settled when all packages are known.
    fn claim(&mut self, path: &[u8], target: Option<&[u8]>) -> Result<Option<Vec<u8>>, Fault> {
        let resolved = self.resolved(path);
        let claim = lock(&self.work.namespace).claim(&resolved, target, self.owner);
        match claim {
            Claim::Granted => Ok(Some(self.suffixed(path, resolved))),
            Claim::Held(holder) => {
                self.contests.push(Contest {
                    path: path.to_vec(),
                    resolved,
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

    fn note_digest(&mut self, path: &[u8], digest: Option<Md5>) {
        let is_conffile = self
            .conffiles
            .as_ref()
            .is_some_and(|paths| paths.contains(path));
        if let (Some(md5sums), Some(digest), false) = (&mut self.md5sums, digest, is_conffile) {
            md5sums.push_str(&hex::encode(digest.finalize()));
            md5sums.push_str("  ");
            md5sums.push_str(&String::from_utf8_lossy(path));
            md5sums.push('\n');
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
