//! Owns what in a tree takes most room, for people who wonder why it is so large. Looked for only when
//! room is short.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::DiskError;
use super::layout::MIB;
use super::size::{BLOCK, content_blocks};

/// How many are named.
const NAMED: usize = 5;

/// What takes less is not worth a word.
const LEAST: u64 = MIB;

/// The files and directories that take most room, the largest first. None lies in another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heaviest(Vec<(String, u64)>);

impl fmt::Display for Heaviest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("nothing of 1 MiB or more");
        }
        for (index, (path, bytes)) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(formatter, "{comma}`{path}` {} MiB", bytes.div_ceil(MIB))?;
        }
        Ok(())
    }
}

/// A file or directory with what it takes.
#[derive(Debug)]
struct Node {
    path: PathBuf,
    bytes: u64,
    children: Vec<Node>,
}

impl Node {
    /// Whether its parts say more than itself: `/var/lib/mysql` rather than `/var`.
    fn is_only_a_way(&self, depth: usize) -> bool {
        let heaviest_child = self.children.iter().map(|child| child.bytes).max();
        depth < 2 || heaviest_child.is_some_and(|bytes| bytes >= self.bytes / 2)
    }
}

/// Finds what takes most of the tree at `root`, without what is mounted in it.
pub(super) fn find_heaviest(root: &Path) -> Result<Heaviest, DiskError> {
    let device = fs::symlink_metadata(root)
        .map_err(DiskError::io("read", root))?
        .dev();
    let mut waiting = vec![(weigh(root, device, &mut HashSet::new())?, 0)];
    let mut named = Vec::new();
    while named.len() < NAMED {
        let heaviest = waiting.iter().enumerate();
        let heaviest = heaviest.max_by_key(|(index, (node, _))| (node.bytes, usize::MAX - index));
        let Some((index, _)) = heaviest else { break };
        let (node, depth) = waiting.swap_remove(index);
        if node.bytes < LEAST {
            break;
        }
        if !node.children.is_empty() && node.is_only_a_way(depth) {
            let children = node.children.into_iter();
            waiting.extend(children.map(|child| (child, depth + 1)));
        } else if depth > 0 {
            let inside = node.path.strip_prefix(root).unwrap_or(&node.path);
            named.push((format!("/{}", inside.display()), node.bytes));
        }
    }
    Ok(Heaviest(named))
}

fn weigh(path: &Path, device: u64, linked: &mut HashSet<(u64, u64)>) -> Result<Node, DiskError> {
    let fail = || DiskError::io("read", path);
    let metadata = fs::symlink_metadata(path).map_err(fail())?;
    let mut node = Node {
        path: path.to_owned(),
        bytes: 0,
        children: Vec::new(),
    };
    if !metadata.is_dir() {
        if metadata.nlink() < 2 || linked.insert((metadata.dev(), metadata.ino())) {
            node.bytes = content_blocks(path, &metadata).map_err(fail())? * BLOCK;
        }
        return Ok(node);
    }
    // In an overlay only directories have its own number.
    if metadata.dev() != device {
        return Ok(node);
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(fail())? {
        paths.push(entry.map_err(fail())?.path());
    }
    paths.sort_unstable();
    for child in paths {
        let child = weigh(&child, device, linked)?;
        node.bytes += child.bytes;
        node.children.push(child);
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::find_heaviest;
    use std::fs;

    #[test]
    fn what_takes_most_is_named_where_it_lies() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, kib: usize| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![1; kib << 10]).unwrap();
        };
        write("var/lib/v-ldap/data.mdb", 9 << 10);
        write("var/lib/v-ldap/lock.mdb", 8);
        for number in 0..100 {
            write(&format!("usr/share/doc/p{number}/copyright"), 50);
        }
        write("usr/bin/program", 2 << 10);
        write("etc/hosts", 1);
        // A hole takes nothing, and a second name no more than the first.
        fs::File::create(root.path().join("etc/hole"))
            .unwrap()
            .set_len(4 << 30)
            .unwrap();
        fs::hard_link(
            root.path().join("usr/bin/program"),
            root.path().join("usr/bin/zweit"),
        )
        .unwrap();
        assert_eq!(
            find_heaviest(root.path()).unwrap().to_string(),
            "`/var/lib/v-ldap/data.mdb` 9 MiB, `/usr/share/doc` 6 MiB, `/usr/bin/program` 2 MiB"
        );
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(
            find_heaviest(empty.path()).unwrap().to_string(),
            "nothing of 1 MiB or more"
        );
    }
}
