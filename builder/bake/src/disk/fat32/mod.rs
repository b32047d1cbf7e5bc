//! Owns FAT32 as it is written: a whole volume at once, from its list of files. Must not know what
//! the files are for.
//!
//! The list is known before anything is written, so every file gets its clusters in one run and
//! everything is written once. (The `fatfs` crate gives `.` and `..` long names, of which fsck.fat
//! and some firmware disapprove.) Format: Microsoft's FAT specification of 2005.

mod names;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use names::{long_slots, push_long_name, short_name};

const SECTOR: u64 = 512;
const RESERVED_SECTORS: u64 = 32;
const FIRST_CLUSTER: u32 = 2;
const END_OF_CHAIN: u32 = 0x0fff_ffff;

/// FAT32 has at least this many clusters; with fewer it would be read as FAT16.
const FEWEST_CLUSTERS: u64 = 65_525;

/// 1980-01-01, FAT's first day. A real date would change the volume with every lock, though its
/// files are the same.
const DATE: [u8; 2] = [0x21, 0x00];

const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
const VOLUME_LABEL: u8 = 0x08;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The same as this file of the host.
    Copy(PathBuf),
    /// A text.
    Text(String),
}

impl Content {
    pub(crate) fn size(&self) -> io::Result<u64> {
        match self {
            Self::Copy(path) => Ok(path.metadata()?.len()),
            Self::Text(text) => Ok(text.len() as u64),
        }
    }
}

/// A volume's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    sectors: u64,
    cluster_sectors: u64,
    table_sectors: u64,
}

impl Shape {
    /// The shape of a volume of `bytes`: clusters as large as FAT32 allows, up to 4 KiB.
    pub(crate) fn for_size(bytes: u64) -> Self {
        let sectors = bytes / SECTOR;
        let with = |cluster_sectors: u64| {
            // Each cluster has 4 bytes in both tables.
            let clusters = sectors.saturating_sub(RESERVED_SECTORS) / cluster_sectors;
            Self {
                sectors,
                cluster_sectors,
                table_sectors: ((clusters + 2) * 4).div_ceil(SECTOR),
            }
        };
        [8, 4, 2]
            .into_iter()
            .map(with)
            .find(|shape| shape.clusters() >= FEWEST_CLUSTERS)
            .unwrap_or_else(|| with(1))
    }

    /// Whether a volume of this shape is FAT32 at all.
    pub(crate) fn is_fat32(self) -> bool {
        self.clusters() >= FEWEST_CLUSTERS
    }

    /// Bytes that files and directories can have.
    pub(crate) fn capacity(self) -> u64 {
        self.clusters() * self.cluster_bytes()
    }

    pub(crate) const fn cluster_bytes(self) -> u64 {
        self.cluster_sectors * SECTOR
    }

    const fn first_data_sector(self) -> u64 {
        RESERVED_SECTORS + 2 * self.table_sectors
    }

    const fn clusters(self) -> u64 {
        self.sectors.saturating_sub(self.first_data_sector()) / self.cluster_sectors
    }

    const fn cluster_offset(self, cluster: u32) -> u64 {
        (self.first_data_sector() + (cluster - FIRST_CLUSTER) as u64 * self.cluster_sectors)
            * SECTOR
    }
}

/// A directory or file of a volume.
#[derive(Debug)]
enum Node {
    Directory(BTreeMap<String, Node>),
    File(Content),
}

/// Writes a volume with `files` (paths with `/` between their parts) at `offset` of `disk`, which
/// must be zero there.
pub(crate) fn write_volume(
    disk: &File,
    offset: u64,
    shape: Shape,
    volume_id: u32,
    files: &[(String, Content)],
) -> io::Result<()> {
    let mut root = BTreeMap::new();
    for (path, content) in files {
        insert(&mut root, path, content).map_err(|Clash| {
            io::Error::other(format!("`{path}` clashes with another file or directory"))
        })?;
    }
    let mut volume = Volume {
        disk,
        offset,
        shape,
        table: vec![0x0fff_fff8, END_OF_CHAIN],
    };
    let first = volume.write_directory(&root, None)?;
    volume.write_tables()?;
    volume.write_boot_sectors(volume_id, first)
}

/// Two files have one path, or one of them lies below the other.
struct Clash;

