//! Owns sealing: removing identities and secrets from a tree, and proving that they are gone. Must
//! not know which ones: the rows are data, in the recipes.

mod check;
mod rows;

pub use check::check_seal;

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::FileType;
use serde::{Deserialize, Serialize};
use vmimage_plan::definition::{GlobError, Seal, SealAction};

use crate::tree::{Entry, Owner, Tree};
use rows::{Rows, is_literal};

/// What sealing did for one row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SealedRow {
    /// The recipe that brings the row.
    pub recipe: String,
    /// The row's glob.
    pub path: String,
    /// `remove`, `empty-directory`, `truncate`, `write` or `forbid`.
    pub action: String,
    /// What would go wrong without it.
    pub reason: String,
    /// What was there and is not any more, sorted.
    pub changed: Vec<String>,
}

/// A place where a tree is not sealed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// The path.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
    /// Why it matters.
    pub reason: String,
}

/// Why a tree cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A row's glob cannot be used.
    #[error("cannot read the seal path `{path}`")]
    Glob {
        /// The glob.
        path: String,
        /// Why.
        #[source]
        source: Box<GlobError>,
    },
    /// The rows' globs cannot be matched together.
    #[error("cannot read the seal table")]
    Table(#[source] globset::Error),
    /// The tree cannot be read.
    #[error("cannot read the tree `{path}`")]
    Read {
        /// The tree, or the path in it.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something could not be sealed.
    #[error("cannot seal `{path}`")]
    Change {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The sealed tree is not sealed.
    #[error("{} after sealing:\n{}", count(.0.len()), list(.0))]
    Findings(Vec<Finding>),
}

fn count(findings: usize) -> String {
    if findings == 1 {
        "1 finding".to_owned()
    } else {
        format!("{findings} findings")
    }
}

fn list(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings
        .iter()
        .map(|f| format!("  {}: {} ({})", f.path, f.problem, f.reason))
        .collect();
    lines.join("\n")
}

/// Seals the tree: does what every row says, in order. `rows` gives each row with its recipe.
pub fn seal(root: &Path, rows: &[(&str, &Seal)]) -> Result<Vec<SealedRow>, SealError> {
    let tree = open(root)?;
    let entries = walk(&tree)?;
    let table = Rows::new(rows)?;
    let matches = table.matches(&entries);
    let mut report = Vec::new();
    for ((recipe, row), matched) in rows.iter().zip(matches) {
        let changed = apply(&tree, row, &matched)?;
        report.push(SealedRow {
            recipe: (*recipe).to_owned(),
            path: row.path.clone(),
            action: action_name(&row.action).to_owned(),
            reason: row.reason.clone(),
            changed,
        });
    }
    Ok(report)
}

fn action_name(action: &SealAction) -> &'static str {
    match action {
        SealAction::Remove => "remove",
        SealAction::EmptyDirectory => "empty-directory",
        SealAction::Truncate => "truncate",
        SealAction::Write { .. } => "write",
        SealAction::Forbid { .. } => "forbid",
    }
}

fn apply(tree: &Tree, row: &Seal, matched: &[&Entry]) -> Result<Vec<String>, SealError> {
    let mut changed = Vec::new();
    match &row.action {
        SealAction::Remove => {
            for entry in matched {
                if remove(tree, entry)? {
                    changed.push(entry.path.display().to_string());
                }
            }
        }
        SealAction::EmptyDirectory => {
            for entry in matched
                .iter()
                .filter(|entry| entry.kind == FileType::Directory)
            {
                changed.extend(empty(tree, &entry.path)?);
            }
        }
        SealAction::Truncate => fill(tree, row, matched, b"", &mut changed)?,
        SealAction::Write { content } => {
            fill(tree, row, matched, content.as_bytes(), &mut changed)?;
        }
        SealAction::Forbid { .. } => {}
    }
    changed.sort();
    Ok(changed)
}

/// Removes what is at `entry`; it may be gone already with a directory above it.
fn remove(tree: &Tree, entry: &Entry) -> Result<bool, SealError> {
    let path = tree.on_disk(&entry.path);
    let removed = if entry.kind == FileType::Directory {
        fs::remove_dir_all(&path)
    } else {
        fs::remove_file(&path)
    };
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(SealError::Change {
            path: entry.path.display().to_string(),
            source,
        }),
    }
}

fn empty(tree: &Tree, directory: &Path) -> Result<Vec<String>, SealError> {
    let path = tree.on_disk(directory);
    let read = |source| SealError::Read {
        path: directory.display().to_string(),
        source,
    };
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let mut removed = Vec::new();
    for entry in fs::read_dir(&path).map_err(read)? {
        let entry = entry.map_err(read)?;
        let kind = entry.file_type().map_err(read)?;
        let inside = directory.join(entry.file_name());
        let kind = if kind.is_dir() {
            FileType::Directory
        } else {
            FileType::RegularFile
        };
        if remove(
            tree,
            &Entry {
                path: inside.clone(),
                kind,
            },
        )? {
            removed.push(inside.display().to_string());
        }
    }
    Ok(removed)
}

/// Gives files a content. A row without wildcards makes its file where it is absent.
fn fill(
    tree: &Tree,
    row: &Seal,
    matched: &[&Entry],
    content: &[u8],
    changed: &mut Vec<String>,
) -> Result<(), SealError> {
    let mut paths: Vec<String> = matched
        .iter()
        .map(|entry| entry.path.display().to_string())
        .collect();
    if paths.is_empty() && is_literal(&row.path) {
        paths.push(row.path.clone());
    }
    for path in paths {
        let change = |source| SealError::Change {
            path: path.clone(),
            source,
        };
        let stat = tree.stat(&path).map_err(change)?;
        let is_sealed = tree.has_content(Path::new(&path), content);
        if stat.is_some() && is_sealed.map_err(change)? {
            continue;
        }
        let (mode, owner) = stat.map_or((0o644, Owner::ROOT), |stat| {
            (
                stat.st_mode & 0o7777,
                Owner {
                    uid: stat.st_uid,
                    gid: stat.st_gid,
                },
            )
        });
        tree.write(&path, content, mode, owner).map_err(change)?;
        changed.push(path);
    }
    Ok(())
}

fn open(root: &Path) -> Result<Tree, SealError> {
    Tree::open(root).map_err(|source| SealError::Read {
        path: root.display().to_string(),
        source,
    })
}

fn walk(tree: &Tree) -> Result<Vec<Entry>, SealError> {
    tree.walk().map_err(|source| SealError::Read {
        path: tree.path().display().to_string(),
        source,
    })
}

#[cfg(test)]
mod tests;
