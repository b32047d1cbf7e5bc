//! Owns putting stand-in archives in the place of vendors' archives that cannot be reached, for
//! tests and demonstrations. What is replaced is recorded in the lock and the manifest.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use vmimage_bake::resolve::{KeyError, key_fingerprints};
use vmimage_plan::definition::{Content, Image, RepositoryKey};

/// Why stand-ins cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StandInError {
    /// A file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A key cannot be read.
    #[error("cannot use the key `{path}`")]
    Key {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// The directory has no archive at all.
    #[error("no archive has a stand-in in `{0}`")]
    None(String),
}

impl StandInError {
    /// What to do.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::None(_) | Self::Read { .. } => Some(
                "make the stand-ins with \
                 `cargo run -p vmimage-tests --bin standin-repository -- DIR`"
                    .to_owned(),
            ),
            Self::Key { .. } => None,
        }
    }
}

/// Replaces every archive of the image that `directory` has a folder for: its packages come from
/// there, signed by the key that lies beside them, and the image does not keep the source.
pub(crate) fn replace(
    image: &mut Image,
    directory: &Path,
    mirrors: &mut BTreeMap<String, String>,
) -> Result<(), StandInError> {
    let directory = fs::canonicalize(directory).map_err(|source| StandInError::Read {
        path: directory.display().to_string(),
        source,
    })?;
    let has_archive = fs::read_dir(&directory)
        .map_err(|source| StandInError::Read {
            path: directory.display().to_string(),
            source,
        })?
        .flatten()
        .any(|entry| entry.path().join("key.asc").is_file());
    if !has_archive {
        return Err(StandInError::None(directory.display().to_string()));
    }
    for repository in image
        .recipes
        .iter_mut()
        .flat_map(|recipe| &mut recipe.repositories)
    {
        let archive = directory.join(&repository.archive);
        if !archive.is_dir() {
            continue;
        }
        let path = archive.join("key.asc");
        let name = path.display().to_string();
        let bytes = fs::read(&path).map_err(|source| StandInError::Read {
            path: name.clone(),
            source,
        })?;
        let fingerprints = key_fingerprints(&bytes).map_err(|source| StandInError::Key {
            path: name.clone(),
            source,
        })?;
        // The path is not recorded: it is one machine's.
        let origin = format!("stand-in for {}", repository.archive);
        repository.key = RepositoryKey {
            fingerprints,
            vendored: Some(Content::new(origin, bytes)),
            url: None,
        };
        repository.keep_in_image = false;
        mirrors.insert(
            repository.archive.clone(),
            format!("file://{}", archive.display()),
        );
    }
    Ok(())
}
