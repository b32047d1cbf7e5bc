//! Owns the order in which packages are configured: waves, so that a package's `Pre-Depends` are
//! configured before its `preinst` runs. dpkg orders what is inside a wave.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::deb::Control;
use crate::deb::relation::Relation;

/// Priorities, the highest first.
const PRIORITIES: [&str; 4] = ["required", "important", "standard", "optional"];

/// Packages that are given to dpkg at once, by their index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wave {
    /// In the order of their `preinst` scripts.
    pub(super) packages: Vec<usize>,
    /// Whether dpkg has to be told to ignore dependencies: the first packages of a system depend on
    /// each other.
    pub(super) bootstrap: bool,
}

/// Orders `packages`; `installed` are the names that the layers below provide.
pub(super) fn waves(packages: &[&Control], installed: &HashSet<String>) -> Vec<Wave> {
    let mut order = Order::new(packages, installed);
    let mut waves = Vec::new();
    if installed.is_empty() {
        let essential = order.essential();
        if !essential.is_empty() {
            order.settle(&essential);
            waves.push(Wave {
                packages: order.bootstrap_order(&essential),
                bootstrap: true,
            });
        }
    }
    while !order.remaining.is_empty() {
        let ready = order.ready();
        let chosen = if ready.len() == order.remaining.len() {
            ready
        } else {
            order.needed_first(&ready)
        };
        // A cycle of Pre-Depends has no right order; dpkg says what it thinks of it.
        let chosen = if chosen.is_empty() {
            order.remaining.clone()
        } else {
            chosen
        };
        order.settle(&chosen);
        waves.push(Wave {
            packages: chosen.into_iter().collect(),
            bootstrap: false,
        });
    }
    waves
}

/// The packages that dpkg itself unpacks, because what that does depends on the moment: those with a
/// `preinst`, and those that need another one of these packages to be configured before. What a
/// system starts with is not among them, for there is no dpkg yet.
pub(super) fn left_to_dpkg(packages: &[&Control], installed: &HashSet<String>) -> BTreeSet<usize> {
    let mut order = Order::new(packages, installed);
    if installed.is_empty() {
        order.settle(&order.essential());
    }
    let depends_on_the_moment = |index: &usize| {
        let control = packages.get(*index);
        control.is_some_and(|control| control.file("preinst").is_some())
            || order.unmet_pre_depends(*index).next().is_some()
    };
    let remaining = order.remaining.iter().copied();
    remaining.filter(depends_on_the_moment).collect()
}

struct Order<'a> {
    packages: &'a [&'a Control],
    /// By name, and by what is provided.
    providers: HashMap<&'a str, Vec<usize>>,
    installed: HashSet<String>,
    remaining: BTreeSet<usize>,
    depends: BTreeMap<usize, Vec<Vec<Relation>>>,
    pre_depends: BTreeMap<usize, Vec<Vec<Relation>>>,
}