fn insert(
    directory: &mut BTreeMap<String, Node>,
    path: &str,
    content: &Content,
) -> Result<(), Clash> {
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    // FAT takes `EFI` and `efi` for the same.
    let key = directory.keys().find(|key| key.eq_ignore_ascii_case(name));
    let key = key.map_or(name, String::as_str).to_owned();
    if rest.is_empty() {
        let earlier = directory.insert(key, Node::File(content.clone()));
        return earlier.map_or(Ok(()), |_| Err(Clash));
    }
    let node = directory
        .entry(key)
        .or_insert_with(|| Node::Directory(BTreeMap::new()));
    match node {
        Node::Directory(inner) => insert(inner, rest, content),
        Node::File(_) => Err(Clash),
    }
}

struct Volume<'a> {
    disk: &'a File,
    offset: u64,
    shape: Shape,
    table: Vec<u32>,
}

impl Volume<'_> {
    /// Takes clusters for `bytes` bytes and returns the first of them.
    fn allocate(&mut self, bytes: u64) -> io::Result<u32> {
        let count = bytes.div_ceil(self.shape.cluster_bytes()).max(1);
        let first = self.table.len() as u64;
        if first + count > self.shape.clusters() + u64::from(FIRST_CLUSTER) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let last = u32::try_from(first + count - 1).map_err(io::Error::other)?;
        let first = u32::try_from(first).map_err(io::Error::other)?;
        self.table.extend(first + 1..=last);
        self.table.push(END_OF_CHAIN);
        Ok(first)
    }

    /// Writes a directory with everything in it and returns its first cluster. `parent` is the
    /// first cluster of the directory above, with 0 for the root; the root itself has none.
    fn write_directory(
        &mut self,
        nodes: &BTreeMap<String, Node>,
        parent: Option<u32>,
    ) -> io::Result<u32> {
        let slots: usize = nodes.keys().map(|name| 1 + long_slots(name)).sum();
        let first = self.allocate((slots as u64 + 2) * 32)?;
        let mut entries = Vec::new();
        if let Some(parent) = parent {
            entries.extend(entry(*b".          ", DIRECTORY, first, 0));
            entries.extend(entry(*b"..         ", DIRECTORY, parent, 0));
        } else {
            entries.extend(entry(*b"ESP        ", VOLUME_LABEL, 0, 0));
        }
        for (index, (name, node)) in nodes.iter().enumerate() {
            let (cluster, size, attributes) = match node {
                Node::Directory(inner) => {
                    let above = parent.map_or(0, |_| first);
                    (self.write_directory(inner, Some(above))?, 0, DIRECTORY)
                }
                Node::File(content) => {
                    let (cluster, size) = self.write_file(content)?;
                    (cluster, size, ARCHIVE)
                }
            };
            let short = short_name(name, index);
            push_long_name(&mut entries, name, &short);
            entries.extend(entry(short, attributes, cluster, size));
        }
        self.disk
            .write_all_at(&entries, self.offset + self.shape.cluster_offset(first))?;
        Ok(first)
    }

    fn write_file(&mut self, content: &Content) -> io::Result<(u32, u32)> {
        let size = u32::try_from(content.size()?).map_err(io::Error::other)?;
        if size == 0 {
            return Ok((0, 0));
        }
        let first = self.allocate(u64::from(size))?;
        let mut at = self.offset + self.shape.cluster_offset(first);
        match content {
            Content::Text(text) => self.disk.write_all_at(text.as_bytes(), at)?,
            Content::Copy(path) => {
                let mut source = File::open(path)?.take(u64::from(size));
                let mut buffer = vec![0; 1 << 20];
                loop {
                    let length = source.read(&mut buffer)?;
                    if length == 0 {
                        break;
                    }
                    self.disk.write_all_at(&buffer[..length], at)?;
                    at += length as u64;
                }
            }
        }
        Ok((first, size))
    }

    fn write_tables(&self) -> io::Result<()> {
        let table: Vec<u8> = self
            .table
            .iter()
            .flat_map(|next| next.to_le_bytes())
            .collect();
        for copy in 0..2 {
            let sector = RESERVED_SECTORS + copy * self.shape.table_sectors;
            self.disk
                .write_all_at(&table, self.offset + sector * SECTOR)?;
        }
        Ok(())
    }

    /// The boot sector and the sector that counts free clusters, and the copies of both.
    fn write_boot_sectors(&self, volume_id: u32, root: u32) -> io::Result<()> {
        let boot = boot_sector(self.shape, volume_id, root)?;
        let used = self.table.len() as u64;
        let free = self.shape.clusters() + u64::from(FIRST_CLUSTER) - used;
        let mut count = [0; 512];
        count[..4].copy_from_slice(b"RRaA");
        count[484..488].copy_from_slice(b"rrAa");
        count[488..492]
            .copy_from_slice(&u32::try_from(free).map_err(io::Error::other)?.to_le_bytes());
        count[492..496]
            .copy_from_slice(&u32::try_from(used).map_err(io::Error::other)?.to_le_bytes());
        count[510..].copy_from_slice(&[0x55, 0xaa]);
        for (sector, bytes) in [(0, boot), (1, count), (6, boot), (7, count)] {
            self.disk
                .write_all_at(&bytes, self.offset + sector * SECTOR)?;
        }
        Ok(())
    }
}

