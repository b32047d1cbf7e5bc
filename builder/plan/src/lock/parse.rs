//! Owns reading a lock. A lock decides what is downloaded and unpacked as root, so whatever could not
//! have come from [`Lock::render`] is refused.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::{Asked, FORMAT, Lock, LockedPackage, LockedRepository, Target};
use crate::Diagnostic;
use crate::definition::Architecture;
use crate::definition::document::plain;
use crate::digest::is_sha256_hex;

/// What to do about a lock that cannot be used.
const HINT: &str = "run `vmimage lock` again";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenLock {
    format: u32,
    image: String,
    inputs: Spanned<String>,
    source_date_epoch: Spanned<i64>,
    asked: Spanned<Asked>,
    #[serde(rename = "repository", default)]
    repositories: Vec<Spanned<LockedRepository>>,
    #[serde(rename = "target", default)]
    targets: Vec<WrittenTarget>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenTarget {
    architecture: Spanned<Architecture>,
    #[serde(rename = "package", default)]
    packages: Vec<Spanned<LockedPackage>>,
}

/// Only what says which reader is needed.
#[derive(Deserialize)]
struct Version {
    format: Spanned<i64>,
}

impl Lock {
    /// Reads the lock `text`, which `file` holds.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostic> {
        let problem = |span, message: String| Diagnostic::new(file, span, message).hint(HINT);
        if let Ok(version) = toml::from_str::<Version>(text)
            && *version.format.get_ref() != i64::from(FORMAT)
        {
            return Err(problem(
                Some(version.format.span()),
                "unknown lock format".to_owned(),
            )
            .label(format!("this version reads format {FORMAT}")));
        }
        let written: WrittenLock = toml::from_str(text).map_err(|error| {
            let span = error.span().filter(|span| !span.is_empty());
            problem(span, plain(error.message()))
        })?;
        check(&written).map_err(|(span, message)| problem(Some(span), message))?;
        Ok(Self {
            format: written.format,
            image: written.image,
            inputs: written.inputs.into_inner(),
            source_date_epoch: written.source_date_epoch.into_inner(),
            asked: written.asked.into_inner(),
            repositories: written
                .repositories
                .into_iter()
                .map(Spanned::into_inner)
                .collect(),
            targets: written
                .targets
                .into_iter()
                .map(|target| Target {
                    architecture: target.architecture.into_inner(),
                    packages: target
                        .packages
                        .into_iter()
                        .map(Spanned::into_inner)
                        .collect(),
                })
                .collect(),
        })
    }
}

/// The first thing that is wrong, and where.
type Fault = (Range<usize>, String);

fn check(lock: &WrittenLock) -> Result<(), Fault> {
    let inputs = lock.inputs.get_ref();
    if !is_sha256_hex(inputs) {
        return Err((lock.inputs.span(), "`inputs` is not a SHA-256".to_owned()));
    }
    let asked = lock.asked.get_ref();
    if asked.digest() != *inputs {
        return Err((
            lock.inputs.span(),
            "`inputs` is not the SHA-256 of `asked`".to_owned(),
        ));
    }
    if *lock.source_date_epoch.get_ref() < 0 {
        return Err((
            lock.source_date_epoch.span(),
            "`source-date-epoch` is negative".to_owned(),
        ));
    }
    let recipes: BTreeSet<&str> = asked
        .recipes
        .iter()
        .map(|recipe| recipe.name.as_str())
        .collect();
    if recipes.len() != asked.recipes.len() {
        return Err((lock.asked.span(), "a recipe is listed twice".to_owned()));
    }
    let archives = check_repositories(&lock.repositories)?;
    let mut architectures = BTreeSet::new();
    for target in &lock.targets {
        let name = target.architecture.get_ref().as_str();
        if !architectures.insert(name) {
            let message = format!("architecture `{name}` is listed twice");
            return Err((target.architecture.span(), message));
        }
        check_packages(target, &recipes, &archives)?;
    }
    let wanted: BTreeSet<&str> = asked
        .architectures
        .iter()
        .map(|name| name.as_str())
        .collect();
    if wanted != architectures {
        let message = "the targets are not the architectures that were asked for";
        return Err((lock.asked.span(), message.to_owned()));
    }
    Ok(())
}

/// The archives that were verified.
fn check_repositories(repositories: &[Spanned<LockedRepository>]) -> Result<BTreeSet<&str>, Fault> {
    let mut seen = BTreeSet::new();
    for written in repositories {
        let repository = written.get_ref();
        let (archive, suite) = (repository.archive.as_str(), repository.suite.as_str());
        let fault = |message: String| (written.span(), message);
        if !seen.insert((archive, suite)) {
            return Err(fault(format!(
                "suite `{suite}` of archive `{archive}` is listed twice"
            )));
        }
        if !is_sha256_hex(&repository.release_sha256) {
            return Err(fault(format!(
                "`release-sha256` of `{archive}` is not a SHA-256"
            )));
        }
        let dates = std::iter::once(&repository.date).chain(&repository.valid_until);
        for date in dates {
            if date.parse::<jiff::Timestamp>().is_err() {
                return Err(fault(format!("`{date}` is not a time")));
            }
        }
        let signer = &repository.signed_by;
        let digits = signer
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'A'..=b'F'));
        // OpenPGP version 4 fingerprints have 40 digits, version 6 ones 64.
        if !digits || !matches!(signer.len(), 40 | 64) {
            return Err(fault(format!(
                "`signed-by` of `{archive}` is not a fingerprint"
            )));
        }
    }
    Ok(seen.into_iter().map(|(archive, _)| archive).collect())
}

fn check_packages(
    target: &WrittenTarget,
    recipes: &BTreeSet<&str>,
    archives: &BTreeSet<&str>,
) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for written in &target.packages {
        let package = written.get_ref();
        let fault = |message: String| Err((written.span(), message));
        let name = &package.name;
        if let Some(problem) = package.problem() {
            return fault(problem);
        }
        if !seen.insert((name, &package.architecture)) {
            return fault(format!(
                "package `{name}:{}` is listed twice",
                package.architecture
            ));
        }
        if !recipes.contains(package.recipe.as_str()) {
            return fault(format!(
                "package `{name}` is for the unknown recipe `{}`",
                package.recipe
            ));
        }
        if !archives.contains(package.archive.as_str()) {
            let archive = &package.archive;
            return fault(format!(
                "package `{name}` is from the unknown archive `{archive}`"
            ));
        }
    }
    Ok(())
}