impl<'a> Order<'a> {
    fn new(packages: &'a [&'a Control], installed: &HashSet<String>) -> Self {
        let mut order = Self {
            packages,
            providers: HashMap::new(),
            installed: installed.clone(),
            remaining: (0..packages.len()).collect(),
            depends: BTreeMap::new(),
            pre_depends: BTreeMap::new(),
        };
        for (index, control) in packages.iter().enumerate() {
            order
                .providers
                .entry(control.package())
                .or_default()
                .insert(0, index);
            for name in provided(control.fields.get("Provides").unwrap_or_default()) {
                order.providers.entry(name).or_default().push(index);
            }
            let pre_depends = control.relations("Pre-Depends");
            let mut depends = control.relations("Depends");
            depends.extend(pre_depends.iter().cloned());
            order.depends.insert(index, depends);
            order.pre_depends.insert(index, pre_depends);
        }
        order
    }

    /// The essential packages and what they depend on.
    fn essential(&self) -> BTreeSet<usize> {
        let essential = self
            .packages
            .iter()
            .enumerate()
            .filter(|(_, control)| control.is_essential())
            .map(|(index, _)| index);
        self.closure(essential)
    }

    fn closure(&self, start: impl Iterator<Item = usize>) -> BTreeSet<usize> {
        let mut closure = BTreeSet::new();
        let mut pending: Vec<usize> = start.collect();
        while let Some(index) = pending.pop() {
            if self.remaining.contains(&index) && closure.insert(index) {
                let clauses = self.depends.get(&index).into_iter().flatten();
                pending.extend(clauses.filter_map(|clause| self.missing(clause)));
            }
        }
        closure
    }

    /// Which remaining package would satisfy the clause, unless something configured does.
    fn missing(&self, clause: &[Relation]) -> Option<usize> {
        if clause
            .iter()
            .any(|relation| self.installed.contains(&relation.name))
        {
            return None;
        }
        clause
            .iter()
            .filter_map(|relation| self.providers.get(relation.name.as_str()))
            .find_map(|providers| {
                let remaining = providers.iter().copied();
                remaining
                    .filter(|index| self.remaining.contains(index))
                    .min_by_key(|index| self.rank(*index))
            })
    }

    /// Of several providers apt takes the one with the highest priority.
    fn rank(&self, index: usize) -> usize {
        let priority = self
            .packages
            .get(index)
            .and_then(|control| control.fields.get("Priority"));
        PRIORITIES
            .iter()
            .position(|known| Some(*known) == priority)
            .unwrap_or(PRIORITIES.len())
    }

    /// Those whose `Pre-Depends` are configured.
    fn ready(&self) -> BTreeSet<usize> {
        self.remaining
            .iter()
            .copied()
            .filter(|index| self.unmet_pre_depends(*index).next().is_none())
            .collect()
    }

    fn unmet_pre_depends(&self, index: usize) -> impl Iterator<Item = usize> {
        let clauses = self.pre_depends.get(&index).into_iter().flatten();
        clauses.filter_map(|clause| self.missing(clause))
    }

    /// Of the ready packages those that others wait for, as far as all they need is ready too.
    fn needed_first(&self, ready: &BTreeSet<usize>) -> BTreeSet<usize> {
        let targets = self
            .remaining
            .difference(ready)
            .flat_map(|index| self.unmet_pre_depends(*index));
        let needed: BTreeSet<usize> = targets.collect();
        needed
            .into_iter()
            .map(|target| self.closure(std::iter::once(target)))
            .filter(|closure| closure.is_subset(ready))
            .flatten()
            .collect()
    }

    fn settle(&mut self, chosen: &BTreeSet<usize>) {
        for index in chosen {
            self.remaining.remove(index);
            if let Some(control) = self.packages.get(*index) {
                self.installed
                    .extend(names(control.package(), control.fields.get("Provides")));
            }
        }
    }

    /// Users and groups first, because every other script may need them, then the files that
    /// everybody expects.
    fn bootstrap_order(&self, chosen: &BTreeSet<usize>) -> Vec<usize> {
        let mut order: Vec<usize> = chosen.iter().copied().collect();
        order.sort_by_key(|index| {
            match self.packages.get(*index).map(|control| control.package()) {
                Some("base-passwd") => 0,
                Some("base-files") => 1,
                Some(_) | None => 2,
            }
        });
        order
    }
}

/// A package's name and what it provides.
pub(super) fn names(package: &str, provides: Option<&str>) -> impl Iterator<Item = String> {
    std::iter::once(package.to_owned())
        .chain(provided(provides.unwrap_or_default()).map(str::to_owned))
}

fn provided(field: &str) -> impl Iterator<Item = &str> {
    field
        .split(',')
        .filter_map(|clause| clause.split_whitespace().next())
        .filter_map(|name| name.split([':', '(']).next())
        .filter(|name| !name.is_empty())
}
