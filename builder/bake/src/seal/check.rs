//! Owns the proof that a tree is sealed. Looks only at the tree, never at what sealing reported.

use std::io;
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
                let contains = tree.contains(&entry.path, text.as_bytes());
                if contains.map_err(read_error(&entry.path))? == Some(true) {
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
        let sealed = tree.has_content(&entry.path, content);
        if !sealed.map_err(read_error(&entry.path))? {
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
        .map_err(read_error(&entry.path))
}

fn read_error(path: &Path) -> impl FnOnce(io::Error) -> SealError {
    move |source| SealError::Read {
        path: path.display().to_string(),
        source,
    }
}
