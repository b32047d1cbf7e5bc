//! Owns the question whether a lock still belongs to its definition, and the words for why not.

use std::collections::BTreeSet;
use std::fmt;

use super::Lock;
use super::asked::{Asked, AskedRecipe, AskedRepository};
use crate::definition::{Architecture, Image};

/// Against what a lock is stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staleness {
    reasons: Vec<String>,
}

impl Staleness {
    /// Every difference, in words; never empty.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

impl fmt::Display for Staleness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reasons.join("; "))
    }
}

/// Compares `lock` with what `image` asks for now; `None` when it is fresh.
pub fn check_stale(lock: &Lock, image: &Image) -> Option<Staleness> {
    let now = Asked::of(image);
    let mut reasons = Vec::new();
    if lock.image != image.name {
        reasons.push(format!("the lock is for image `{}`", lock.image));
    }
    compare(&lock.asked, &now, &mut reasons);
    if reasons.is_empty() && lock.inputs != now.digest() {
        reasons.push("its `inputs` are not those of the definition".to_owned());
    }
    (!reasons.is_empty()).then_some(Staleness { reasons })
}

fn compare(then: &Asked, now: &Asked, reasons: &mut Vec<String>) {
    if then.suite != now.suite {
        let (then, now) = (then.suite.as_str(), now.suite.as_str());
        reasons.push(format!("the suite changed from `{then}` to `{now}`"));
    }
    if then.architectures != now.architectures {
        let (then, now) = (words(&then.architectures), words(&now.architectures));
        reasons.push(format!("the architectures changed from {then} to {now}"));
    }
    for recipe in &now.recipes {
        match then.recipes.iter().find(|other| other.name == recipe.name) {
            Some(earlier) => compare_recipe(earlier, recipe, reasons),
            None => reasons.push(format!("recipe `{}` is new", recipe.name)),
        }
    }
    for recipe in &then.recipes {
        if !now.recipes.iter().any(|other| other.name == recipe.name) {
            reasons.push(format!("recipe `{}` is gone", recipe.name));
        }
    }
    let order = |one: &Asked, other: &Asked| -> Vec<String> {
        let kept = |name: &String| other.recipes.iter().any(|recipe| recipe.name == *name);
        one.recipes
            .iter()
            .map(|recipe| recipe.name.clone())
            .filter(kept)
            .collect()
    };
    if order(then, now) != order(now, then) {
        reasons.push("the recipes are in another order".to_owned());
    }
}

fn words(architectures: &[Architecture]) -> String {
    let names: Vec<String> = architectures
        .iter()
        .map(|name| format!("`{}`", name.as_str()))
        .collect();
    names.join(", ")
}

fn compare_recipe(then: &AskedRecipe, now: &AskedRecipe, reasons: &mut Vec<String>) {
    let name = &now.name;
    let before: BTreeSet<&String> = then.packages.iter().collect();
    let after: BTreeSet<&String> = now.packages.iter().collect();
    for package in after.difference(&before) {
        reasons.push(format!(
            "recipe `{name}` asks for package `{package}`, which was not resolved"
        ));
    }
    for package in before.difference(&after) {
        reasons.push(format!(
            "recipe `{name}` no longer asks for package `{package}`"
        ));
    }
    let (then, now) = (&then.repositories, &now.repositories);
    for (index, repository) in now.iter().enumerate() {
        if let Some(earlier) = counterpart(now, index, then) {
            compare_repository(name, earlier, repository, reasons);
        } else {
            let archive = &repository.archive;
            reasons.push(format!("recipe `{name}` has a new repository `{archive}`"));
        }
    }
    for (index, repository) in then.iter().enumerate() {
        if counterpart(then, index, now).is_none() {
            let archive = &repository.archive;
            reasons.push(format!(
                "recipe `{name}` no longer has repository `{archive}`"
            ));
        }
    }
}

/// The repository of `others` that `own[index]` is to be compared with. A recipe may have an archive
/// more than once, for suites with other components: then the first goes with the first.
fn counterpart<'a>(
    own: &[AskedRepository],
    index: usize,
    others: &'a [AskedRepository],
) -> Option<&'a AskedRepository> {
    let archive = &own.get(index)?.archive;
    let earlier = own
        .iter()
        .take(index)
        .filter(|other| other.archive == *archive);
    others
        .iter()
        .filter(|other| other.archive == *archive)
        .nth(earlier.count())
}

fn compare_repository(
    recipe: &str,
    then: &AskedRepository,
    now: &AskedRepository,
    reasons: &mut Vec<String>,
) {
    let parts = [
        (then.url != now.url, "URL"),
        (then.suites != now.suites, "suites"),
        (then.components != now.components, "components"),
        (then.fingerprints != now.fingerprints, "fingerprints"),
        (then.key_sha256 != now.key_sha256, "vendored key"),
    ];
    let changed: Vec<&str> = parts
        .iter()
        .filter(|(changed, _)| *changed)
        .map(|(_, what)| *what)
        .collect();
    if !changed.is_empty() {
        let archive = &now.archive;
        let what = changed.join(", ");
        reasons.push(format!(
            "repository `{archive}` of recipe `{recipe}` changed: {what}"
        ));
    }
}
