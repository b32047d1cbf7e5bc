//! Owns one file of the cache: from a partial file that several processes may want to write, to a
//! whole and verified one. Must not know what the file is for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::control::Control;
use super::digest::{Digest, Hasher};
use super::error::DownloadError;
use super::transport::{Transport, TransportError};
use super::url::Url;
use crate::space::free_bytes;

/// How often a file is asked for.
const ATTEMPTS: u32 = 4;
/// The pause after the first attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(400);
/// How often a file that another process is downloading is looked at.
const POLL: Duration = Duration::from_millis(200);
/// How many looks without any growth make the other process count as stuck (two minutes).
const PATIENCE: u32 = 600;
/// What a file system must have beyond what is downloaded.
const SPARE: u64 = 16 << 20;

/// How far files that the cache already has are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verify {
    /// Their size and SHA-256.
    All,
    /// Their size; whoever reads them later checks the rest.
    SizeOnly,
}

/// A file that must come to be in the cache.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Where it is found; each is tried when the ones before it do not exist.
    pub(crate) urls: Vec<Url>,
    /// Its final path.
    pub(crate) path: PathBuf,
    /// What it hashes to.
    pub(crate) digest: Digest,
    /// Its size.
    pub(crate) size: u64,
}

/// How a file got into the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// It was there.
    Cached,
    /// It was downloaded, at least in part.
    Downloaded,
}

/// Makes sure that the file system of `folder` can take the files that are still missing.
pub(crate) fn make_room<'a>(
    folder: &Path,
    files: impl Iterator<Item = &'a Wanted>,
) -> Result<(), DownloadError> {
    let size_of = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let missing: u64 = files
        .map(|wanted| {
            let have = size_of(&wanted.path).max(size_of(&part_path(&wanted.path)));
            wanted.size.saturating_sub(have)
        })
        .fold(0, u64::saturating_add);
    if missing == 0 {
        return Ok(());
    }
    let available =
        free_bytes(folder).map_err(DownloadError::io("measure the free space of", folder))?;
    let needed = missing.saturating_add(SPARE);
    if available < needed {
        return Err(DownloadError::Full {
            path: folder.to_owned(),
            needed,
            available,
        });
    }
    Ok(())
}

