//! Owns the extended attributes of a file as an archive holds them.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::rootfs::Records;

/// Reads extended attributes. The buffers are as large as Linux lets a list of names and a value be
/// (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`), so nothing has to be asked for its size first.
pub(super) struct Attributes {
    names: Vec<u8>,
    value: Vec<u8>,
}

impl Attributes {
    pub(super) fn new() -> Self {
        Self {
            names: vec![0; 65_536],
            value: vec![0; 65_536],
        }
    }

    /// Every extended attribute of the file at `path`, as tar's `SCHILY.xattr` records, sorted.
    pub(super) fn of(&mut self, path: &Path) -> io::Result<Records> {
        let length = match rustix::fs::llistxattr(path, self.names.as_mut_slice()) {
            Ok(length) => length,
            // A file system without them.
            Err(Errno::OPNOTSUPP) => 0,
            Err(errno) => return Err(errno.into()),
        };
        let mut records = Records::new();
        for name in self.names[..length].split(|byte| *byte == 0) {
            // Overlayfs keeps its own records in these.
            let of_overlay =
                name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.");
            if name.is_empty() || of_overlay {
                continue;
            }
            let size = rustix::fs::lgetxattr(path, name, self.value.as_mut_slice())?;
            records.push((attribute_key(name)?, self.value[..size].to_vec()));
        }
        records.sort();
        Ok(records)
    }
}

/// The key of an attribute's record. `=` ends a key, so it is written as GNU tar writes it.
fn attribute_key(name: &[u8]) -> io::Result<String> {
    let name = std::str::from_utf8(name).map_err(|error| {
        let name = String::from_utf8_lossy(name);
        io::Error::other(format!("the name of `{name}` is no text: {error}"))
    })?;
    let name = name.replace('%', "%25").replace('=', "%3D");
    Ok(format!("SCHILY.xattr.{name}"))
}

#[cfg(test)]
mod tests {
    use super::attribute_key;
    use crate::disk::make_rootfs;
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    /// The records of each entry of an archive, by name.
    fn records(archive: &Path) -> BTreeMap<String, BTreeMap<String, Vec<u8>>> {
        let file = fs::File::open(archive).unwrap();
        let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
        let mut found = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut records = BTreeMap::new();
            for record in entry.pax_extensions().unwrap().into_iter().flatten() {
                let record = record.unwrap();
                let key = record.key().unwrap().to_owned();
                records.insert(key, record.value_bytes().to_vec());
            }
            found.insert(entry.path().unwrap().display().to_string(), records);
        }
        found
    }

    #[test]
    fn extended_attributes_are_archived_byte_by_byte() {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let tree = directory.path().join("tree");
        fs::create_dir_all(&tree).unwrap();
        fs::write(tree.join("file"), "content").unwrap();
        fs::write(tree.join("none"), "content").unwrap();
        let mut expected = BTreeMap::new();
        for (name, value) in [
            ("user.odd", &b"\0=\xff"[..]),
            ("user.a=b%", b"1"),
            ("user.empty", b""),
            ("user.long", &[7; 3000]),
        ] {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(tree.join("file"), name, value, flags).unwrap();
            expected.insert(attribute_key(name.as_bytes()).unwrap(), value.to_vec());
        }
        assert!(expected.contains_key("SCHILY.xattr.user.a%3Db%25"));
        let archive = directory.path().join("archive");
        make_rootfs(&tree, &archive, 1).unwrap();
        let found = records(&archive);
        assert_eq!(found["./file"], expected);
        assert_eq!(found["./none"], BTreeMap::new());
    }
}