fn boot_sector(shape: Shape, volume_id: u32, root: u32) -> io::Result<[u8; 512]> {
    let mut boot = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| boot[at..at + bytes.len()].copy_from_slice(bytes);
    let long = |value: u64| {
        u32::try_from(value)
            .map(u32::to_le_bytes)
            .map_err(io::Error::other)
    };
    put(0, &[0xeb, 0x58, 0x90]);
    put(3, b"vmimage ");
    put(11, &512_u16.to_le_bytes());
    put(13, &long(shape.cluster_sectors)?[..1]);
    put(14, &long(RESERVED_SECTORS)?[..2]);
    put(16, &[2]);
    put(21, &[0xf8]);
    put(24, &32_u16.to_le_bytes());
    put(26, &64_u16.to_le_bytes());
    put(32, &long(shape.sectors)?);
    put(36, &long(shape.table_sectors)?);
    put(44, &root.to_le_bytes());
    put(48, &1_u16.to_le_bytes());
    put(50, &6_u16.to_le_bytes());
    put(64, &[0x80, 0, 0x29]);
    put(67, &volume_id.to_le_bytes());
    put(71, b"ESP        FAT32   ");
    put(510, &[0x55, 0xaa]);
    Ok(boot)
}

fn entry(name: [u8; 11], attributes: u8, cluster: u32, size: u32) -> [u8; 32] {
    let mut entry = [0; 32];
    let cluster = cluster.to_le_bytes();
    entry[..11].copy_from_slice(&name);
    entry[11] = attributes;
    for at in [16, 18, 24] {
        entry[at..at + 2].copy_from_slice(&DATE);
    }
    entry[20..22].copy_from_slice(&cluster[2..]);
    entry[26..28].copy_from_slice(&cluster[..2]);
    entry[28..].copy_from_slice(&size.to_le_bytes());
    entry
}

#[cfg(test)]
mod tests {
    use super::{Content, Shape, write_volume};
    use std::os::unix::fs::FileExt;

    #[test]
    fn shapes_are_fat32_from_34_mib_on() {
        for (mib, cluster, fat32) in [
            (32, 512, false),
            (33, 512, true),
            (34, 512, true),
            (128, 1024, true),
            (512, 4096, true),
            (4096, 4096, true),
        ] {
            let shape = Shape::for_size(mib << 20);
            assert_eq!(
                (shape.cluster_bytes(), shape.is_fat32()),
                (cluster, fat32),
                "{mib}"
            );
        }
    }

    #[test]
    fn paths_that_clash_are_refused() {
        let write = |paths: &[&str]| {
            let file = |path: &&str| ((*path).to_owned(), Content::Text("x".to_owned()));
            let files: Vec<_> = paths.iter().map(file).collect();
            let disk = tempfile::tempfile().unwrap();
            write_volume(&disk, 0, Shape::for_size(34 << 20), 7, &files)
        };
        assert!(write(&["EFI/BOOT/BOOTX64.EFI", "efi/linux", "loader/a"]).is_ok());
        for (paths, clash) in [
            (["loader", "loader/loader.conf"], "loader/loader.conf"),
            (["loader/loader.conf", "Loader"], "Loader"),
            (["a/linux", "a/LINUX"], "a/LINUX"),
        ] {
            assert_eq!(
                write(&paths).unwrap_err().to_string(),
                format!("`{clash}` clashes with another file or directory")
            );
        }
    }

    #[test]
    fn the_same_files_give_the_same_volume_and_too_many_are_refused() {
        let shape = Shape::for_size(34 << 20);
        let files = |size: usize| [("a/b.conf".to_owned(), Content::Text("x".repeat(size)))];
        let read = |size| {
            let disk = tempfile::tempfile().unwrap();
            disk.set_len(34 << 20).unwrap();
            write_volume(&disk, 0, shape, 7, &files(size)).map(|()| {
                let mut bytes = vec![0; 2 << 20];
                disk.read_exact_at(&mut bytes, 0).unwrap();
                bytes
            })
        };
        assert!(read(600).unwrap() == read(600).unwrap());
        assert!(read(600).unwrap() != read(601).unwrap());
        let error = read(34 << 20).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }
}
