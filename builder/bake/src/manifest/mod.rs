//! Owns manifest.json: what an image was made from, and what it is. Must hold nothing that differs
//! between two bakes of one lock; times and disk usage are in report.json.
//!
//! # Format 1
//!
//! One JSON object. Its keys are the fields of [`Manifest`] in kebab-case; lists are sorted as each
//! field says; unknown keys are an error. Sizes are bytes, digests are SHA-256 in lower-case
//! hexadecimal, times are seconds since 1970. A change of meaning raises `format`.

mod dpkg;
mod files;
mod make;

pub use files::OutsideFile;
pub use make::{ManifestInput, make_manifest};

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use vmimage_plan::definition::{Architecture, Suite};

use crate::disk::DiskReport;
use crate::seal::SealedRow;

/// The version of the format that this program reads and writes.
pub const FORMAT: u32 = 1;

/// The name of a manifest's file.
pub const FILE_NAME: &str = "manifest.json";

/// The name of the file that holds what differs between two bakes.
pub const REPORT_FILE_NAME: &str = "report.json";

/// What an image was made from, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The image's name.
    pub image: String,
    /// What it runs on.
    pub architecture: Architecture,
    /// The Debian suite.
    pub suite: Suite,
    /// Version of the vmimage that baked it.
    pub vmimage: String,
    /// Identity of its inputs: the same fingerprint means the same bytes.
    pub fingerprint: String,
    /// Digest of the lock.
    pub lock: String,
    /// What the times of its files are clamped to.
    pub source_date_epoch: i64,
    /// Its recipes, in the order in which they were applied.
    pub recipes: Vec<RecipeEntry>,
    /// The repositories, in the lock's order.
    pub repositories: Vec<RepositoryEntry>,
    /// What sealing did, in the table's order.
    pub seal: Vec<SealedRow>,
    /// Files that are not as a package brought them, by path.
    pub files: Vec<OutsideFile>,
    /// The disk, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disk: Option<DiskReport>,
    /// The files of the image, by name.
    pub outputs: Vec<OutputEntry>,
}

/// One recipe's part of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecipeEntry {
    /// Its name.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// What its packages take when installed, as their makers say.
    pub installed: u64,
    /// The packages of its layer, by name.
    pub packages: Vec<PackageEntry>,
    /// Units that it enables.
    pub enabled: Vec<String>,
    /// Units that it installs for a role to start.
    pub disabled: Vec<String>,
    /// Units that must never run.
    pub masked: Vec<String>,
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PackageEntry {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Debian's name of its architecture, or `all`.
    pub architecture: String,
    /// Digest of the .deb.
    pub sha256: String,
    /// Where it comes from.
    pub archive: String,
    /// What it takes when installed, as its maker says.
    pub installed: u64,
    /// Whether the recipe asks for it by name; otherwise it is a dependency.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub requested: bool,
    /// Whether it only stands in for a vendor's package in tests.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub stand_in: bool,
}

/// A repository whose Release file was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RepositoryEntry {
    /// The archive's name.
    pub archive: String,
    /// The suite.
    pub suite: String,
    /// Digest of the verified Release text.
    pub release_sha256: String,
    /// Fingerprint of the key that signed it.
    pub signed_by: String,
    /// Whether its packages only stand in for a vendor's in tests.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub stand_in: bool,
}

/// A file of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OutputEntry {
    /// Its name, beside the manifest.
    pub name: String,
    /// Its size.
    pub size: u64,
    /// Its digest.
    pub sha256: String,
}

/// What differs between two bakes of the same image: `report.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BakeRecord {
    /// [`FORMAT`].
    pub format: u32,
    /// The manifest's fingerprint.
    pub fingerprint: String,
    /// The steps in the order in which they ended.
    pub steps: Vec<StepEntry>,
    /// The bytes that each file takes on disk, by name.
    pub allocated: Vec<AllocatedEntry>,
}

/// One step of a bake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StepEntry {
    /// Its name.
    pub step: String,
    /// Its outcome in a few words.
    pub outcome: String,
    /// How long it took.
    pub millis: u64,
    /// Whether an earlier result was used.
    pub reused: bool,
}

/// The bytes that a file takes on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AllocatedEntry {
    /// The file's name.
    pub name: String,
    /// The bytes.
    pub bytes: u64,
}

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file could not be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a manifest.
    #[error("cannot read `{path}` as a manifest")]
    Syntax {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It has another format.
    #[error("cannot read `{path}`: it has format {found}, this vmimage reads format {FORMAT}")]
    Format {
        /// The file.
        path: String,
        /// Its format.
        found: u64,
    },
}

impl Manifest {
    /// The text of manifest.json.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Every package with the recipe whose layer installs it.
    pub fn packages(&self) -> impl Iterator<Item = (&RecipeEntry, &PackageEntry)> {
        self.recipes
            .iter()
            .flat_map(|recipe| recipe.packages.iter().map(move |package| (recipe, package)))
    }
}

impl BakeRecord {
    /// The text of report.json.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

/// Loads the manifest at `path`.
pub fn load_manifest(path: &Path) -> Result<Manifest, ManifestError> {
    let text = fs::read(path).map_err(|source| ManifestError::Read {
        path: path.display().to_string(),
        source,
    })?;
    let syntax = |source| ManifestError::Syntax {
        path: path.display().to_string(),
        source,
    };
    // The format is looked at first: in another one, other keys are to be expected.
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(syntax)?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(FORMAT) => Err(ManifestError::Format {
            path: path.display().to_string(),
            found,
        }),
        Some(_) | None => serde_json::from_value(value).map_err(syntax),
    }
}

#[cfg(test)]
pub(crate) mod tests;
