//! Owns writing one package's files into a directory tree. Must not decide who owns a path.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, chmodat,
    chownat, fchmod, fchown, futimens, linkat, mkdirat, openat, openat2, statat, symlinkat,
    unlinkat, utimensat,
};
use rustix::io::Errno;

use super::namespace::Attributes;
use crate::deb::Member;

/// Read and written at once; larger than nearly every file.
const BUFFER_SIZE: usize = 256 << 10;

/// How many directories are kept open.
const OPEN_DIRECTORIES: usize = 256;

/// Mode, owner and time of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileAttributes {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: u64,
}

impl FileAttributes {
    pub(super) fn of(member: &Member) -> Self {
        Self {
            mode: member.mode,
            uid: member.uid,
            gid: member.gid,
            mtime: member.mtime,
        }
    }
}

/// Writes below one directory, without ever following a symbolic link.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    root: BorrowedFd<'a>,
    directories: HashMap<Vec<u8>, OwnedFd>,
    buffer: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(root: BorrowedFd<'a>) -> Self {
        Self {
            root,
            directories: HashMap::new(),
            buffer: vec![0; BUFFER_SIZE],
        }
    }

    /// Makes the directory and its parents where they are missing.
    pub(super) fn directory(&mut self, path: &[u8]) -> io::Result<()> {
        self.open_directory(path).map(drop)
    }

    fn open_directory(&mut self, path: &[u8]) -> io::Result<BorrowedFd<'_>> {
        if path.is_empty() {
            return Ok(self.root);
        }
        if !self.directories.contains_key(path) {
            let fd = open_or_make(self.root, path)?;
            if self.directories.len() >= OPEN_DIRECTORIES {
                self.directories.clear();
            }
            self.directories.insert(path.to_vec(), fd);
        }
        self.directories
            .get(path)
            .map(AsFd::as_fd)
            .ok_or_else(|| Errno::NOENT.into())
    }

    /// Writes a file; `observe` sees its content too.
    pub(super) fn file(
        &mut self,
        path: &[u8],
        attributes: FileAttributes,
        content: &mut dyn Read,
        observe: &mut dyn FnMut(&[u8]),
    ) -> io::Result<()> {
        let (parent, name) = split(path);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = self.open_directory(parent)?;
        let fd = match openat(directory, name, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => {
                unlinkat(directory, name, AtFlags::empty())?;
                openat(directory, name, flags, Mode::RUSR | Mode::WUSR)
            }
            other => other,
        }?;
        self.copy(&fd, content, observe)?;
        if (attributes.uid, attributes.gid) != (0, 0) {
            fchown(
                &fd,
                Some(Uid::from_raw(attributes.uid)),
                Some(Gid::from_raw(attributes.gid)),
            )?;
        }
        fchmod(&fd, Mode::from_raw_mode(attributes.mode))?;
        futimens(&fd, &timestamps(attributes.mtime))?;
        Ok(())
    }

    /// Reads a content that is not written.
    pub(super) fn observe(
        &mut self,
        content: &mut dyn Read,
        observe: &mut dyn FnMut(&[u8]),
    ) -> io::Result<()> {
        loop {
            let bytes = self.fill(content)?;
            let filled = bytes.len();
            observe(bytes);
            if filled < BUFFER_SIZE {
                return Ok(());
            }
        }
    }

    fn copy(
        &mut self,
        fd: &OwnedFd,
        content: &mut dyn Read,
        observe: &mut dyn FnMut(&[u8]),
    ) -> io::Result<()> {
        loop {
            let mut pending = self.fill(content)?;
            let full = pending.len() == BUFFER_SIZE;
            observe(pending);
            while !pending.is_empty() {
                let written = rustix::io::write(fd, pending)?;
                pending = pending.get(written..).unwrap_or_default();
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// Reads as much as the buffer takes, or less at the end.
    fn fill(&mut self, content: &mut dyn Read) -> io::Result<&[u8]> {
        let mut filled = 0;
        while let Some(rest) = self
            .buffer
            .get_mut(filled..)
            .filter(|rest| !rest.is_empty())
        {
            match content.read(rest)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(self.buffer.get(..filled).unwrap_or_default())
    }

    /// Makes a symbolic link.
    pub(super) fn symlink(
        &mut self,
        path: &[u8],
        target: &[u8],
        attributes: FileAttributes,
    ) -> io::Result<()> {
        let (parent, name) = split(path);
        let directory = self.open_directory(parent)?;
        replace(directory, name, || symlinkat(target, directory, name))?;
        if (attributes.uid, attributes.gid) != (0, 0) {
            chownat(
                directory,
                name,
                Some(Uid::from_raw(attributes.uid)),
                Some(Gid::from_raw(attributes.gid)),
                AtFlags::SYMLINK_NOFOLLOW,
            )?;
        }
        utimensat(
            directory,
            name,
            &timestamps(attributes.mtime),
            AtFlags::SYMLINK_NOFOLLOW,
        )?;
        Ok(())
    }

    /// Makes `path` another name of the file at `existing`. The file gets what the name has, as dpkg
    /// does it.
    pub(super) fn hardlink(
        &mut self,
        path: &[u8],
        existing: &[u8],
        attributes: FileAttributes,
    ) -> io::Result<()> {
        let (parent, name) = split(path);
        let root = self.root;
        let directory = self.open_directory(parent)?;
        replace(directory, name, || {
            linkat(root, existing, directory, name, AtFlags::empty())
        })?;
        let FileAttributes {
            mode,
            uid,
            gid,
            mtime,
        } = attributes;
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        let (user, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        chownat(directory, name, user, group, nofollow)?;
        // Of a symbolic link that has two names, nothing else can be set.
        if !FileType::from_raw_mode(statat(directory, name, nofollow)?.st_mode).is_symlink() {
            chmodat(directory, name, Mode::from_raw_mode(mode), AtFlags::empty())?;
        }
        utimensat(directory, name, &timestamps(mtime), nofollow)?;
        Ok(())
    }
}

/// Does what makes `name`, after removing what has that name.
fn replace(
    directory: BorrowedFd<'_>,
    name: &[u8],
    make: impl Fn() -> rustix::io::Result<()>,
) -> io::Result<()> {
    match make() {
        Err(Errno::EXIST) => {
            unlinkat(directory, name, AtFlags::empty())?;
            make()?;
            Ok(())
        }
        other => Ok(other?),
    }
}

fn open_or_make(root: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    let open = || open_existing(root, path);
    match open() {
        Err(Errno::NOENT) => {
            let (parent, name) = split(path);
            let made;
            let directory = if parent.is_empty() {
                root
            } else {
                made = open_or_make(root, parent)?;
                made.as_fd()
            };
            match mkdirat(directory, name, Mode::from_raw_mode(0o755)) {
                // The caller's umask may have taken bits away.
                Ok(()) => {
                    chmodat(
                        directory,
                        name,
                        Mode::from_raw_mode(0o755),
                        AtFlags::empty(),
                    )?;
                    Ok(open()?)
                }
                // The other thread was faster.
                Err(Errno::EXIST) => Ok(open()?),
                Err(errno) => Err(errno.into()),
            }
        }
        other => Ok(other?),
    }
}

/// Removes a file or link that is there, without following a link on the way.
pub(super) fn remove_file(root: impl AsFd, path: &[u8]) -> io::Result<()> {
    let (parent, name) = split(path);
    let removed = if parent.is_empty() {
        unlinkat(root, name, AtFlags::empty())
    } else {
        unlinkat(open_existing(root.as_fd(), parent)?, name, AtFlags::empty())
    };
    Ok(removed?)
}

/// Removes a directory unless something is in it.
pub(super) fn remove_empty_directory(root: impl AsFd, path: &[u8]) -> io::Result<()> {
    let (parent, name) = split(path);
    let removed = if parent.is_empty() {
        unlinkat(root, name, AtFlags::REMOVEDIR)
    } else {
        unlinkat(
            open_existing(root.as_fd(), parent)?,
            name,
            AtFlags::REMOVEDIR,
        )
    };
    match removed {
        Ok(()) | Err(Errno::NOTEMPTY) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn open_existing(root: BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    openat2(
        root,
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
    )
}

/// Parent and last part.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (
            path.get(..slash).unwrap_or_default(),
            path.get(slash + 1..).unwrap_or_default(),
        ),
        None => (&[], path),
    }
}

/// Sets what a directory has.
pub(super) fn set_directory(
    root: BorrowedFd<'_>,
    path: &[u8],
    attributes: Attributes,
) -> io::Result<()> {
    let Attributes { mode, uid, gid } = attributes;
    chownat(
        root,
        path,
        Some(Uid::from_raw(uid)),
        Some(Gid::from_raw(gid)),
        AtFlags::SYMLINK_NOFOLLOW,
    )?;
    chmodat(root, path, Mode::from_raw_mode(mode), AtFlags::empty())?;
    Ok(())
}

fn timestamps(mtime: u64) -> Timestamps {
    let time = Timespec {
        tv_sec: i64::try_from(mtime).unwrap_or(i64::MAX),
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
