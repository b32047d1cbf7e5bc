//! Owns what a tree's dpkg database says about files and sizes. Must not change it.

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
    pub(super) owners: BTreeMap<String, String>,
    /// MD5 by path, where the package tells it.
    pub(super) md5: BTreeMap<String, String>,
}

/// Reads the database of the tree at `tree`.
pub(super) fn read_database(tree: &Path) -> Result<Database, ManifestError> {
    let directory = tree.join("var/lib/dpkg");
    let mut database = Database::default();
    let status = directory.join("status");
    database.read_status(&read_text(&status)?);
    let info = directory.join("info");
    let entries = fs::read_dir(&info).map_err(|source| read_error(&info, source))?;
    for entry in entries {
        let path = entry.map_err(|source| read_error(&info, source))?.path();
        let Some(package) = path.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => database.read_list(package, &read_text(&path)?),
            Some("md5sums") => database.read_md5sums(&read_text(&path)?),
            Some(_) | None => {}
        }
    }
    Ok(database)
}

impl Database {
    fn read_status(&mut self, text: &str) {
        for paragraph in text.split("\n\n") {
            let field = |name: &str| {
                paragraph.lines().find_map(|line| {
                    let (key, value) = line.split_once(':')?;
                    (key == name).then(|| value.trim())
                })
            };
            let (Some(package), Some(architecture)) = (field("Package"), field("Architecture"))
            else {
                continue;
            };
            let kib: u64 = field("Installed-Size")
                .and_then(|size| size.parse().ok())
                .unwrap_or(0);
            let key = (package.to_owned(), architecture.to_owned());
            self.installed.insert(key, kib * 1024);
            let conffiles = paragraph
                .split_once("\nConffiles:\n")
                .map_or("", |(_, rest)| rest);
            for line in conffiles.lines().take_while(|line| line.starts_with(' ')) {
                let mut words = line.split_whitespace();
                if let (Some(path), Some(md5)) = (words.next(), words.next()) {
                    self.md5.insert(merge_usr(path), md5.to_owned());
                }
            }
        }
    }

    fn read_list(&mut self, package: &str, text: &str) {
        for path in text.lines() {
            self.owners.insert(merge_usr(path), package.to_owned());
        }
    }

    fn read_md5sums(&mut self, text: &str) {
        for line in text.lines() {
            if let Some((md5, path)) = line.split_once("  ") {
                let path = format!("/{}", path.trim_start_matches("./"));
                self.md5.insert(merge_usr(&path), md5.to_owned());
            }
        }
    }
}

/// Packages may still name `/lib` and the like, which are links into `/usr`.
fn merge_usr(path: &str) -> String {
    let merged = ["/bin/", "/sbin/", "/lib/", "/lib64/"]
        .iter()
        .any(|prefix| path.starts_with(prefix));
    if merged {
        format!("/usr{path}")
    } else {
        path.to_owned()
    }
}

fn read_text(path: &Path) -> Result<String, ManifestError> {
    let bytes = fs::read(path).map_err(|source| read_error(path, source))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
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
            "Package: a\nStatus: install ok installed\nInstalled-Size: 12\nArchitecture: all\n\
             Conffiles:\n /etc/a.conf 0123 obsolete\n /lib/a 4567\nDescription: x\n y\n\n\
             Package: b\nArchitecture: amd64\n",
        );
        let size = |name: &str, architecture: &str| {
            database.installed[&(name.to_owned(), architecture.to_owned())]
        };
        assert_eq!((size("a", "all"), size("b", "amd64")), (12 * 1024, 0));
        assert_eq!(database.md5["/etc/a.conf"], "0123");
        assert_eq!(database.md5["/usr/lib/a"], "4567");
        assert_eq!(database.md5.len(), 2);
    }
}
