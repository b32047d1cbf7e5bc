//! Owns comparing two trees.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

/// Paths whose content (or existence) cannot be equal, with the reason. A trailing `/` means all
/// below, a trailing `.` all that begin so.
const INCOMPARABLE: [(&str, &str); 24] = [
    ("/dev/", "mmdebstrap makes device nodes"),
    ("/proc/", "mounted while packages are configured"),
    ("/sys/", "mounted while packages are configured"),
    ("/run/", "a file system of its own in the sandbox"),
    ("/tmp/", "a file system of its own in the sandbox"),
    ("/etc/hostname", "mmdebstrap copies the host's"),
    ("/etc/resolv.conf", "mmdebstrap copies the host's"),
    ("/etc/hosts", "mmdebstrap's own"),
    ("/etc/machine-id", "random, or removed by mmdebstrap"),
    (
        "/var/lib/dbus/machine-id",
        "random, or removed by mmdebstrap",
    ),
    ("/etc/apt/", "what mmdebstrap tells apt"),
    (
        "/var/cache/apt",
        "made by apt, which downloads for mmdebstrap",
    ),
    ("/var/cache/apt/", "what apt downloaded"),
    (
        "/var/lib/apt/",
        "what apt downloaded; the marks are compared with the database",
    ),
    ("/var/log/", "times"),
    (
        "/var/cache/ldconfig/aux-cache",
        "inode numbers and times of libraries",
    ),
    ("/var/lib/dpkg/", "compared as a database"),
    ("/var/cache/debconf/", "compared as a database"),
    (
        "/var/lib/ucf/hashfile.",
        "earlier states depend on the order of configuration",
    ),
    (
        "/var/lib/ucf/registry.",
        "earlier states depend on the order of configuration",
    ),
    (
        "/etc/passwd-",
        "the state before the last depends on the order of configuration",
    ),
    (
        "/etc/group-",
        "the state before the last depends on the order of configuration",
    ),
    (
        "/etc/shadow-",
        "the state before the last depends on the order of configuration",
    ),
    (
        "/etc/gshadow-",
        "the state before the last depends on the order of configuration",
    ),
];

/// Python's own modules are compiled with an epoch set, and so checked by hash and not by time.
const HASHED_BYTECODE: &str = "/usr/lib/python3.";

/// Users get their numbers in the order in which packages are configured.
const ACCOUNTS: [&str; 4] = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"];

/// One line for each file, in the order in which packages are configured.
const RECORDS: [&str; 2] = ["/var/lib/ucf/hashfile", "/var/lib/ucf/registry"];

/// One line for each path that differs.
pub(crate) fn differences(reference: &Path, ours: &Path, begun: SystemTime) -> Vec<String> {
    let begun = i64::try_from(begun.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let (left, right) = (scan(reference, begun), scan(ours, begun));
    assert!(left.len() > 4000, "{}", left.len());
    let paths: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let absent = "absent".to_owned();
    paths
        .into_iter()
        .filter_map(|path| {
            let (left, right) = (
                left.get(path).unwrap_or(&absent),
                right.get(path).unwrap_or(&absent),
            );
            (left != right).then(|| format!("{path}\n  {left}\n  {right}"))
        })
        .collect()
}

fn scan(root: &Path, begun: i64) -> BTreeMap<String, String> {
    let users = names(&root.join("etc/passwd"));
    let groups = names(&root.join("etc/group"));
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let shown = format!("/{}", path.strip_prefix(root).unwrap().display());
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                pending.push(path.clone());
            }
            if is_incomparable(&shown) {
                continue;
            }
            let user = users.get(&metadata.uid()).cloned().unwrap_or_default();
            let group = groups.get(&metadata.gid()).cloned().unwrap_or_default();
            let what = describe(&path, &shown, begun);
            found.insert(
                shown,
                format!("{:o} {user}:{group} {what}", metadata.mode()),
            );
        }
    }
    found
}

fn is_incomparable(path: &str) -> bool {
    INCOMPARABLE.iter().any(|(known, _)| {
        if known.ends_with(['/', '.']) {
            path.starts_with(known)
        } else {
            path == *known
        }
    })
}

/// Times count for what packages brought; what was made while they were configured is new.
fn describe(path: &Path, shown: &str, begun: i64) -> String {
    let metadata = fs::symlink_metadata(path).unwrap();
    let time = if metadata.mtime() < begun {
        metadata.mtime().to_string()
    } else {
        "new".to_owned()
    };
    let file_type = metadata.file_type();
    if file_type.is_symlink() {
        return format!("-> {} {time}", fs::read_link(path).unwrap().display());
    }
    if !file_type.is_file() {
        assert!(file_type.is_dir() || file_type.is_fifo(), "{shown}");
        return String::new();
    }
    if shown.starts_with(HASHED_BYTECODE) && shown.contains("/__pycache__/") {
        return "bytecode".to_owned();
    }
    let bytes = fs::read(path).unwrap();
    if ACCOUNTS.contains(&shown) {
        return accounts(&bytes);
    }
    if RECORDS.contains(&shown) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines: BTreeSet<&str> = text.lines().collect();
        return lines.into_iter().collect::<Vec<_>>().join(" | ");
    }
    let links = metadata.nlink();
    format!(
        "{} bytes {} {time} {links} names",
        bytes.len(),
        hex::encode(Sha256::digest(&bytes))
    )
}

/// Names, homes and shells, without numbers and dates, in the order of names.
fn accounts(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let fields = line.split(':').map(|field| {
                let numeric = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
                if numeric { "#" } else { field }
            });
            fields.collect::<Vec<_>>().join(":")
        })
        .collect();
    lines.sort();
    lines.join(" ")
}

fn names(table: &Path) -> BTreeMap<u32, String> {
    fs::read_to_string(table)
        .unwrap()
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields[2].parse().unwrap(), fields[0].to_owned())
        })
        .collect()
}
