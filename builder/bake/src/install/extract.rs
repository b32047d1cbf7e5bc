//! Owns unpacking packages, several at a time, into the `files` directory of a layer. Must not look
//! at any other tree than the one it writes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use md5::{Digest, Md5};
use rustix::fs::{Mode, mkdirat, symlinkat};
use rustix::io::Errno;
use vmimage_plan::lock::LockedPackage;

use super::contest::{self, Contest, Loss};
use super::error::{Failure, InstallError};
use super::namespace::{Attributes, Claim, Namespace, Owner, PLAIN};
use super::unpack::{FileAttributes, Writer, set_directory, split};
use super::{Observer, Progress};
use crate::deb::{Control, Deb, Kind, Member};

/// What the packages of a layer brought.
#[derive(Debug)]
pub struct Extracted {
    pub(super) files: PathBuf,
    pub(super) packages: Vec<Unpacked>,
    pub(super) contests: Vec<Contest>,
    pub(super) losses: Vec<Loss>,
    /// Whether nothing lies below.
    pub(super) first: bool,
    /// Every directory in `files`, relative, parents first.
    pub(super) directories: BTreeSet<Vec<u8>>,
}

/// A package that was unpacked.
#[derive(Clone, Debug)]
pub struct Unpacked {
    /// The lock's entry.
    pub locked: LockedPackage,
    /// Where the .deb is.
    pub path: PathBuf,
    /// Its control member.
    pub control: Control,
    /// The paths it ships, in order, as its .deb has them but absolute.
    pub(super) paths: Vec<Vec<u8>>,
    /// `md5sums` for packages that have none, as dpkg makes it.
    pub(super) md5sums: Option<String>,
}

impl Extracted {
    /// The packages, in the order they were given.
    pub fn packages(&self) -> impl Iterator<Item = &Unpacked> {
        self.packages.iter()
    }
}

/// Unpacks `debs` into `files`, an empty directory, and verifies them while doing so. `namespace`
/// knows what the layers below ship, and learns what these packages do. After an error neither
/// `files` nor `namespace` is of any use.
pub fn extract(
    debs: &[Deb],
    files: &Path,
    namespace: &mut Namespace,
    threads: NonZeroUsize,
    observer: Observer<'_>,
) -> Result<Extracted, InstallError> {
    let first = namespace.is_empty();
    let root = File::open(files).map_err(|source| file_error("open", files, source))?;
    let base = namespace.reserve(debs.len());
    let mut queue: Vec<usize> = (0..debs.len()).collect();
    // The largest last, because workers take from the end: a large one must not be left over.
    queue.sort_by_key(|index| debs.get(*index).map(|deb| deb.locked.size));
    let work = Work {
        debs,
        base,
        namespace: Mutex::new(std::mem::take(namespace)),
        queue: Mutex::new(queue),
        stop: AtomicBool::new(false),
        done: AtomicU64::new(0),
        total: debs.iter().map(|deb| deb.locked.size).sum(),
        observer,
    };
    let results = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get().min(debs.len()))
            .map(|_| scope.spawn(|| work.take_turns(&root)))
            .collect();
        let mut results = Vec::new();
        for worker in workers {
            results.extend(
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        results
    });
    *namespace = work
        .namespace
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let mut extracted = gather(results, files, first)?;
    contest::settle(&mut extracted, namespace, base, &root)?;
    finish_directories(&extracted, namespace, &root)
        .map_err(|source| file_error("finish directories of", files, source))?;
    if first {
        let architecture = native_architecture(debs);
        make_aliases(namespace, architecture, &root)
            .map_err(|source| file_error("make links in", files, source))?;
    }
    Ok(extracted)
}

type Outcome = (usize, Result<Brought, InstallError>);

/// What one package brought.
struct Brought {
    unpacked: Unpacked,
    contests: Vec<Contest>,
    directories: Vec<Vec<u8>>,
}

struct Work<'a> {
    debs: &'a [Deb],
    base: usize,
    namespace: Mutex<Namespace>,
    queue: Mutex<Vec<usize>>,
    stop: AtomicBool,
    done: AtomicU64,
    total: u64,
    observer: Observer<'a>,
}

