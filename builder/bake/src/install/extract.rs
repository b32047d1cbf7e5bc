//! Owns unpacking packages, several at a time, into the `files` directory of a layer. Must not look
//! at any other tree than the one it writes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use vmimage_plan::lock::LockedPackage;

use super::contest::{self, Contest, Loss, Replaced, Undecided};
use super::directories::{finish_directories, make_aliases};
use super::error::InstallError;
use super::handover::{self, LaterClaim};
use super::namespace::Namespace;
use super::order;
use super::package::{Md5sum, Package};
use super::shipped::{NamedOwner, Shipped};
use super::unpack::{Writer, split};
use super::{Observer, Progress};
use crate::deb::{Control, Deb};

/// What the packages of a layer brought.
#[derive(Debug)]
pub struct Extracted {
    pub(super) files: PathBuf,
    pub(super) packages: Vec<Unpacked>,
    pub(super) undecided: Vec<Undecided>,
    pub(super) losses: Vec<Loss>,
    pub(super) replaced: Vec<Replaced>,
    /// Whether nothing lies below.
    pub(super) first: bool,
    /// Every directory in `files`, relative, parents first.
    pub(super) directories: BTreeSet<Vec<u8>>,
}

/// A package that was unpacked, or that dpkg will unpack.
#[derive(Clone, Debug)]
pub struct Unpacked {
    /// The lock's entry.
    pub locked: LockedPackage,
    /// Where the .deb is.
    pub path: PathBuf,
    /// Its control member.
    pub control: Control,
    /// What it ships, in order. Empty for a package that dpkg will unpack.
    pub(super) shipped: Vec<Shipped>,
    /// The owners that it names.
    pub(super) owners: BTreeSet<NamedOwner>,
    /// `md5sums` for packages that have none, as dpkg makes it.
    pub(super) md5sums: Option<Vec<Md5sum>>,
    /// What dpkg is given where it has to unpack the package: a .deb of the same content.
    pub(super) left_to_dpkg: Option<PathBuf>,
    /// The relative paths that dpkg will unpack, where it is left to dpkg.
    pub(super) for_dpkg: Vec<Vec<u8>>,
    /// Whether it is left to dpkg because another one's `preinst` would find something of it.
    pub(super) is_looked_for: bool,
}

impl Extracted {
    /// The packages, in the order they were given.
    pub fn packages(&self) -> impl Iterator<Item = &Unpacked> {
        self.packages.iter()
    }

    /// Notes which directories `files` must have for what is in it.
    pub(super) fn note_directories(&mut self) {
        self.note_shipped_directories();
        for shipped in self.packages.iter().flat_map(|package| &package.shipped) {
            if let Some(parent) = shipped.parent() {
                note_directory(&mut self.directories, parent);
            }
        }
    }

    /// Notes the directories that packages ship, and those that these are in.
    pub(super) fn note_shipped_directories(&mut self) {
        self.directories.clear();
        for shipped in self.packages.iter().flat_map(|package| &package.shipped) {
            if let Some(place) = shipped.place.as_ref().filter(|_| shipped.is_directory()) {
                note_directory(&mut self.directories, place);
            }
        }
    }
}

impl Unpacked {
    /// Takes a relative path out of the digests.
    pub(super) fn forget_digest(&mut self, path: &[u8]) -> Option<Md5sum> {
        let md5sums = self.md5sums.as_mut()?;
        let index = md5sums.iter().position(|known| known.path == path)?;
        Some(md5sums.remove(index))
    }

    /// Takes back what had gone to another package.
    pub(super) fn take_back(&mut self, replaced: Replaced) {
        let position = replaced.position.min(self.shipped.len());
        self.shipped.insert(position, replaced.shipped);
        if let (Some(md5sums), Some(digest)) = (&mut self.md5sums, replaced.digest) {
            md5sums.push(digest);
        }
    }

