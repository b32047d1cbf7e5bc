//! Owns the files that recipes have written before packages that ship the same paths. They stay as they
//! are. Must not write any other file.

use std::path::Path;

use super::configure::Answers;
use super::error::InstallError;
use super::extract::file_error;
use crate::tree::{Owner, Tree};

/// What dpkg and ucf call the package's version of a configuration file when they keep another one.
const COPIES: [&str; 2] = [".dpkg-dist", ".ucf-dist"];

/// The recipes' files in a tree.
pub(super) struct OwnFiles<'a> {
    tree: Tree,
    answers: Answers<'a>,
}

/// A file as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept<'a> {
    path: &'a str,
    content: Vec<u8>,
    mode: u32,
    owner: Owner,
}

impl<'a> OwnFiles<'a> {
    pub(super) fn open(root: &Path, answers: &Answers<'a>) -> Result<Self, InstallError> {
        let tree = Tree::open(root).map_err(|source| file_error("open", root, source))?;
        let answers = *answers;
        Ok(Self { tree, answers })
    }

    /// What was written before the packages, to be restored when dpkg has unpacked.
    pub(super) fn before_unpacking(&self) -> Result<Vec<Kept<'a>>, InstallError> {
        let paths = self.answers.before_packages.iter();
        paths
            .filter_map(|path| self.look(path).transpose())
            .collect()
    }

    /// Writes again what a package's file has taken the place of.
    pub(super) fn restore(&self, before: Vec<Kept<'a>>) -> Result<(), InstallError> {
        for kept in before {
            if self.look(kept.path)?.as_ref() == Some(&kept) {
                continue;
            }
            let Kept {
                path,
                content,
                mode,
                owner,
            } = kept;
            let written = self.tree.write(path, &content, mode, owner);
            written.map_err(|source| file_error("write", Path::new(path), source))?;
        }
        Ok(())
    }

    /// Removes the packages' versions beside the recipes' files.
    pub(super) fn remove_copies(&self) -> Result<(), InstallError> {
        for path in self.answers.files {
            for suffix in COPIES {
                let copy = format!("{path}{suffix}");
                let removed = self.tree.remove(&copy);
                removed.map_err(|source| file_error("remove", Path::new(&copy), source))?;
            }
        }
        Ok(())
    }

    fn look(&self, path: &'a str) -> Result<Option<Kept<'a>>, InstallError> {
        let failed = |source| file_error("read", Path::new(path), source);
        let Some(stat) = self.tree.stat(path).map_err(failed)? else {
            return Ok(None);
        };
        let content = self.tree.read(path).map_err(failed)?;
        Ok(content.map(|content| Kept {
            path,
            content,
            mode: stat.st_mode & 0o7777,
            owner: Owner {
                uid: stat.st_uid,
                gid: stat.st_gid,
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Answers, OwnFiles};

    #[test]
    fn a_recipe_s_file_stays_and_has_no_copy_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir(path("etc")).unwrap();
        for (name, text) in [
            ("etc/own", "recipe"),
            ("etc/own.dpkg-dist", "package"),
            ("etc/own.ucf-dist", "package"),
            ("etc/other.dpkg-dist", "of nobody's file"),
        ] {
            fs::write(path(name), text).unwrap();
        }
        let answers = Answers {
            debconf: &[],
            before_packages: &["/etc/own", "/etc/absent"],
            files: &["/etc/own", "/etc/absent"],
        };
        let own = OwnFiles::open(root.path(), &answers).unwrap();
        let before = own.before_unpacking().unwrap();
        assert_eq!(before.len(), 1);
        fs::write(path("etc/own"), "of a package").unwrap();
        own.restore(before).unwrap();
        own.remove_copies().unwrap();
        assert_eq!(fs::read_to_string(path("etc/own")).unwrap(), "recipe");
        let mut left: Vec<_> = fs::read_dir(path("etc"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["other.dpkg-dist", "own"]);
    }
}