impl Work<'_> {
    fn take_turns(&self, root: &File) -> Vec<Outcome> {
        let mut writer = Writer::new(root.as_fd());
        let mut outcomes = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let next = lock(&self.queue).pop();
            let Some((index, deb)) = next.and_then(|index| Some((index, self.debs.get(index)?)))
            else {
                break;
            };
            (self.observer)(Progress {
                done: self.done.load(Ordering::Relaxed),
                total: self.total,
                unit: "bytes",
                doing: &deb.locked.name,
            });
            let outcome = Package::new(self, self.base + index, &mut writer).unpack(deb);
            if outcome.is_err() {
                self.stop.store(true, Ordering::Relaxed);
            }
            self.done.fetch_add(deb.locked.size, Ordering::Relaxed);
            outcomes.push((index, outcome));
        }
        outcomes
    }
}

/// One package while it is unpacked.
struct Package<'a, 'w> {
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
    fn new(work: &'a Work<'a>, owner: usize, writer: &'a mut Writer<'w>) -> Self {
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

    fn unpack(mut self, deb: &Deb) -> Result<Brought, InstallError> {
        let name = deb.locked.name.as_str();
        let control = deb
            .read(&mut |control: &Control, member, content: &mut dyn Read| {
                self.begin(control);
                let path = member.path.clone();
                self.member(member, content).map_err(|fault| match fault {
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

    fn member(&mut self, member: Member, content: &mut dyn Read) -> Result<(), Fault> {
        if member.path.is_empty() {
            return Ok(());
        }
        self.paths.push([b"/", member.path.as_slice()].concat());
        let attributes = FileAttributes::of(&member);
        match &member.kind {
            Kind::Directory => self.directory(&member),
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

/// Puts the packages in order again. Of several failures the one of the first package is told.
fn gather(mut results: Vec<Outcome>, files: &Path, first: bool) -> Result<Extracted, InstallError> {
    results.sort_by_key(|(index, _)| *index);
    let mut extracted = Extracted {
        files: files.to_owned(),
        packages: Vec::with_capacity(results.len()),
        contests: Vec::new(),
        losses: Vec::new(),
        first,
        directories: BTreeSet::new(),
    };
    for (_, outcome) in results {
        let brought = outcome?;
        for directory in &brought.directories {
            note_directory(&mut extracted.directories, directory);
        }
        extracted.packages.push(brought.unpacked);
        extracted.contests.extend(brought.contests);
    }
    Ok(extracted)
}

fn note_directory(directories: &mut BTreeSet<Vec<u8>>, path: &[u8]) {
    let mut path = path;
    while !path.is_empty() && directories.insert(path.to_vec()) {
        (path, _) = split(path);
    }
}

/// Directories get their attributes last: before that, which package decides was not known.
fn finish_directories(extracted: &Extracted, namespace: &Namespace, root: &File) -> io::Result<()> {
    for path in &extracted.directories {
        let attributes = namespace.attributes(path).unwrap_or(PLAIN);
        if attributes != PLAIN {
            set_directory(root.as_fd(), path, attributes)?;
        }
    }
    Ok(())
}

/// debootstrap makes these links where `base-files` does not ship them yet.
fn make_aliases(namespace: &Namespace, architecture: &str, root: &File) -> io::Result<()> {
    let mut aliases: Vec<&str> = namespace.missing_aliases().collect();
    if aliases.contains(&"bin") {
        let more: &[&str] = match architecture {
            "amd64" => &["lib32", "libx32"],
            _ => {
                aliases.retain(|alias| *alias != "lib64");
                &[]
            }
        };
        aliases.extend(more);
        for alias in aliases {
            let target = format!("usr/{alias}");
            match mkdirat(root, &target, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            symlinkat(&target, root, alias)?;
        }
    }
    Ok(())
}

/// The architecture of the machine that the packages are for.
pub(super) fn native_architecture(debs: &[Deb]) -> &str {
    debs.iter()
        .map(|deb| deb.locked.architecture.as_str())
        .find(|architecture| *architecture != "all")
        .unwrap_or("all")
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn file_error(operation: &'static str, path: &Path, source: io::Error) -> InstallError {
    InstallError::File {
        operation,
        path: path.display().to_string(),
        package: String::new(),
        source,
    }
}
