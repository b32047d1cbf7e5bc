//! Owns why a bake failed, and what to do about it.

use std::io;
use std::path::Path;

use super::output::OutputError;
use crate::disk::DiskError;
use crate::fetch::FetchError;
use crate::install::InstallError;
use crate::layers::{ApplyError, StoreError};
use crate::manifest::ManifestError;
use crate::sandbox::SandboxError;
use crate::seal::SealError;

/// Why a bake failed.
#[derive(Debug, thiserror::Error)]
pub enum BakeError {
    /// There is not enough room.
    #[error(
        "cannot bake in `{path}`: {what} needs about {needed_mib} MiB and {free_mib} MiB are free"
    )]
    NoSpace {
        /// Where.
        path: String,
        /// What needs it.
        what: &'static str,
        /// How much.
        needed_mib: u64,
        /// How much there is.
        free_mib: u64,
    },
    /// The layer store.
    #[error("cannot keep layers")]
    Store(#[source] StoreError),
    /// A download.
    #[error("cannot fetch the packages")]
    Fetch(#[source] Box<FetchError>),
    /// Packages of a layer.
    #[error("cannot install the packages of recipe `{recipe}`")]
    Install {
        /// The recipe.
        recipe: String,
        /// Why.
        #[source]
        source: Box<InstallError>,
    },
    /// A recipe's own files, commands or units.
    #[error("cannot apply recipe `{recipe}`")]
    Apply {
        /// The recipe.
        recipe: String,
        /// Why.
        #[source]
        source: Box<ApplyError>,
    },
    /// A mount or a program.
    #[error("cannot prepare the tree for {what}")]
    Sandbox {
        /// For what.
        what: String,
        /// Why.
        #[source]
        source: Box<SandboxError>,
    },
    /// The seal.
    #[error("cannot seal the image")]
    Seal(#[source] SealError),
    /// A check of a recipe does not hold.
    #[error("{} of the finished image failed:\n{}", checks_word(.0.len()), .0.join("\n"))]
    Checks(Vec<String>),
    /// The disk.
    #[error("cannot make the disk")]
    Disk(#[source] Box<DiskError>),
    /// The manifest or a bill of materials.
    #[error("cannot describe the image")]
    Manifest(#[source] Box<ManifestError>),
    /// A file of the cache or of the output directory.
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
    /// A layer in the store cannot be used.
    #[error("cannot reuse the layer of recipe `{recipe}` in `{path}`")]
    DamagedLayer {
        /// The recipe.
        recipe: String,
        /// The layer's directory.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The cache's file system cannot hold layers.
    #[error(transparent)]
    Cache(Box<SandboxError>),
    /// The image cannot be put where it was asked for.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The plan was made for another lock or image.
    #[error("cannot do what the plan says: {what}")]
    Plan {
        /// What is missing.
        what: String,
    },
    /// A thread died.
    #[error("cannot finish: a part of vmimage stopped unexpectedly")]
    Thread,
}

fn checks_word(count: usize) -> String {
    if count == 1 {
        "1 check".to_owned()
    } else {
        format!("{count} checks")
    }
}

impl BakeError {
    pub(crate) fn file(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { verb, path, source }
    }

    pub(crate) fn sandbox(what: &str) -> impl FnOnce(SandboxError) -> Self {
        let what = what.to_owned();
        move |source| Self::Sandbox {
            what,
            source: Box::new(source),
        }
    }

    /// What a thread panicked with has been printed where it did.
    pub(crate) fn panicked(_: Box<dyn std::any::Any + Send>) -> Self {
        Self::Thread
    }

    pub(crate) fn disk(error: DiskError) -> Self {
        Self::Disk(Box::new(error))
    }

    /// What to do, where that is certain.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSpace { .. } => {
                Some("free some space, or name other places with `--cache` and `--out`".to_owned())
            }
            Self::DamagedLayer { path, .. } => Some(format!(
                "remove `{path}` and bake again: the layer is then built anew"
            )),
            Self::Output(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::Install { source, .. } => source.hint(),
            Self::Disk(error) => error.hint(),
            Self::Sandbox { source, .. } | Self::Cache(source) => source.hint(),
            Self::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some space, or name other places with `--cache` and `--out`".to_owned())
            }
            Self::Apply { .. }
            | Self::Seal(_)
            | Self::Checks(_)
            | Self::Manifest(_)
            | Self::File { .. }
            | Self::Plan { .. }
            | Self::Thread => None,
        }
    }

    /// Whether something was changed before it failed.
    pub const fn has_changed_something(&self) -> bool {
        matches!(self, Self::Output(error) if error.has_changed_something())
    }
}
