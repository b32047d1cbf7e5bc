//! Owns `rootfs.tar.zst`: the tree as an archive, the same bytes for the same tree. Must not follow
//! links out of the tree.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::archived::{Content, placeholder};
use super::attributes::Attributes;
use super::error::DiskError;
use super::is_full;

/// zstd's own default; each level above it costs more time than it saves bytes.
const LEVEL: i32 = 3;

/// Threads that compress. The output depends on there being any, not on how many.
const THREADS: u32 = 2;

/// Longest name or link target in a plain tar header.
const PLAIN_LENGTH: usize = 100;

/// Makes the archive `target` of the tree at `tree`. Later times become `source_date_epoch`.
pub fn make_rootfs(tree: &Path, target: &Path, source_date_epoch: i64) -> Result<(), DiskError> {
    let write = || DiskError::io("write", target);
    let file = File::create(target).map_err(DiskError::io("create", target))?;
    let mut encoder = zstd::Encoder::new(BufWriter::new(file), LEVEL).map_err(write())?;
    encoder.multithread(THREADS).map_err(write())?;
    encoder.include_checksum(true).map_err(write())?;
    let mut archive = Archive {
        tree,
        target,
        latest: u64::try_from(source_date_epoch).unwrap_or(0),
        linked: HashMap::new(),
        attributes: Attributes::new(),
        builder: Builder::new(encoder),
    };
    archive.append_tree()?;
    archive
        .builder
        .into_inner()
        .and_then(zstd::Encoder::finish)
        .and_then(|mut file| file.flush())
        .map_err(write())
}

struct Archive<'a, W: Write> {
    tree: &'a Path,
    target: &'a Path,
    latest: u64,
    linked: HashMap<(u64, u64), PathBuf>,
    attributes: Attributes,
    builder: Builder<W>,
}

impl<W: Write> Archive<'_, W> {
    fn append_tree(&mut self) -> Result<(), DiskError> {
        // Depth first: a directory's own entry, then its entries by name.
        let mut waiting = vec![PathBuf::from(".")];
        while let Some(name) = waiting.pop() {
            let path = self.tree.join(&name);
            let metadata = fs::symlink_metadata(&path).map_err(DiskError::io("read", &path))?;
            self.append(&name, &path, &metadata)?;
            if metadata.is_dir() {
                let mut names = read_names(&path).map_err(DiskError::io("read", &path))?;
                names.sort_unstable();
                waiting.extend(names.iter().rev().map(|child| name.join(child)));
            }
        }
        Ok(())
    }

    fn append(&mut self, name: &Path, path: &Path, metadata: &Metadata) -> Result<(), DiskError> {
        let mut header = Header::new_ustar();
        header.set_mode(metadata.mode() & 0o7777);
        header.set_uid(metadata.uid().into());
        header.set_gid(metadata.gid().into());
        header.set_mtime(
            u64::try_from(metadata.mtime())
                .unwrap_or(0)
                .min(self.latest),
        );
        header.set_size(0);
        let mut link = None;
        let kind = metadata.file_type();
        if kind.is_dir() {
            header.set_entry_type(EntryType::Directory);
        } else if kind.is_symlink() {
            header.set_entry_type(EntryType::Symlink);
            link = Some(fs::read_link(path).map_err(DiskError::io("read", path))?);
        } else if let Some(first) = self.first_link(name, metadata) {
            header.set_entry_type(EntryType::Link);
            link = Some(first);
        } else if kind.is_file() {
            header.set_entry_type(EntryType::Regular);
        } else if kind.is_fifo() {
            header.set_entry_type(EntryType::Fifo);
        } else if kind.is_char_device() || kind.is_block_device() {
            set_device(&mut header, metadata).map_err(DiskError::io("archive", path))?;
        } else {
            // A socket means nothing without the process that listens on it.
            return Ok(());
        }
        let mut records = self
            .attributes
            .of(path)
            .map_err(DiskError::io("read the attributes of", path))?;
        if header.entry_type() == EntryType::Regular {
            let content =
                Content::open(path, metadata.len()).map_err(DiskError::io("read", path))?;
            return self.append_file(header, (name, path), content, records);
        }
        set_name(&mut header, name, kind.is_dir(), &mut records);
        if let Some(link) = link {
            set_link(&mut header, &link, &mut records);
        }
        self.write(header, &records, io::empty())
            .map_err(DiskError::io("write", self.target))
    }

    fn append_file(
        &mut self,
        mut header: Header,
        (name, path): (&Path, &Path),
        content: Content,
        mut records: Records,
    ) -> Result<(), DiskError> {
        header.set_size(content.archived_size());
        if content.is_sparse() {
            records.extend(content.sparse_records(name));
            set_name(&mut header, &placeholder(name), false, &mut Records::new());
        } else {
            set_name(&mut header, name, false, &mut records);
        }
        self.write(header, &records, content).map_err(|error| {
            if is_full(&error) {
                DiskError::io("write", self.target)(error)
            } else {
                DiskError::io("archive", path)(error)
            }
        })
    }

    fn write(
        &mut self,
        mut header: Header,
        records: &Records,
        content: impl Read,
    ) -> io::Result<()> {
        let records = records
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_slice()));
        self.builder.append_pax_extensions(records)?;
        header.set_cksum();
        self.builder.append(&header, content)
    }

    /// The name under which the same file is in the archive already.
    fn first_link(&mut self, name: &Path, metadata: &Metadata) -> Option<PathBuf> {
        if metadata.nlink() < 2 {
            return None;
        }
        let first = self.linked.entry((metadata.dev(), metadata.ino()));
        match first {
            std::collections::hash_map::Entry::Occupied(first) => Some(first.get().clone()),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(name.to_owned());
                None
            }
        }
    }
}

