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
) -> Result<Vec<LockedPackage>, ResolveError> {
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

struct Solver<'a> {
    apt: AptRoot,
    packages: PackageIndex,
    sources: &'a Sources<'a>,
    /// Every package so far by name, with the place of its recipe.
    chosen: BTreeMap<String, (usize, LockedPackage)>,
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
            sha256: stanza.sha256,
            size: stanza.size,
            archive,
            path: stanza.path,
            recipe: recipe.name.clone(),
            requested: false,
        };
        self.chosen.insert(name, (place, package));
        Ok(())
    }

    fn conflict(&self, recipe: &Recipe, package: String, version: Option<String>) -> ResolveError {
        let owner = self
            .chosen
            .get(&package)
            .map_or_else(String::new, |(_, chosen)| chosen.recipe.clone());
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

    fn finish(self, recipes: &[Recipe]) -> Vec<LockedPackage> {
        let requested: BTreeSet<&str> = recipes
            .iter()
            .flat_map(|recipe| &recipe.packages)
            .map(|wanted| name_of(wanted))
            .collect();
        let mut packages: Vec<(usize, LockedPackage)> = self.chosen.into_values().collect();
        packages.sort_by(|(a_place, a), (b_place, b)| {
            a_place.cmp(b_place).then_with(|| a.name.cmp(&b.name))
        });
        packages
            .into_iter()
            .map(|(_, mut package)| {
                package.requested = requested.contains(package.name.as_str());
                package
            })
            .collect()
    }
}

/// The package that a request names: without architecture, suite or version.
fn name_of(wanted: &str) -> &str {
    wanted.split([':', '/', '=']).next().unwrap_or(wanted)
}
