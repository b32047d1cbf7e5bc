//! Owns the proof that a tree is sealed. Looks only at the tree, never at what sealing reported.

use std::path::Path;

use rustix::fs::FileType;
use vmimage_plan::definition::{Seal, SealAction};

use super::rows::{Rows, is_literal};
use super::{Finding, SealError, open, walk};
use crate::tree::{Entry, Tree};

/// Everything in the tree that a row of the table forbids, sorted.
pub fn check_seal(root: &Path, rows: &[(&str, &Seal)]) -> Result<Vec<Finding>, SealError> {
    let tree = open(root)?;
    let entries = walk(&tree)?;
    let mut findings = Vec::new();
    for ((_, row), matched) in rows.iter().zip(Rows::new(rows)?.matches(&entries)) {
        check_row(&tree, row, &matched, &mut findings)?;
    }
    findings.sort();
    findings.dedup();
    Ok(findings)
}

fn check_row(
    tree: &Tree,
    row: &Seal,
    matched: &[&Entry],
    findings: &mut Vec<Finding>,
) -> Result<(), SealError> {
    let mut find = |path: &Path, problem: String| {
        findings.push(Finding {
            path: path.display().to_string(),
            problem,
            reason: row.reason.clone(),
        });
    };
    match &row.action {
        SealAction::Remove | SealAction::Forbid { contains: None } => {
            for entry in matched {
                find(&entry.path, "must not be there".to_owned());
            }
        }
        SealAction::EmptyDirectory => {
            for entry in matched
                .iter()
                .filter(|entry| entry.kind == FileType::Directory)
            {
                if !is_empty(tree, entry)? {
                    find(&entry.path, "must be empty".to_owned());
                }
            }
        }
        SealAction::Truncate => expect(tree, row, matched, b"", &mut find)?,
        SealAction::Write { content } => {
            expect(tree, row, matched, content.as_bytes(), &mut find)?;
        }
        SealAction::Forbid {
            contains: Some(text),
        } => {
            for entry in matched
                .iter()
                .filter(|entry| entry.kind == FileType::RegularFile)
            {
                if contains(
                    &read(tree, &entry.path)?.unwrap_or_default(),
                    text.as_bytes(),
                ) {
                    find(&entry.path, format!("must not contain `{text}`"));
                }
            }
        }
    }
    Ok(())
}

fn expect(
    tree: &Tree,
    row: &Seal,
    matched: &[&Entry],
    content: &[u8],
    find: &mut impl FnMut(&Path, String),
) -> Result<(), SealError> {
    if matched.is_empty() && is_literal(&row.path) {
        find(Path::new(&row.path), "must be there".to_owned());
    }
    for entry in matched {
        if read(tree, &entry.path)?.as_deref() != Some(content) {
            let problem = if content.is_empty() {
                "must be empty".to_owned()
            } else {
                "must have its sealed content".to_owned()
            };
            find(&entry.path, problem);
        }
    }
    Ok(())
}

fn is_empty(tree: &Tree, entry: &Entry) -> Result<bool, SealError> {
    std::fs::read_dir(tree.on_disk(&entry.path))
        .map(|mut entries| entries.next().is_none())
        .map_err(|source| SealError::Read {
            path: entry.path.display().to_string(),
            source,
        })
}

fn read(tree: &Tree, path: &Path) -> Result<Option<Vec<u8>>, SealError> {
    tree.read(&path.to_string_lossy())
        .map_err(|source| SealError::Read {
            path: path.display().to_string(),
            source,
        })
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    !text.is_empty() && memchr::memmem::find(bytes, text).is_some()
}
