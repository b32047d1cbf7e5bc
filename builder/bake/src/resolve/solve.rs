//! Owns the order of layers: what is essential, then what each recipe adds to the ones before it.

use std::collections::{BTreeMap, BTreeSet};

use vmimage_plan::definition::{Architecture, Recipe};
use vmimage_plan::event::{Event, Sink};
use vmimage_plan::lock::LockedPackage;

use super::apt::{Action, AptRoot};
use super::indexes::Index;
use super::packages::PackageIndex;
use super::releases::BelievedRelease;
use super::sources::Sources;
use super::{LockRequest, ResolveError};
use crate::fetch::Digest;

/// What apt calls the packages that every system has.
const ESSENTIAL: &str = "?essential";

/// The packages of every layer for one architecture, sorted by layer and name.
pub(crate) fn solve(
    request: &LockRequest<'_>,
    sources: &Sources<'_>,
    releases: &[BelievedRelease],
    indexes: &[Index],
    architecture: Architecture,
    sink: Sink<'_>,
) -> Result<Vec<Chosen>, ResolveError> {
    let recipes = &request.image.recipes;
    let (apt, packages) = AptRoot::create(request, sources, releases, indexes, architecture)?;
    let mut solver = Solver {
        apt,
        packages,
        sources,
        chosen: BTreeMap::new(),
    };
    for (place, recipe) in recipes.iter().enumerate() {
        sink(Event::Progress {
            step: format!("resolve {}", architecture.as_str()),
            done: place as u64,
            total: recipes.len() as u64,
            unit: "recipes".to_owned(),
            doing: recipe.name.clone(),
        });
        solver.apt.use_sources(sources, indexes, place)?;
        if place == 0 {
            solver.install(place, recipe, &[ESSENTIAL.to_owned()])?;
            if solver.chosen.is_empty() {
                return Err(ResolveError::NothingEssential {
                    recipe: recipe.name.clone(),
                });
            }
        }
        if !recipe.packages.is_empty() {
            solver.install(place, recipe, &recipe.packages)?;
        }
    }
    Ok(solver.finish(recipes))
}

/// A package that apt chose.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// As a lock has it, without its SHA-256 where the archive does not tell that.
    pub(crate) package: LockedPackage,
    /// What its archive tells of its file.
    pub(crate) digest: Digest,
    /// The place of its suite in the sources.
    pub(crate) suite: usize,
}

struct Solver<'a> {
    apt: AptRoot,
    packages: PackageIndex,
    sources: &'a Sources<'a>,
    /// Every package so far by name, with the place of its recipe.
    chosen: BTreeMap<String, (usize, Chosen)>,
}

impl Solver<'_> {
    fn install(
        &mut self,
        place: usize,
        recipe: &Recipe,
        wanted: &[String],
    ) -> Result<(), ResolveError> {
        for action in self.apt.simulate(&recipe.name, wanted)? {
            match action {
                Action::Remove { name } => return Err(self.conflict(recipe, name, None)),
                Action::Install {
                    name,
                    version,
                    replaces: Some(_),
                    ..
                } => {
                    return Err(self.conflict(recipe, name, Some(version)));
                }
                Action::Install {
                    name,
                    version,
                    architecture,
                    replaces: None,
                } => {
                    self.choose(place, recipe, name, version, architecture)?;
                }
            }
        }
        Ok(())
    }

    fn choose(
        &mut self,
        place: usize,
        recipe: &Recipe,
        name: String,
        version: String,
        architecture: String,
    ) -> Result<(), ResolveError> {
        let stanza = self.packages.find(&name, &version, &architecture)?;
        self.apt.add_installed(&stanza);
        let archive = self
            .sources
            .suites
            .get(stanza.suite)
            .map_or_else(String::new, |source| source.repository.archive.clone());
        let package = LockedPackage {
            name: name.clone(),
            version,
            architecture,
            sha256: match &stanza.digest {
                Digest::Sha256(hex) => hex.clone(),
                Digest::Sha512(_) => String::new(),
            },
            size: stanza.size,
            archive,
            path: stanza.path,
            recipe: recipe.name.clone(),
            requested: false,
        };
        let chosen = Chosen {
            package,
            digest: stanza.digest,
            suite: stanza.suite,
        };
        self.chosen.insert(name, (place, chosen));
        Ok(())
    }

    fn conflict(&self, recipe: &Recipe, package: String, version: Option<String>) -> ResolveError {
        let owner = self
            .chosen
            .get(&package)
            .map_or_else(String::new, |(_, chosen)| chosen.package.recipe.clone());
        let recipe = recipe.name.clone();
        match version {
            None => ResolveError::Removes {
                recipe,
                package,
                owner,
            },
            Some(version) => ResolveError::Changes {
                recipe,
                package,
                owner,
                version,
            },
        }
    }

    fn finish(self, recipes: &[Recipe]) -> Vec<Chosen> {
        let requested: BTreeSet<&str> = recipes
            .iter()
            .flat_map(|recipe| &recipe.packages)
            .map(|wanted| name_of(wanted))
            .collect();
        // They are sorted by name, and stay so within a layer.
        let mut chosen: Vec<(usize, Chosen)> = self.chosen.into_values().collect();
        chosen.sort_by_key(|(place, _)| *place);
        chosen
            .into_iter()
            .map(|(_, mut chosen)| {
                chosen.package.requested = requested.contains(chosen.package.name.as_str());
                chosen
            })
            .collect()
    }
}

/// The package that a request names: without architecture, suite or version.
fn name_of(wanted: &str) -> &str {
    wanted.split([':', '/', '=']).next().unwrap_or(wanted)
}
