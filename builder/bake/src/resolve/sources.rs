//! Owns which suites of which archives an image's recipes may use, each once, and from which recipe
//! on.

use std::collections::BTreeMap;

use vmimage_plan::definition::{Image, Repository};

use super::ResolveError;

/// An image's suites, in the order in which the recipes name them.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// Each pair of archive and suite once.
    pub(crate) suites: Vec<SuiteSource<'a>>,
}

/// One suite of one archive.
#[derive(Debug)]
pub(crate) struct SuiteSource<'a> {
    /// The repository that names it first.
    pub(crate) repository: &'a Repository,
    /// The suite as asked for.
    pub(crate) suite: &'a str,
    /// Each component with the place of the recipe from which on it may be used.
    pub(crate) components: Vec<(&'a str, usize)>,
}

/// Gathers the suites of an image.
pub(crate) fn collect(image: &Image) -> Result<Sources<'_>, ResolveError> {
    let mut sources = Sources { suites: Vec::new() };
    let mut known: BTreeMap<&str, &Repository> = BTreeMap::new();
    for (place, recipe) in image.recipes.iter().enumerate() {
        for repository in &recipe.repositories {
            let archive = repository.archive.as_str();
            let first = *known.entry(archive).or_insert(repository);
            if first.url != repository.url || first.key != repository.key {
                return Err(ResolveError::TwoArchives {
                    archive: archive.to_owned(),
                    recipe: recipe.name.clone(),
                });
            }
            for suite in &repository.suites {
                add_suite(&mut sources.suites, repository, suite, place)?;
            }
        }
    }
    if sources.suites.is_empty() {
        return Err(ResolveError::NoRepository {
            image: image.name.clone(),
        });
    }
    Ok(sources)
}

fn add_suite<'a>(
    suites: &mut Vec<SuiteSource<'a>>,
    repository: &'a Repository,
    suite: &'a str,
    place: usize,
) -> Result<(), ResolveError> {
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .split('/')
                .all(|part| !part.is_empty() && part != "." && part != "..")
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
    };
    // This also refuses flat repositories, whose suite ends in a slash.
    for name in std::iter::once(suite).chain(repository.components.iter().map(String::as_str)) {
        if !plain(name) {
            return Err(ResolveError::MalformedSuite {
                archive: repository.archive.clone(),
                name: name.to_owned(),
            });
        }
    }
    let known = suites
        .iter()
        .position(|s| s.suite == suite && s.repository.archive == repository.archive)
        .unwrap_or_else(|| {
            suites.push(SuiteSource {
                repository,
                suite,
                components: Vec::new(),
            });
            suites.len() - 1
        });
    if let Some(source) = suites.get_mut(known) {
        for component in &repository.components {
            if !source.components.iter().any(|(name, _)| name == component) {
                source.components.push((component, place));
            }
        }
    }
    Ok(())
}