fn read_names(directory: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(directory)?
        .map(|entry| Ok(entry?.file_name()))
        .collect()
}

fn set_device(header: &mut Header, metadata: &Metadata) -> io::Result<()> {
    header.set_entry_type(if metadata.file_type().is_char_device() {
        EntryType::Char
    } else {
        EntryType::Block
    });
    header.set_device_major(rustix::fs::major(metadata.rdev()))?;
    header.set_device_minor(rustix::fs::minor(metadata.rdev()))
}

/// Records of tar's extended headers.
pub(super) type Records = Vec<(String, Vec<u8>)>;

fn set_name(header: &mut Header, name: &Path, is_directory: bool, records: &mut Records) {
    let mut bytes = name.as_os_str().as_bytes().to_vec();
    if is_directory {
        bytes.push(b'/');
    }
    copy_field(&mut header.as_old_mut().name, &bytes);
    if bytes.len() > PLAIN_LENGTH {
        records.push(("path".to_owned(), bytes));
    }
}

fn set_link(header: &mut Header, link: &Path, records: &mut Records) {
    let bytes = OsStr::as_bytes(link.as_os_str());
    copy_field(&mut header.as_old_mut().linkname, bytes);
    if bytes.len() > PLAIN_LENGTH {
        records.push(("linkpath".to_owned(), bytes.to_vec()));
    }
}

fn copy_field(field: &mut [u8; PLAIN_LENGTH], bytes: &[u8]) {
    let length = bytes.len().min(PLAIN_LENGTH);
    field[..length].copy_from_slice(&bytes[..length]);
}

#[cfg(test)]
mod tests {
    use super::make_rootfs;
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::{FileExt, symlink};

    /// What other programs make of it is tested with whole disks.
    #[test]
    fn long_runs_of_zeros_are_left_out_of_an_archive() {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let tree = directory.path().join("tree");
        fs::create_dir_all(&tree).unwrap();
        let pieces = [(0, &b"head"[..]), (20 << 30, b"middle")];
        let sparse = fs::File::create(tree.join("sparse")).unwrap();
        sparse.set_len(40 << 30).unwrap();
        for (at, bytes) in pieces {
            sparse.write_all_at(bytes, at).unwrap();
        }
        // Zeros that are no hole on the host are left out in just the same way.
        let zeros = vec![0; 2 << 20];
        fs::write(tree.join("zeros"), &zeros).unwrap();
        let archive = directory.path().join("archive");
        make_rootfs(&tree, &archive, 1).unwrap();
        assert!(fs::metadata(&archive).unwrap().len() < 2000);

        let file = fs::File::open(&archive).unwrap();
        let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap().skip(1) {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let map = String::from_utf8(content[..512].to_vec()).unwrap();
            let name = entry.path().unwrap().display().to_string();
            seen.push((name, map.trim_end_matches('\0').to_owned(), content.len()));
        }
        let half = 20_u64 << 30;
        assert_eq!(
            seen,
            [
                (
                    "./GNUSparseFile.0/sparse".to_owned(),
                    format!("3\n0\n4096\n{half}\n4096\n{}\n0\n", 2 * half),
                    512 + 2 * 4096
                ),
                (
                    "./GNUSparseFile.0/zeros".to_owned(),
                    format!("1\n{}\n0\n", 2 << 20),
                    512
                ),
            ]
        );
    }

    #[test]
    fn an_archive_is_sorted_and_clamped() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        let long = "n".repeat(120);
        fs::create_dir_all(tree.join("b")).unwrap();
        fs::write(tree.join("b/second"), "2").unwrap();
        fs::write(tree.join(&long), "long").unwrap();
        fs::hard_link(tree.join("b/second"), tree.join("zlink")).unwrap();
        symlink(&long, tree.join("a")).unwrap();
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        make_rootfs(&tree, &one, 1_000_000_000).unwrap();
        make_rootfs(&tree, &two, 1_000_000_000).unwrap();
        assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());

        let mut seen = Vec::new();
        let mut archive =
            tar::Archive::new(zstd::Decoder::new(fs::File::open(&one).unwrap()).unwrap());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().mtime().unwrap(), 1_000_000_000);
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let name = entry.path().unwrap().display().to_string();
            let link = entry
                .link_name()
                .unwrap()
                .map(|link| link.display().to_string());
            seen.push((name, link.unwrap_or(content)));
        }
        let expected = [
            ("./", ""),
            ("./a", long.as_str()),
            ("./b/", ""),
            ("./b/second", "2"),
            (&format!("./{long}"), "long"),
            ("./zlink", "./b/second"),
        ];
        let seen: Vec<(&str, &str)> = seen.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(seen, expected);
    }
}
