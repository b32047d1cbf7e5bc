//! Owns how two manifests differ. Must not draw it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::manifest::{Manifest, OutsideFile, PackageEntry, RecipeEntry};

/// How image B differs from image A. Every list is sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// Whether the two come from the same inputs.
    pub same_fingerprint: bool,
    /// Packages that only B has.
    pub added: Vec<ListedPackage>,
    /// Packages that only A has.
    pub removed: Vec<ListedPackage>,
    /// Packages of another version or content.
    pub changed: Vec<ChangedPackage>,
    /// Files outside packages that differ.
    pub files: Vec<ChangedFile>,
    /// Recipes that differ.
    pub recipes: Vec<RecipeChange>,
    /// The image's files whose size differs.
    pub outputs: Vec<OutputSize>,
}

/// A package of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ListedPackage {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// Its version.
    pub version: String,
    /// The recipe that brings it.
    pub recipe: String,
    /// Bytes when installed.
    pub installed: u64,
    /// Whether it is a stand-in.
    pub stand_in: bool,
}

/// A package that both images have, but not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChangedPackage {
    /// In A.
    pub before: ListedPackage,
    /// In B.
    pub after: ListedPackage,
}

/// A file outside packages that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChangedFile {
    /// Its path.
    pub path: String,
    /// In A; absent where it is not outside packages there.
    pub before: Option<OutsideFile>,
    /// In B; absent where it is not outside packages there.
    pub after: Option<OutsideFile>,
}

/// A recipe that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecipeChange {
    /// Its name.
    pub name: String,
    /// Whether A has it.
    pub before: bool,
    /// Whether B has it.
    pub after: bool,
    /// Bytes of its packages when installed.
    pub installed: Resize,
    /// Units that are enabled, disabled or masked in B only, for example `enabled webmin.service`.
    pub units_added: Vec<String>,
    /// Units that are so in A only.
    pub units_removed: Vec<String>,
}

/// A size before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Resize {
    /// In A, in bytes.
    pub before: u64,
    /// In B, in bytes.
    pub after: u64,
}

/// A file of the image whose size differs; 0 where there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OutputSize {
    /// Its name.
    pub name: String,
    /// Its size.
    pub size: Resize,
}

impl Difference {
    /// Whether nothing differs that a user would see.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.files.is_empty()
            && self.recipes.is_empty()
            && self.outputs.is_empty()
    }
}

/// Compares two manifests.
pub fn diff(a: &Manifest, b: &Manifest) -> Difference {
    let mut difference = Difference {
        same_fingerprint: a.fingerprint == b.fingerprint,
        files: diff_files(&a.files, &b.files),
        recipes: diff_recipes(&a.recipes, &b.recipes),
        outputs: diff_outputs(a, b),
        ..Difference::default()
    };
    let (before, after) = (packages(a), packages(b));
    for (key, old) in &before {
        match after.get(key) {
            None => difference.removed.push(listed(*old)),
            Some(new) if new.1.version != old.1.version || new.1.sha256 != old.1.sha256 => {
                difference.changed.push(ChangedPackage {
                    before: listed(*old),
                    after: listed(*new),
                });
            }
            Some(_) => {}
        }
    }
    difference.added = after
        .iter()
        .filter(|(key, _)| !before.contains_key(*key))
        .map(|(_, package)| listed(*package))
        .collect();
    difference
}

type Located<'a> = (&'a RecipeEntry, &'a PackageEntry);

fn packages(manifest: &Manifest) -> BTreeMap<(&str, &str), Located<'_>> {
    manifest
        .packages()
        .map(|located| {
            let package = located.1;
            (
                (package.name.as_str(), package.architecture.as_str()),
                located,
            )
        })
        .collect()
}

fn listed((recipe, package): Located<'_>) -> ListedPackage {
    ListedPackage {
        name: package.name.clone(),
        architecture: package.architecture.clone(),
        version: package.version.clone(),
        recipe: recipe.name.clone(),
        installed: package.installed,
        stand_in: package.stand_in,
    }
}

fn diff_files(a: &[OutsideFile], b: &[OutsideFile]) -> Vec<ChangedFile> {
    let by_path = |files: &[OutsideFile]| -> BTreeMap<String, OutsideFile> {
        files
            .iter()
            .map(|file| (file.path.clone(), file.clone()))
            .collect()
    };
    let (mut before, mut after) = (by_path(a), by_path(b));
    let paths: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
    paths
        .into_iter()
        .map(|path| ChangedFile {
            before: before.remove(&path),
            after: after.remove(&path),
            path,
        })
        .filter(|file| file.before != file.after)
        .collect()
}

fn diff_recipes(a: &[RecipeEntry], b: &[RecipeEntry]) -> Vec<RecipeChange> {
    let names: BTreeSet<&str> = a
        .iter()
        .chain(b)
        .map(|recipe| recipe.name.as_str())
        .collect();
    names
        .into_iter()
        .filter_map(|name| {
            let before = a.iter().find(|recipe| recipe.name == name);
            let after = b.iter().find(|recipe| recipe.name == name);
            let (old, new) = (units(before), units(after));
            let installed = |recipe: Option<&RecipeEntry>| recipe.map_or(0, |it| it.installed);
            let change = RecipeChange {
                name: name.to_owned(),
                before: before.is_some(),
                after: after.is_some(),
                installed: Resize {
                    before: installed(before),
                    after: installed(after),
                },
                units_added: new.difference(&old).cloned().collect(),
                units_removed: old.difference(&new).cloned().collect(),
            };
            let same = change.before == change.after
                && change.installed.before == change.installed.after
                && old == new;
            (!same).then_some(change)
        })
        .collect()
}

fn units(recipe: Option<&RecipeEntry>) -> BTreeSet<String> {
    let Some(recipe) = recipe else {
        return BTreeSet::new();
    };
    [
        ("enabled", &recipe.enabled),
        ("disabled", &recipe.disabled),
        ("masked", &recipe.masked),
    ]
    .into_iter()
    .flat_map(|(state, units)| units.iter().map(move |unit| format!("{state} {unit}")))
    .collect()
}

fn diff_outputs(a: &Manifest, b: &Manifest) -> Vec<OutputSize> {
    let size = |manifest: &Manifest, name: &str| {
        manifest
            .outputs
            .iter()
            .find(|output| output.name == name)
            .map_or(0, |output| output.size)
    };
    let names: BTreeSet<&str> = a
        .outputs
        .iter()
        .chain(&b.outputs)
        .map(|output| output.name.as_str())
        .collect();
    names
        .into_iter()
        .map(|name| OutputSize {
            name: name.to_owned(),
            size: Resize {
                before: size(a, name),
                after: size(b, name),
            },
        })
        .filter(|output| output.size.before != output.size.after)
        .collect()
}