/// Brings one file into the cache; `on_bytes` hears of every chunk.
pub(crate) fn obtain(
    transport: &Transport,
    wanted: &Wanted,
    verify: Verify,
    control: &Control,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<Got, DownloadError> {
    if is_cached(wanted, verify)? {
        return Ok(Got::Cached);
    }
    let Some(mut part) = Part::lock(wanted, control)? else {
        return Ok(Got::Cached);
    };
    let mut pause = PAUSE;
    let mut attempt = 1;
    loop {
        match part.fill_from_any(transport, wanted, control, on_bytes) {
            Ok(()) => return part.finish(wanted),
            Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                if control.pause(pause) {
                    return Err(DownloadError::Stopped);
                }
                attempt += 1;
                pause *= 2;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether the cache has a file; one that is not what it should be is removed.
fn is_cached(wanted: &Wanted, verify: Verify) -> Result<bool, DownloadError> {
    let path = &wanted.path;
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(DownloadError::io("look at", path)(error)),
    };
    let good = metadata.len() == wanted.size
        && match verify {
            Verify::SizeOnly => true,
            Verify::All => hash_file(path, &wanted.digest)? == wanted.digest.hex(),
        };
    if !good {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(DownloadError::io("remove the corrupt", path)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(good)
}

/// The digits of a digest of the same kind as `like`.
pub(crate) fn hash_file(path: &Path, like: &Digest) -> Result<String, DownloadError> {
    let mut file = File::open(path).map_err(DownloadError::io("open", path))?;
    let (hasher, _) =
        hash_rest(&mut file, like.hasher()).map_err(DownloadError::io("read", path))?;
    Ok(hasher.finish())
}

/// Hashes from where a file stands to its end.
fn hash_rest(file: &mut File, mut hasher: Hasher) -> io::Result<(Hasher, u64)> {
    let mut count = 0;
    let mut chunk = vec![0; 128 << 10];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok((hasher, count)),
            Ok(read) => {
                hasher.update(chunk.get(..read).unwrap_or_default());
                count += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn part_path(path: &Path) -> PathBuf {
    path.with_extension("part")
}

/// A partial file that this process alone may write.
struct Part {
    file: File,
    path: PathBuf,
}

impl Part {
    /// Takes the partial file; `None` when another process completed it meanwhile.
    fn lock(wanted: &Wanted, control: &Control) -> Result<Option<Self>, DownloadError> {
        let path = part_path(&wanted.path);
        let (mut looks, mut last_size) = (0, 0);
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(DownloadError::io("create", &path))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    // Whoever held the lock may have renamed the file away.
                    let ours = file
                        .metadata()
                        .map_err(DownloadError::io("look at", &path))?
                        .ino();
                    if fs::metadata(&path).is_ok_and(|current| current.ino() == ours) {
                        if is_cached(wanted, Verify::SizeOnly)? {
                            fs::remove_file(&path).map_err(DownloadError::io("remove", &path))?;
                            return Ok(None);
                        }
                        return Ok(Some(Self { file, path }));
                    }
                }
                Err(Errno::WOULDBLOCK) => {
                    let size = file.metadata().map_or(last_size, |metadata| metadata.len());
                    looks = if size == last_size { looks + 1 } else { 0 };
                    last_size = size;
                    if looks > PATIENCE {
                        return Err(DownloadError::Busy { path });
                    }
                    if control.pause(POLL) {
                        return Err(DownloadError::Stopped);
                    }
                }
                Err(errno) => return Err(DownloadError::io("lock", &path)(errno.into())),
            }
        }
    }

    fn fill_from_any(
        &mut self,
        transport: &Transport,
        wanted: &Wanted,
        control: &Control,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<(), DownloadError> {
        let mut missing = None;
        for url in &wanted.urls {
            match self.fill(transport, url, wanted, control, on_bytes) {
                Err(error) if error.is_absence() => {
                    missing.get_or_insert(error);
                }
                done => return done,
            }
        }
        Err(missing.unwrap_or(DownloadError::Stopped))
    }

    /// One attempt: continues where the file ends, then verifies all of it.
    fn fill(
        &mut self,
        transport: &Transport,
        url: &Url,
        wanted: &Wanted,
        control: &Control,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<(), DownloadError> {
        let (mut hasher, mut have) = self.hash_what_is_there(wanted)?;
        let mut resumed = have > 0;
        if have < wanted.size {
            let mut opened = match transport.open(url, have) {
                Err(error @ TransportError::CannotResume { .. }) => {
                    self.clear()?;
                    return Err(error.into());
                }
                opened => opened?,
            };
            if opened.start != have {
                self.clear()?;
                (hasher, have, resumed) = (wanted.digest.hasher(), 0, false);
            }
            let mut chunk = vec![0; 128 << 10];
            while have <= wanted.size {
                if control.stopped() {
                    return Err(DownloadError::Stopped);
                }
                let count = match opened.reader.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(source) => {
                        let url = url.clone();
                        return Err(TransportError::Interrupted { url, source }.into());
                    }
                };
                let bytes = chunk.get(..count).unwrap_or_default();
                self.file
                    .write_all(bytes)
                    .map_err(DownloadError::io("write", &self.path))?;
                hasher.update(bytes);
                have += count as u64;
                on_bytes(count as u64);
            }
        }
        self.judge(url, wanted, have, &hasher.finish(), resumed)
    }

    fn judge(
        &mut self,
        url: &Url,
        wanted: &Wanted,
        have: u64,
        found: &str,
        resumed: bool,
    ) -> Result<(), DownloadError> {
        if have != wanted.size {
            if have > wanted.size {
                self.clear()?;
            }
            return Err(DownloadError::Size {
                url: url.clone(),
                expected: wanted.size,
                found: have,
            });
        }
        if found != wanted.digest.hex() {
            self.clear()?;
            return Err(DownloadError::Hash {
                url: url.clone(),
                algorithm: wanted.digest.algorithm(),
                expected: wanted.digest.hex().to_owned(),
                found: found.to_owned(),
                resumed,
            });
        }
        Ok(())
    }

    /// Hashes what an earlier attempt left and stands at its end.
    fn hash_what_is_there(&mut self, wanted: &Wanted) -> Result<(Hasher, u64), DownloadError> {
        let there = self
            .file
            .metadata()
            .map_err(DownloadError::io("look at", &self.path))?
            .len();
        if there > wanted.size {
            self.clear()?;
        }
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(DownloadError::io("read", &self.path))?;
        hash_rest(&mut self.file, wanted.digest.hasher())
            .map_err(DownloadError::io("read", &self.path))
    }

    fn clear(&mut self) -> Result<(), DownloadError> {
        self.file
            .set_len(0)
            .map_err(DownloadError::io("empty", &self.path))?;
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(DownloadError::io("empty", &self.path))?;
        Ok(())
    }

    /// Gives the file its final name. It is not synced: after a power loss its size or hash tells,
    /// and syncing hundreds of files costs more than downloading one again.
    fn finish(self, wanted: &Wanted) -> Result<Got, DownloadError> {
        fs::rename(&self.path, &wanted.path).map_err(DownloadError::io("rename", &self.path))?;
        Ok(Got::Downloaded)
    }
}
