//! Owns the stand-ins for vendors' package repositories: builds the packages whose sources are in
//! `tests/standin/` and signs a repository per archive with a key that is not secret. Must never
//! make anything that could be taken for a vendor's own: Release files, packages and pages all say
//! what they are.
//!
//! The same sources give the same bytes, whenever and wherever they are built.
//!
//! ```no_run
//! use std::path::Path;
//! use vmimage_tests::standin::{self, StandinRepository, Validity};
//!
//! let directory = Path::new("/tmp/standins");
//! let built = StandinRepository::build(&standin::sources(), directory, Validity::default())?;
//! assert_eq!(built.fingerprint.len(), 40);
//! # Ok::<(), standin::StandinError>(())
//! ```

mod archive;
mod deb;
mod key;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use deb::Deb;
pub use key::TestKey;

/// What the Release files and the packages of a stand-in name as their origin.
pub const ORIGIN: &str = "vmimage-standin";

/// Noon of 2025-01-01, UTC: the date of the Release files and of every file in the packages. In the
/// past for every clock that can bake, so that no Release is refused for being from the future.
const DATE: i64 = 1_735_732_800;

/// Ten years after [`DATE`].
const VALID_UNTIL: i64 = 2_051_265_600;

/// An archive that has a stand-in, laid out as the recipes expect their vendor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Its name in the recipes and its folder below `tests/standin/`.
    pub name: &'static str,
    /// Its suite.
    pub suite: &'static str,
    /// Its component.
    pub component: &'static str,
}

/// Every archive that has a stand-in.
pub const ARCHIVES: [Archive; 3] = [
    Archive {
        name: "grafana",
        suite: "stable",
        component: "main",
    },
    Archive {
        name: "virtualmin",
        suite: "virtualmin",
        component: "main",
    },
    Archive {
        name: "webmin",
        suite: "stable",
        component: "contrib",
    },
];

/// From when until when the Release files are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Seconds since 1970 of `Date`, and of the signatures.
    pub date: i64,
    /// Seconds since 1970 of `Valid-Until`.
    pub valid_until: i64,
}

impl Default for Validity {
    fn default() -> Self {
        Self {
            date: DATE,
            valid_until: VALID_UNTIL,
        }
    }
}

/// Repositories that were built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandinRepository {
    /// Where they are: one folder per archive.
    pub directory: PathBuf,
    /// The fingerprint of the key that signed them, in upper-case hexadecimal.
    pub fingerprint: String,
    /// The packages of every archive, as `ARCHIVE/PACKAGE_VERSION`, sorted.
    pub packages: Vec<String>,
}

/// Why stand-ins cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum StandinError {
    /// A source or result cannot be read or written.
    #[error("cannot {action} `{path}`")]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file or folder.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A control file lacks something.
    #[error("`{path}` has no field `{field}`")]
    Field {
        /// The control file.
        path: String,
        /// The field.
        field: &'static str,
    },
    /// A control file does not say that its package is a stand-in.
    #[error("`{path}` does not say `Origin: {ORIGIN}`")]
    Origin {
        /// The control file.
        path: String,
    },
    /// A time cannot be written as a date.
    #[error("cannot write the time {seconds} as a date")]
    Date {
        /// Seconds since 1970.
        seconds: i64,
        /// Why.
        #[source]
        source: jiff::Error,
    },
    /// Something cannot be signed.
    #[error("cannot sign {what} with the test key")]
    Sign {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<pgp::errors::Error>,
    },
}

/// The folder of this project that holds the packages' sources.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("standin")
}

impl StandinRepository {
    /// Builds the packages below `sources` and a signed repository per archive below `directory`.
    pub fn build(
        sources: &Path,
        directory: &Path,
        validity: Validity,
    ) -> Result<Self, StandinError> {
        let key = TestKey::new()?;
        let mut packages = Vec::new();
        for archive in ARCHIVES {
            let debs = build_debs(&sources.join(archive.name))?;
            archive::write(
                &directory.join(archive.name),
                archive,
                &debs,
                &key,
                validity,
            )?;
            packages.extend(
                debs.iter()
                    .map(|deb| format!("{}/{}_{}", archive.name, deb.name, deb.version)),
            );
        }
        packages.sort();
        Ok(Self {
            directory: directory.to_path_buf(),
            fingerprint: key.fingerprint(),
            packages,
        })
    }
}

fn build_debs(folder: &Path) -> Result<Vec<Deb>, StandinError> {
    let mut debs = Vec::new();
    for package in sorted_entries(folder)? {
        debs.push(Deb::build(&package, DATE)?);
    }
    Ok(debs)
}

/// What is in a folder, sorted by name.
fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, StandinError> {
    let read = |source| file_error("read", folder, source);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        entries.push(entry.map_err(read)?.path());
    }
    entries.sort();
    Ok(entries)
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> StandinError {
    StandinError::File {
        action,
        path: path.display().to_string(),
        source,
    }
}
