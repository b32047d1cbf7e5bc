//! Owns what a tree's dpkg database says about files and sizes. Paths are bytes: packages bring ones
//! that are not UTF-8. Must not change it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::ManifestError;

/// What dpkg knows.
#[derive(Debug, Default)]
pub(super) struct Database {
    /// Installed bytes by package name and architecture.
    pub(super) installed: BTreeMap<(String, String), u64>,
    /// The package that owns each path (with `/usr` merged).
    pub(super) owners: BTreeMap<Vec<u8>, String>,
    /// MD5 by path, where the package tells it.
    pub(super) md5: BTreeMap<Vec<u8>, String>,
}

/// Reads the database of the tree at `tree`.
pub(super) fn read_database(tree: &Path) -> Result<Database, ManifestError> {
    let directory = tree.join("var/lib/dpkg");
    let mut database = Database::default();
    let status = directory.join("status");
    database.read_status(&read(&status)?);
    let info = directory.join("info");
    let entries = fs::read_dir(&info).map_err(|source| read_error(&info, source))?;
    for entry in entries {
        let path = entry.map_err(|source| read_error(&info, source))?.path();
        let Some(package) = path.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => database.read_list(package, &read(&path)?),
            Some("md5sums") => database.read_md5sums(&read(&path)?),
            Some(_) | None => {}
        }
    }
    Ok(database)
}

impl Database {
    /// Reads the status file, which dpkg writes: a field a line, small letters after the first.
    fn read_status(&mut self, text: &[u8]) {
        let mut paragraph = Vec::new();
        for line in text.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                self.read_paragraph(&paragraph);
                paragraph.clear();
            } else {
                paragraph.push(line);
            }
        }
        self.read_paragraph(&paragraph);
    }

    fn read_paragraph(&mut self, lines: &[&[u8]]) {
        let field = |name: &str| {
            lines.iter().find_map(|line| {
                let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
                Some(String::from_utf8_lossy(value.trim_ascii()).into_owned())
            })
        };
        let (Some(package), Some(architecture)) = (field("Package"), field("Architecture")) else {
            return;
        };
        let kib: u64 = field("Installed-Size")
            .and_then(|size| size.parse().ok())
            .unwrap_or(0);
        self.installed.insert((package, architecture), kib * 1024);
        let conffiles = lines
            .iter()
            .skip_while(|line| **line != b"Conffiles:")
            .skip(1)
            .take_while(|line| line.starts_with(b" "));
        for line in conffiles {
            // The path may hold spaces; what follows it does not. ` obsolete` may be last.
            let line = line.trim_ascii();
            let line = line.strip_suffix(b" obsolete").unwrap_or(line);
            if let Some(space) = line.iter().rposition(|byte| *byte == b' ') {
                let (path, md5) = line.split_at(space);
                let md5 = String::from_utf8_lossy(md5.trim_ascii()).into_owned();
                self.md5.insert(merge_usr(path), md5);
            }
        }
    }

    fn read_list(&mut self, package: &str, text: &[u8]) {
        for path in text.split(|byte| *byte == b'\n') {
            self.owners.insert(merge_usr(path), package.to_owned());
        }
    }

    fn read_md5sums(&mut self, text: &[u8]) {
        for line in text.split(|byte| *byte == b'\n') {
            let Some((md5, path)) = line.split_at_checked(32) else {
                continue;
            };
            if let Some(path) = path.strip_prefix(b"  ") {
                let path = path.strip_prefix(b"./").unwrap_or(path);
                let md5 = String::from_utf8_lossy(md5).into_owned();
                self.md5.insert(merge_usr(&[b"/", path].concat()), md5);
            }
        }
    }
}

/// Packages may still name `/lib` and the like, which are links into `/usr`.
fn merge_usr(path: &[u8]) -> Vec<u8> {
    let merged = [&b"/bin/"[..], b"/sbin/", b"/lib/", b"/lib64/"]
        .iter()
        .any(|prefix| path.starts_with(prefix));
    if merged {
        [b"/usr", path].concat()
    } else {
        path.to_owned()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ManifestError> {
    fs::read(path).map_err(|source| read_error(path, source))
}

pub(super) fn read_error(path: &Path, source: std::io::Error) -> ManifestError {
    ManifestError::Read {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::Database;

    #[test]
    fn sizes_and_conffiles_come_from_the_status_file() {
        let mut database = Database::default();
        database.read_status(
            b"Package: a\nStatus: install ok installed\nMaintainer: Jos\xe9\nInstalled-Size: 12\n\
              Architecture: all\nConffiles:\n /etc/a.conf 0123 obsolete\n /lib/a b 4567\n\
              \x20/etc/caf\xe9 89ab\nDescription: x\n y\n\n\
              Package: b\nArchitecture: amd64\n",
        );
        let size = |name: &str, architecture: &str| {
            database.installed[&(name.to_owned(), architecture.to_owned())]
        };
        assert_eq!((size("a", "all"), size("b", "amd64")), (12 * 1024, 0));
        let md5: Vec<(&[u8], &str)> = database
            .md5
            .iter()
            .map(|(path, md5)| (path.as_slice(), md5.as_str()))
            .collect();
        assert_eq!(
            md5,
            [
                (&b"/etc/a.conf"[..], "0123"),
                (b"/etc/caf\xe9", "89ab"),
                (b"/usr/lib/a b", "4567"),
            ]
        );
    }
}
