//! Owns comparing two databases of dpkg, apt's marks and debconf's answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// What is younger was made by the test.
const A_DAY: Duration = Duration::from_hours(24);

/// One line for each record that differs.
pub(crate) fn differences(reference: &Path, ours: &Path) -> Vec<String> {
    let (left, right) = (records(reference), records(ours));
    assert!(left.len() > 700, "{}", left.len());
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let absent = "absent".to_owned();
    names
        .into_iter()
        .filter_map(|name| {
            let (left, right) = (
                left.get(name).unwrap_or(&absent),
                right.get(name).unwrap_or(&absent),
            );
            (left != right).then(|| format!("record {name}\n  {left}\n  {right}"))
        })
        .collect()
}

/// Everything that dpkg, apt and debconf have on record in a tree.
pub(crate) fn records(root: &Path) -> BTreeMap<String, String> {
    let database = root.join("var/lib/dpkg");
    let mut records = BTreeMap::new();
    add_stanzas(&mut records, "status", &database.join("status"));
    add_stanzas(
        &mut records,
        "mark",
        &root.join("var/lib/apt/extended_states"),
    );
    for name in ["config.dat", "templates.dat"] {
        add_stanzas(
            &mut records,
            name,
            &root.join("var/cache/debconf").join(name),
        );
    }
    add_files(&mut records, &database.join("info"));
    add_files(&mut records, &database.join("alternatives"));
    for name in [
        "triggers/File",
        "triggers/ldconfig",
        "triggers/Unincorp",
        "statoverride",
    ] {
        // Their order is that of a hash table.
        records.insert(name.to_owned(), sorted(&read(&database.join(name)), 1));
    }
    records.insert(
        "diversions".to_owned(),
        sorted(&read(&database.join("diversions")), 3),
    );
    records.insert(
        "updates".to_owned(),
        fs::read_dir(database.join("updates"))
            .unwrap()
            .count()
            .to_string(),
    );
    records
}

fn add_stanzas(records: &mut BTreeMap<String, String>, kind: &str, path: &Path) {
    for stanza in read(path)
        .split("\n\n")
        .map(|stanza| stanza.trim_matches('\n'))
    {
        if let Some(first) = stanza.lines().next() {
            records.insert(format!("{kind} {first}"), stanza.to_owned());
        }
    }
}

/// Content, mode, and for what the package brought, the time.
fn add_files(records: &mut BTreeMap<String, String>, directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::metadata(&path).unwrap();
        let made_by_dpkg = path.extension().is_none_or(|extension| extension == "list")
            || directory.ends_with("alternatives");
        // dpkg makes `md5sums` where a package has none.
        let is_new = metadata.modified().unwrap().elapsed().unwrap_or_default() < A_DAY;
        let time = if made_by_dpkg || is_new {
            0
        } else {
            metadata.mtime()
        };
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        records.insert(
            path.file_name().unwrap().display().to_string(),
            format!("{:o} {time} {text}", metadata.mode()),
        );
    }
}

fn sorted(text: &str, lines_each: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut groups: Vec<String> = lines
        .chunks(lines_each)
        .map(|group| group.join(" "))
        .collect();
    groups.sort();
    groups.join("\n")
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
