//! What is hard to keep of a tree: extended attributes, and files that are mostly holes. Both of its
//! images have to have them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};
use vmimage_bake::disk::{DiskReport, TreeSize, measure_tree};

use super::{display, run};

type Attributes = BTreeMap<String, Vec<u8>>;

/// How long the file with holes is, and where its data lies.
const LENGTH: u64 = 40 << 30;
const PIECES: [(u64, &[u8]); 3] = [(0, b"head"), (20 << 30, b"middle"), (LENGTH - 4, b"tail")];

/// An access control list as the kernel gives it: version 2, then entries of tag, permissions and id.
/// User 10 has read permission; its number is a line feed, which ends a record of tar.
fn access_list() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, u32::MAX),
        (0x02, 4, 10),
        (0x04, 4, u32::MAX),
        (0x10, 4, u32::MAX),
        (0x20, 0, u32::MAX),
    ];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

/// ext4 stores an id only for entries of named users and groups; debugfs shows 0 for the others, the
/// kernel all ones.
fn without_meaningless_ids(list: &mut [u8]) {
    for entry in list[4..].chunks_exact_mut(8) {
        if entry[0] != 0x02 && entry[0] != 0x08 {
            entry[4..].fill(0xff);
        }
    }
}

/// Adds it to a tree.
pub(crate) fn add(tree: &Path) {
    let folder = tree.join("srv/kept");
    fs::create_dir_all(folder.join("folder")).unwrap();
    for name in ["file", "long", "capable"] {
        fs::write(folder.join(name), name).unwrap();
    }
    let list = access_list();
    for (name, key, value) in [
        ("file", "user.note", &b"\0\n=\xff no text"[..]),
        ("file", "user.empty", b""),
        ("file", "user.a=b%c", b"1"),
        ("file", "trusted.note", b"of root"),
        ("file", "system.posix_acl_access", &list),
        ("long", "user.long", &[b'\n'; 3000]),
        ("folder", "system.posix_acl_default", &list),
        ("folder", "user.note", b"of a folder"),
    ] {
        lsetxattr(folder.join(name), key, value, XattrFlags::empty()).unwrap();
    }
    run(
        "setcap",
        &["cap_net_raw+ep", display(&folder.join("capable"))],
    );
    let sparse = File::create(folder.join("sparse")).unwrap();
    sparse.set_len(LENGTH).unwrap();
    for (at, bytes) in PIECES {
        sparse.write_all_at(bytes, at).unwrap();
    }
}

fn attributes(path: &Path) -> Attributes {
    let mut names = vec![0; 65_536];
    let length = llistxattr(path, names.as_mut_slice()).unwrap();
    let names = names[..length].split(|byte| *byte == 0);
    names
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 65_536];
            let length = lgetxattr(path, name, value.as_mut_slice()).unwrap();
            value.truncate(length);
            (String::from_utf8(name.to_vec()).unwrap(), value)
        })
        .collect()
}

/// The extended attributes of everything in a tree that has any.
fn all_attributes(tree: &Path) -> BTreeMap<PathBuf, Attributes> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![tree.to_owned()];
    while let Some(path) = waiting.pop() {
        let attributes = attributes(&path);
        if !attributes.is_empty() {
            found.insert(path.strip_prefix(tree).unwrap().to_owned(), attributes);
        }
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            waiting.extend(entries.map(|entry| entry.unwrap().path()));
        }
    }
    found
}

/// Unpacks the archive with GNU tar and compares with the tree.
pub(crate) fn check_archive(tree: &Path, archive: &Path) {
    assert!(fs::metadata(archive).unwrap().len() < 1 << 30);
    let unpacked = archive.with_file_name("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let all = [
        "--xattrs",
        "--xattrs-include=*",
        "--numeric-owner",
        "--zstd",
    ];
    let files = ["-xpf", display(archive), "-C", display(&unpacked)];
    run("tar", &[all, files].concat());
    let expected = all_attributes(tree);
    assert!(expected.len() >= 5, "{expected:?}");
    assert_eq!(all_attributes(&unpacked), expected);
    check_sparse(&unpacked.join("srv/kept/sparse"));
    fs::remove_dir_all(unpacked).unwrap();
}

fn check_sparse(path: &Path) {
    let metadata = fs::metadata(path).unwrap();
    assert_eq!(metadata.len(), LENGTH);
    assert!(metadata.blocks() * 512 < 1 << 20, "{}", metadata.blocks());
    let file = File::open(path).unwrap();
    for (at, bytes) in PIECES {
        let mut found = vec![0; bytes.len()];
        file.read_exact_at(&mut found, at).unwrap();
        assert_eq!(found, bytes);
    }
}

/// Looks into the root file system with debugfs and compares with the tree.
pub(crate) fn check_root(tree: &Path, root: &Path, report: &DiskReport) {
    let TreeSize { blocks, .. } = measure_tree(tree).unwrap();
    assert_eq!(report.tree_bytes, blocks * 4096);
    assert!(report.size < 2 << 30, "{}", report.size);
    let value = root.with_file_name("value");
    for (path, expected) in all_attributes(tree) {
        let shown = format!("/{}", path.display());
        let list = run(
            "debugfs",
            &["-R", &format!("ea_list {shown}"), display(root)],
        );
        let names = list.lines().filter(|line| line.starts_with("  ")).count();
        assert_eq!(names, expected.len(), "{shown}: {list}");
        for (name, bytes) in expected {
            let get = format!("ea_get -f {} {shown} {name}", display(&value));
            run("debugfs", &["-R", &get, display(root)]);
            let mut found = fs::read(&value).unwrap();
            if name.starts_with("system.posix_acl_") {
                without_meaningless_ids(&mut found);
            }
            assert_eq!(found, bytes, "{shown} {name}");
        }
    }
    let stat = run("debugfs", &["-R", "stat /srv/kept/sparse", display(root)]);
    assert!(stat.contains(&format!("Size: {LENGTH}\n")), "{stat}");
    // Three blocks of data; in units of 512 bytes, with what may describe them.
    let count = stat.split("Blockcount: ").nth(1).unwrap();
    let count: u64 = count.split_whitespace().next().unwrap().parse().unwrap();
    assert!((24..=40).contains(&count), "{stat}");
}