    /// Notes where a relative path was written.
    pub(super) fn note_place(&mut self, path: &[u8], place: Vec<u8>) {
        if let Some(shipped) = self.shipped.iter_mut().find(|s| s.is_of(path)) {
            shipped.place = Some(place);
        }
    }

    /// Where a relative path was written.
    pub(super) fn place_of(&self, path: &[u8]) -> Option<&[u8]> {
        let shipped = self.shipped.iter().find(|shipped| shipped.is_of(path))?;
        shipped.place.as_deref()
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
    let controls = read_controls(debs)?;
    let left_to_dpkg =
        order::left_to_dpkg(&controls.iter().collect::<Vec<_>>(), &namespace.installed());
    let copies = handover::make_directory(files, &left_to_dpkg)?;
    let root = File::open(files).map_err(|source| file_error("open", files, source))?;
    let base = namespace.reserve(debs.len());
    let mut queue: Vec<usize> = (0..debs.len()).collect();
    // The largest last, because workers take from the end: a large one must not be left over.
    queue.sort_by_key(|index| debs.get(*index).map(|deb| deb.locked.size));
    let work = Work {
        debs,
        base,
        left_to_dpkg,
        copies,
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
    let (mut extracted, contests, claims) = gather(results, files, first)?;
    for (index, claims) in claims {
        handover::claim(namespace, base + index, &claims);
    }
    contest::settle(&mut extracted, contests, namespace, base, &root)?;
    extracted.note_directories();
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
pub(super) struct Brought {
    pub(super) unpacked: Unpacked,
    pub(super) contests: Vec<Contest>,
    /// Of a package that dpkg will unpack.
    pub(super) claims: Vec<LaterClaim>,
}

pub(super) struct Work<'a> {
    pub(super) debs: &'a [Deb],
    pub(super) base: usize,
    pub(super) namespace: Mutex<Namespace>,
    left_to_dpkg: BTreeSet<usize>,
    /// Where the .debs are that dpkg is given.
    copies: PathBuf,
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
            let owner = self.base + index;
            let outcome = if self.left_to_dpkg.contains(&index) {
                handover::read(self, owner, deb, &self.copies)
            } else {
                Package::new(self, owner, &mut writer).unpack(deb)
            };
            if outcome.is_err() {
                self.stop.store(true, Ordering::Relaxed);
            }
            self.done.fetch_add(deb.locked.size, Ordering::Relaxed);
            outcomes.push((index, outcome));
        }
        outcomes
    }
}

/// Reads the control members, by which it is decided who unpacks a package.
fn read_controls(debs: &[Deb]) -> Result<Vec<Control>, InstallError> {
    let read = |deb: &Deb| {
        let control = deb.control();
        control.map_err(|source| InstallError::Deb {
            package: deb.locked.name.clone(),
            source,
        })
    };
    debs.iter().map(read).collect()
}

/// What all packages brought: the contested paths, and what those will claim that dpkg unpacks.
type Gathered = (Extracted, Vec<Contest>, Vec<(usize, Vec<LaterClaim>)>);

/// Puts the packages in order again. Of several failures the one of the first package is told.
fn gather(mut results: Vec<Outcome>, files: &Path, first: bool) -> Result<Gathered, InstallError> {
    let mut contests = Vec::new();
    let mut claims = Vec::new();
    results.sort_by_key(|(index, _)| *index);
    let mut extracted = Extracted {
        files: files.to_owned(),
        packages: Vec::with_capacity(results.len()),
        undecided: Vec::new(),
        losses: Vec::new(),
        replaced: Vec::new(),
        first,
        directories: BTreeSet::new(),
    };
    for (index, outcome) in results {
        let brought = outcome?;
        extracted.packages.push(brought.unpacked);
        contests.extend(brought.contests);
        claims.push((index, brought.claims));
    }
    Ok((extracted, contests, claims))
}

fn note_directory(directories: &mut BTreeSet<Vec<u8>>, path: &[u8]) {
    let mut path = path;
    while !path.is_empty() && directories.insert(path.to_vec()) {
        (path, _) = split(path);
    }
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
