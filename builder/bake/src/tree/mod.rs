//! Owns safe file access inside a tree: no symbolic link of the tree, absolute or not, leads out of
//! it. Must not know what the files mean.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, chownat, fchmod, fchown,
    mkdirat, openat, openat2, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use crate::sparse;

/// An open tree.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    path: PathBuf,
}

/// Who owns a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Owner {
    /// Root and root.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };
}

impl Tree {
    /// Opens the tree at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(rustix::fs::CWD, path, flags, Mode::empty())?;
        Ok(Self {
            root,
            path: path.to_owned(),
        })
    }

    /// Where the tree is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where an absolute path of the tree is on the host. Only for paths that [`Self::walk`] found:
    /// links in them would be followed out of the tree.
    pub fn on_disk(&self, path: &Path) -> PathBuf {
        self.path.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// What is at `path`, not following a link in its last part; `None` when nothing is.
    pub fn stat(&self, path: &str) -> io::Result<Option<Stat>> {
        let Some((parent, name)) = self.parent(path)? else {
            return Ok(None);
        };
        match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The content of the file at `path`, following links inside the tree; `None` when there is
    /// no file. For files that are known to be small.
    pub fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match self.resolve(path, OFlags::RDONLY) {
            Ok(fd) => {
                let mut bytes = Vec::new();
                File::from(fd).read_to_end(&mut bytes)?;
                Ok(Some(bytes))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The regular file at `path`, following links inside the tree; `None` when there is none.
    /// Unlike [`Self::read`] it takes any name that a file can have, and any size.
    pub fn open_file(&self, path: &Path) -> io::Result<Option<File>> {
        // Opening a pipe would wait for somebody who writes into it.
        match self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
            Ok(fd) => {
                let file = File::from(fd);
                Ok(file.metadata()?.is_file().then_some(file))
            }
            // `NXIO` is a socket, or a device that is not there.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NXIO | Errno::LOOP) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether the file at `path` has `text` in it; `None` when there is no file.
    pub fn contains(&self, path: &Path, text: &[u8]) -> io::Result<Option<bool>> {
        self.open_file(path)?
            .map(|file| sparse::contains(&file, text))
            .transpose()
    }

    /// Whether there is a file at `path` with just this content.
    pub fn has_content(&self, path: &Path, content: &[u8]) -> io::Result<bool> {
        let Some(mut file) = self.open_file(path)? else {
            return Ok(false);
        };
        if file.metadata()?.len() != content.len() as u64 {
            return Ok(false);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes == content)
    }

    /// Writes the file at `path`, replacing what was there; makes missing directories above it.
    pub fn write(&self, path: &str, bytes: &[u8], mode: u32, owner: Owner) -> io::Result<()> {
        let (parent, name) = self.make_parent(path)?;
        unlink(&parent, name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let fd = openat(&parent, name, flags, Mode::from_raw_mode(0o600))?;
        fchown(
            &fd,
            Some(Uid::from_raw(owner.uid)),
            Some(Gid::from_raw(owner.gid)),
        )?;
        fchmod(&fd, Mode::from_raw_mode(mode))?;
        File::from(fd).write_all(bytes)
    }

    /// Makes the directory at `path`, and what is missing above it; an existing one gets the mode
    /// and owner.
    pub fn make_directory(&self, path: &str, mode: u32, owner: Owner) -> io::Result<()> {
        let (parent, name) = self.make_parent(path)?;
        match mkdirat(&parent, name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = self.resolve(path, flags)?;
        fchown(
            &fd,
            Some(Uid::from_raw(owner.uid)),
            Some(Gid::from_raw(owner.gid)),
        )?;
        fchmod(&fd, Mode::from_raw_mode(mode))?;
        Ok(())
    }

    /// Makes the symbolic link at `path`, replacing a file or link that was there.
    pub fn symlink(&self, path: &str, target: &str) -> io::Result<()> {
        let (parent, name) = self.make_parent(path)?;
        unlink(&parent, name)?;
        symlinkat(target, &parent, name)?;
        chownat(
            &parent,
            name,
            Some(Uid::ROOT),
            Some(Gid::ROOT),
            AtFlags::SYMLINK_NOFOLLOW,
        )?;
        Ok(())
    }

    /// Removes the file or link at `path`; that there is none is as good.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        match self.parent(path)? {
            Some((parent, name)) => unlink(&parent, name),
            None => Ok(()),
        }
    }

    /// Every path of the tree, parents before what is in them, sorted, not following links.
    pub fn walk(&self) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        walk_into(&self.path, OsStr::new(""), &mut found)?;
        Ok(found)
    }

    fn parent<'a>(&self, path: &'a str) -> io::Result<Option<(OwnedFd, &'a OsStr)>> {
        let (directory, name) = split(path)?;
        match self.resolve(directory, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(fd) => Ok(Some((fd, name))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn make_parent<'a>(&self, path: &'a str) -> io::Result<(OwnedFd, &'a OsStr)> {
        if let Some(found) = self.parent(path)? {
            return Ok(found);
        }
        let (directory, name) = split(path)?;
        self.make_directory(directory, 0o755, Owner::ROOT)?;
        let fd = self.resolve(directory, OFlags::PATH | OFlags::DIRECTORY)?;
        Ok((fd, name))
    }

    fn resolve(&self, path: impl AsRef<Path>, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = path.as_ref();
        let path = if path.as_os_str().is_empty() {
            Path::new("/")
        } else {
            path
        };
        openat2(
            &self.root,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        )
    }
}

/// Removes a file or link; that there is none is as good.
fn unlink(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// One path of a tree.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Absolute in the tree, for example `/etc/hosts`.
    pub path: PathBuf,
    /// What it is.
    pub kind: FileType,
}

fn walk_into(root: &Path, relative: &OsStr, found: &mut Vec<Entry>) -> io::Result<()> {
    let directory = if relative.is_empty() {
        root.to_owned()
    } else {
        root.join(
            Path::new(relative)
                .strip_prefix("/")
                .unwrap_or(Path::new(relative)),
        )
    };
    let mut entries = std::fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let mut path = OsString::from(relative);
        path.push("/");
        path.push(entry.file_name());
        let file_type = entry.file_type()?;
        let kind = if file_type.is_dir() {
            FileType::Directory
        } else if file_type.is_symlink() {
            FileType::Symlink
        } else if file_type.is_file() {
            FileType::RegularFile
        } else {
            FileType::Unknown
        };
        found.push(Entry {
            path: PathBuf::from(&path),
            kind,
        });
        if kind == FileType::Directory {
            walk_into(root, &path, found)?;
        }
    }
    Ok(())
}

/// Splits an absolute path into its directory and its last part.
fn split(path: &str) -> io::Result<(&str, &OsStr)> {
    let path = path.trim_end_matches('/');
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    if name.is_empty() || name == "." || name == ".." {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{path}` names no file"),
        ));
    }
    Ok((directory, OsStr::from_bytes(name.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::{File, FileType, Mode, OsStr, OsStrExt as _, Owner, Path, Tree};
    use std::os::unix::fs::{FileExt as _, symlink};

    fn own() -> Owner {
        Owner {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
        }
    }

    #[test]
    fn links_do_not_lead_out_of_the_tree() {
        let outside = tempfile::tempdir().expect("temporary directory");
        let inside = tempfile::tempdir().expect("temporary directory");
        symlink(outside.path(), inside.path().join("abs")).expect("link");
        symlink("../../../../../../../..", inside.path().join("up")).expect("link");
        let tree = Tree::open(inside.path()).expect("open");
        assert_eq!(tree.read("/up/etc/hostname").expect("read"), None);
        // The absolute link is resolved inside the tree, where its target does not exist.
        let missing = tree.write("/abs/file", b"x", 0o644, own());
        drop(missing);
        assert_eq!(std::fs::read_dir(outside.path()).expect("list").count(), 0);
    }

    #[test]
    fn large_and_odd_files_are_looked_into() {
        let root = tempfile::tempdir().expect("temporary directory");
        let tree = Tree::open(root.path()).expect("open");
        let path = |name: &[u8]| root.path().join(OsStr::from_bytes(name));
        let sparse = File::create(path(b"sparse")).expect("create");
        sparse.set_len(4 << 40).expect("enlarge");
        sparse
            .write_all_at(b"PRIVATE KEY", 3 << 40)
            .expect("write far away");
        // A name that is no text, and a pipe that nobody writes into.
        std::fs::write(path(b"caf\xe9"), "PRIVATE KEY").expect("write");
        let pipe = rustix::fs::mknodat(
            &tree.root,
            "pipe",
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        );
        pipe.expect("make a pipe");
        let contains = |name: &[u8]| {
            let path = Path::new("/").join(OsStr::from_bytes(name));
            tree.contains(&path, b"PRIVATE KEY").expect("look")
        };
        assert_eq!(contains(b"sparse"), Some(true));
        assert_eq!(contains(b"caf\xe9"), Some(true));
        assert_eq!(contains(b"pipe"), None);
        assert_eq!(contains(b""), None);
        assert_eq!(contains(b"none"), None);
        let is = |name: &str, content: &[u8]| {
            tree.has_content(&Path::new("/").join(name), content)
                .expect("look")
        };
        assert!(!is("sparse", b""));
        assert!(!is("pipe", b""));
        std::fs::write(path(b"empty"), "").expect("write");
        assert!(is("empty", b"") && !is("empty", b"x") && !is("none", b""));
    }

    #[test]
    fn files_and_directories_are_made_with_their_parents() {
        let root = tempfile::tempdir().expect("temporary directory");
        let tree = Tree::open(root.path()).expect("open");
        std::fs::create_dir(root.path().join("etc")).expect("mkdir");
        tree.write("/etc/a", b"one", 0o640, own()).expect("write");
        tree.write("/etc/a", b"two", 0o640, own()).expect("rewrite");
        assert_eq!(
            tree.read("/etc/a").expect("read").as_deref(),
            Some(&b"two"[..])
        );
        assert_eq!(
            tree.stat("/etc/a")
                .expect("stat")
                .map(|s| s.st_mode & 0o7777),
            Some(0o640)
        );
        assert_eq!(tree.read("/etc/none").expect("read"), None);
        assert!(tree.stat("/no/where").expect("stat").is_none());
        tree.symlink("/etc/b", "a").expect("link");
        assert_eq!(
            tree.read("/etc/b").expect("read").as_deref(),
            Some(&b"two"[..])
        );
        assert!(tree.write("/etc/..", b"", 0o644, own()).is_err());
        let paths: Vec<_> = tree
            .walk()
            .expect("walk")
            .into_iter()
            .map(|e| e.path.display().to_string())
            .collect();
        assert_eq!(paths, ["/etc", "/etc/a", "/etc/b"]);
    }
}
