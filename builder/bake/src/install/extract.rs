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

use super::contest::{self, Contest, Loss, Undecided};
use super::directories::{finish_directories, make_aliases};
use super::error::InstallError;
use super::namespace::Namespace;
use super::package::Package;
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
    let (mut extracted, contests) = gather(results, files, first)?;
    contest::settle(&mut extracted, contests, namespace, base, &root)?;
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
    pub(super) directories: Vec<Vec<u8>>,
}

pub(super) struct Work<'a> {
    pub(super) debs: &'a [Deb],
    pub(super) base: usize,
    pub(super) namespace: Mutex<Namespace>,
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

/// Puts the packages in order again. Of several failures the one of the first package is told.
fn gather(
    mut results: Vec<Outcome>,
    files: &Path,
    first: bool,
) -> Result<(Extracted, Vec<Contest>), InstallError> {
    let mut contests = Vec::new();
    results.sort_by_key(|(index, _)| *index);
    let mut extracted = Extracted {
        files: files.to_owned(),
        packages: Vec::with_capacity(results.len()),
        undecided: Vec::new(),
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
        contests.extend(brought.contests);
    }
    Ok((extracted, contests))
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
