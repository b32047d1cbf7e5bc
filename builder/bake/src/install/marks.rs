//! Owns apt's marks of automatically installed packages (`/var/lib/apt/extended_states`).

use std::collections::BTreeSet;
use std::path::Path;

use super::error::InstallError;
use super::extract::file_error;
use super::records::{read, write};

/// A package to mark.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) package: String,
    /// Of the machine for packages of architecture `all`, as apt has it.
    pub(super) architecture: String,
}

/// Adds marks. apt writes them in the order of its cache; here they are sorted.
pub(super) fn add(root: &Path, marks: &[Mark]) -> Result<(), InstallError> {
    if marks.is_empty() {
        return Ok(());
    }
    let directory = root.join("var/lib/apt");
    std::fs::create_dir_all(&directory).map_err(|source| file_error("make", &directory, source))?;
    let path = directory.join("extended_states");
    let known = read(&path)?;
    let mut stanzas: BTreeSet<String> = known
        .split("\n\n")
        .map(|stanza| stanza.trim_matches('\n').to_owned())
        .filter(|stanza| !stanza.is_empty())
        .collect();
    stanzas.extend(marks.iter().map(|mark| {
        let Mark {
            package,
            architecture,
        } = mark;
        format!("Package: {package}\nArchitecture: {architecture}\nAuto-Installed: 1")
    }));
    let mut text = stanzas.into_iter().collect::<Vec<_>>().join("\n\n");
    text.push_str("\n\n");
    write(&path, text.as_bytes())
}
