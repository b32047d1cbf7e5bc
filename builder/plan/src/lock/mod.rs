//! Owns the lock of an image (`images/NAME.lock`): exactly which packages go into it. Never names a
//! mirror.

mod asked;
mod package;
mod parse;
mod render;
mod stale;

pub use asked::{Asked, AskedRecipe, AskedRepository, lock_inputs};
pub use package::pool_path;
pub use stale::{Staleness, check_stale};

use serde::{Deserialize, Serialize};

use crate::definition::Architecture;

/// The version of the lock's format that this program reads and writes.
pub const FORMAT: u32 = 1;

/// Everything that was resolved for an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lock {
    /// [`FORMAT`].
    pub format: u32,
    /// The image's name.
    pub image: String,
    /// SHA-256 of `asked`. A lock whose value differs from the definition's is stale.
    pub inputs: String,
    /// Seconds since 1970 that every file of the image is clamped to: the newest Release file's date.
    pub source_date_epoch: i64,
    /// What was resolved: all that the resolution depends on, so that a stale lock can say why.
    pub asked: Asked,
    /// The Release files that were verified.
    #[serde(rename = "repository")]
    pub repositories: Vec<LockedRepository>,
    /// Packages, one list per architecture.
    #[serde(rename = "target")]
    pub targets: Vec<Target>,
}

/// A verified Release file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedRepository {
    /// The archive's name in the recipes.
    pub archive: String,
    /// The suite as asked for.
    pub suite: String,
    /// SHA-256 of the verified Release text.
    pub release_sha256: String,
    /// What its `Suite` and `Codename` say, where neither is what was asked for. apt only warns then,
    /// and so do we; here it shows in the lock's diff.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub release_names: Option<Vec<String>>,
    /// Its `Date`, RFC 3339, UTC; 1970 where it has none.
    pub date: String,
    /// Its `Valid-Until`, RFC 3339, UTC, where it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub valid_until: Option<String>,
    /// Fingerprint of the primary key that signed it.
    pub signed_by: String,
    /// The key, armored, where no recipe pinned one and the user accepted it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accepted_key: Option<String>,
    /// Whether its packages are stand-ins for a vendor's (`Origin: vmimage-standin`).
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub stand_in: bool,
}

/// The packages for one architecture, in installation order of their layers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Target {
    /// EC2's name of the architecture.
    pub architecture: Architecture,
    /// The packages, sorted by layer and name.
    #[serde(rename = "package")]
    pub packages: Vec<LockedPackage>,
}

/// One .deb.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPackage {
    /// Binary package name.
    pub name: String,
    /// Debian version.
    pub version: String,
    /// Debian architecture of the .deb (`all` too).
    pub architecture: String,
    /// SHA-256 of the .deb, in hexadecimal.
    pub sha256: String,
    /// Size of the .deb in bytes.
    pub size: u64,
    /// The archive it comes from.
    pub archive: String,
    /// Its path below the archive's URL.
    pub path: String,
    /// The recipe whose layer installs it.
    pub recipe: String,
    /// Whether a recipe asked for it by name; otherwise it is a dependency.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub requested: bool,
}
