//! Owns matching the seal table's globs against a tree's paths. Must not change anything.

use globset::{GlobSet, GlobSetBuilder};
use vmimage_plan::definition::{Seal, parse_glob};

use super::SealError;
use crate::tree::Entry;

/// The table's globs, ready to match.
pub(super) struct Rows {
    set: GlobSet,
    count: usize,
}

impl Rows {
    pub(super) fn new(rows: &[(&str, &Seal)]) -> Result<Self, SealError> {
        let mut builder = GlobSetBuilder::new();
        for (_, row) in rows {
            let glob = parse_glob(&row.path).map_err(|source| SealError::Glob {
                path: row.path.clone(),
                source: Box::new(source),
            })?;
            builder.add(glob);
        }
        let set = builder.build().map_err(SealError::Table)?;
        Ok(Self {
            set,
            count: rows.len(),
        })
    }

    /// For each row, the entries that it matches, in the tree's order.
    pub(super) fn matches<'a>(&self, entries: &'a [Entry]) -> Vec<Vec<&'a Entry>> {
        let mut matches = vec![Vec::new(); self.count];
        let mut hits = Vec::new();
        for entry in entries {
            self.set.matches_into(&entry.path, &mut hits);
            for &row in &hits {
                if let Some(row) = matches.get_mut(row) {
                    row.push(entry);
                }
            }
        }
        matches
    }
}

/// Whether a glob names exactly one path.
pub(super) fn is_literal(glob: &str) -> bool {
    !glob.contains(['*', '?', '[', '{', '\\'])
}
