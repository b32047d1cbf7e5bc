//! Owns why an image cannot be put where it was asked for, and what to do about it.

use std::io;
use std::path::Path;

/// The one rule, in every refusal that comes from it.
const RULE: &str = "a bake replaces only what a bake wrote";

/// How many names are given before the rest is counted.
const NAMED: usize = 5;

/// Why an image cannot be put where it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Something in the directory is not of a bake.
    #[error("refusing to replace `{path}`: no bake wrote {} in it", listed(.names))]
    Foreign {
        /// The directory.
        path: String,
        /// What is not, sorted.
        names: Vec<String>,
    },
    /// The record in the directory is damaged.
    #[error(
        "refusing to replace `{path}`: its record `{record}` cannot be read, so it is not known what \
         a bake wrote there"
    )]
    NoRecord {
        /// The directory.
        path: String,
        /// The record's name.
        record: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The place is no directory, and cannot be one.
    #[error("cannot put an image into `{path}`: {what}")]
    Unsuitable {
        /// The place.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// Another bake is writing there.
    #[error("cannot put an image into `{path}`: another bake is at work on it ({holder})")]
    InUse {
        /// The directory.
        path: String,
        /// Which.
        holder: String,
    },
    /// A boot test is running there.
    #[error("cannot put an image into `{path}`: a boot test of the image there is running")]
    BootTest {
        /// The directory.
        path: String,
    },
    /// The files are partly the old image's and partly the new one's.
    #[error("only a part of `{path}` was replaced")]
    Partly {
        /// The directory.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file or directory could not be made, read or removed.
    #[error("cannot {verb} `{path}`")]
    File {
        /// What was tried.
        verb: &'static str,
        /// On which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

fn listed(names: &[String]) -> String {
    let quoted = |names: &[String]| {
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(", ")
    };
    match names.len().checked_sub(NAMED) {
        None | Some(0) => quoted(names),
        Some(more) => format!("{} and {more} more", quoted(&names[..NAMED])),
    }
}

impl OutputError {
    pub(super) fn file(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { verb, path, source }
    }

    /// What to do, where that is certain.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Foreign { .. } => Some(format!(
                "{RULE}: move the rest elsewhere, or name another directory with `--out`"
            )),
            Self::NoRecord { path, .. } => Some(format!(
                "{RULE}: remove `{path}` if nothing in it is needed, or name another directory with \
                 `--out`"
            )),
            Self::Unsuitable { .. } => Some("name another directory with `--out`".to_owned()),
            Self::InUse { .. } | Self::BootTest { .. } => {
                Some("wait for it to end, or name another directory with `--out`".to_owned())
            }
            Self::Partly { .. } => {
                Some("run the same command again: it replaces the rest".to_owned())
            }
            Self::File { source, .. } => is_closed(source)
                .then(|| "name a directory that you may write to with `--out`".to_owned()),
        }
    }

    /// Whether something was changed before it failed.
    pub const fn has_changed_something(&self) -> bool {
        matches!(self, Self::Partly { .. })
    }
}
