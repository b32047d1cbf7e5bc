//! Owns what a lock was asked for. Two images that ask for the same have the same lock.

use serde::{Deserialize, Serialize};

use crate::definition::{Architecture, Image, Repository, Suite};
use crate::digest::sha256_hex;

/// All of a definition that decides which packages are chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Asked {
    /// The suite.
    pub suite: Suite,
    /// The architectures, as the image lists them.
    pub architectures: Vec<Architecture>,
    /// The recipes, in order.
    #[serde(rename = "recipe", default)]
    pub recipes: Vec<AskedRecipe>,
}

/// What one recipe asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AskedRecipe {
    /// Its name.
    pub name: String,
    /// The packages, sorted.
    pub packages: Vec<String>,
    /// The repositories, as the recipe lists them.
    pub repositories: Vec<AskedRepository>,
}

/// A repository, as far as it decides what is chosen and who is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AskedRepository {
    /// The archive's name.
    pub archive: String,
    /// Where the definition says it is found; mirrors are never recorded.
    pub url: String,
    /// Suites.
    pub suites: Vec<String>,
    /// Components.
    pub components: Vec<String>,
    /// Pinned fingerprints.
    pub fingerprints: Vec<String>,
    /// SHA-256 of the vendored key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key_sha256: Option<String>,
}

impl Asked {
    /// What `image` asks for.
    pub fn of(image: &Image) -> Self {
        let recipes = image.recipes.iter().map(|recipe| {
            let mut packages = recipe.packages.clone();
            packages.sort();
            AskedRecipe {
                name: recipe.name.clone(),
                packages,
                repositories: recipe
                    .repositories
                    .iter()
                    .map(AskedRepository::of)
                    .collect(),
            }
        });
        Self {
            suite: image.suite,
            architectures: image.architectures.clone(),
            recipes: recipes.collect(),
        }
    }

    /// Its SHA-256, in hexadecimal: of one line of JSON with the fields in their order here.
    ///
    /// # Panics
    ///
    /// Never: texts and lists are always valid JSON.
    pub fn digest(&self) -> String {
        let json = serde_json::to_vec(self).expect("texts and lists are always valid JSON");
        sha256_hex(&json)
    }
}

impl AskedRepository {
    fn of(repository: &Repository) -> Self {
        Self {
            archive: repository.archive.clone(),
            url: repository.url.clone(),
            suites: repository.suites.clone(),
            components: repository.components.clone(),
            fingerprints: repository.key.fingerprints.clone(),
            key_sha256: repository
                .key
                .vendored
                .as_ref()
                .map(|key| key.sha256.clone()),
        }
    }
}

/// What the lock of `image` must have as [`inputs`](super::Lock::inputs).
pub fn lock_inputs(image: &Image) -> String {
    Asked::of(image).digest()
}
