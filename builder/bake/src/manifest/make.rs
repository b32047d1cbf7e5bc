//! Owns how a manifest is put together from what a bake knows. Must not run anything.

use std::path::Path;

use vmimage_plan::definition::{Architecture, Image, Recipe};
use vmimage_plan::lock::{Lock, LockedPackage};

use super::dpkg::{Database, read_database};
use super::files::list_outside_files;
use super::{
    FORMAT, Manifest, ManifestError, OutputEntry, PackageEntry, RecipeEntry, RepositoryEntry,
};
use crate::disk::{DiskReport, FileDigest};
use crate::seal::SealedRow;

/// What a manifest is made from.
#[derive(Clone, Copy, Debug)]
pub struct ManifestInput<'a> {
    /// The sealed tree; nothing else is mounted in it.
    pub tree: &'a Path,
    /// The image.
    pub image: &'a Image,
    /// Its lock.
    pub lock: &'a Lock,
    /// Digest of the lock's file.
    pub lock_sha256: &'a str,
    /// What it was baked for.
    pub architecture: Architecture,
    /// The bake plan's fingerprint.
    pub fingerprint: &'a str,
    /// Version of this vmimage.
    pub version: &'a str,
    /// What sealing did.
    pub sealed: &'a [SealedRow],
    /// The disk, if one was made.
    pub disk: Option<&'a DiskReport>,
    /// The finished files.
    pub outputs: &'a [FileDigest],
}

/// Makes the manifest.
pub fn make_manifest(input: &ManifestInput<'_>) -> Result<Manifest, ManifestError> {
    let database = read_database(input.tree)?;
    let epoch = input.lock.source_date_epoch;
    let files = list_outside_files(input.tree, &database, epoch)?;
    let packages: Vec<&LockedPackage> = input
        .lock
        .targets
        .iter()
        .filter(|target| target.architecture == input.architecture)
        .flat_map(|target| &target.packages)
        .collect();
    let mut outputs: Vec<OutputEntry> = input.outputs.iter().map(output_entry).collect();
    outputs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Manifest {
        format: FORMAT,
        image: input.image.name.clone(),
        architecture: input.architecture,
        suite: input.image.suite,
        vmimage: input.version.to_owned(),
        fingerprint: input.fingerprint.to_owned(),
        lock: input.lock_sha256.to_owned(),
        source_date_epoch: epoch,
        recipes: input
            .image
            .recipes
            .iter()
            .map(|recipe| recipe_entry(recipe, &packages, input.lock, &database))
            .collect(),
        repositories: repositories(input.lock),
        seal: input.sealed.to_vec(),
        files,
        disk: input.disk.cloned(),
        outputs,
    })
}

fn recipe_entry(
    recipe: &Recipe,
    packages: &[&LockedPackage],
    lock: &Lock,
    database: &Database,
) -> RecipeEntry {
    let mut packages: Vec<PackageEntry> = packages
        .iter()
        .filter(|package| package.recipe == recipe.name)
        .map(|package| package_entry(package, lock, database))
        .collect();
    packages.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    RecipeEntry {
        name: recipe.name.clone(),
        description: recipe.description.clone(),
        installed: packages.iter().map(|package| package.installed).sum(),
        packages,
        enabled: recipe.units.enable.clone(),
        disabled: recipe.units.disable.clone(),
        masked: recipe.units.mask.clone(),
    }
}

fn package_entry(package: &LockedPackage, lock: &Lock, database: &Database) -> PackageEntry {
    let key = (package.name.clone(), package.architecture.clone());
    PackageEntry {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        sha256: package.sha256.clone(),
        archive: package.archive.clone(),
        installed: database.installed.get(&key).copied().unwrap_or(0),
        requested: package.requested,
        stand_in: lock
            .repositories
            .iter()
            .any(|repository| repository.stand_in && repository.archive == package.archive),
    }
}

fn repositories(lock: &Lock) -> Vec<RepositoryEntry> {
    lock.repositories
        .iter()
        .map(|repository| RepositoryEntry {
            archive: repository.archive.clone(),
            suite: repository.suite.clone(),
            release_sha256: repository.release_sha256.clone(),
            signed_by: repository.signed_by.clone(),
            stand_in: repository.stand_in,
        })
        .collect()
}

fn output_entry(output: &FileDigest) -> OutputEntry {
    OutputEntry {
        name: output
            .path
            .file_name()
            .unwrap_or(output.path.as_os_str())
            .to_string_lossy()
            .into_owned(),
        size: output.size,
        sha256: output.sha256.clone(),
    }
}
