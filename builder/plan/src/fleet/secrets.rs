//! Owns where a fleet's secrets come from: made up once, in the primary region, and taken from there
//! to the others. No value is read for a plan.

use std::collections::BTreeMap;

use crate::definition::Fleet;

use super::action::{Action, Step, create};
use super::inventory::FleetInventory;
use super::names;
use super::objects::field;
use super::problem::RegionProblem;
use super::region::{Draft, Scope};

/// Where a region that lacks a secret gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecretSource {
    /// From a region that has it, or that will when its turn comes.
    Region(String),
    /// Nobody knows: the primary region cannot be read, and no other has it.
    Unknown,
}

/// Decides for every secret, and plans to make up those that nobody has.
pub(super) fn plan_sources(
    fleet: &Fleet,
    inventory: &FleetInventory,
) -> (BTreeMap<String, SecretSource>, Vec<Step>) {
    let mut sources = BTreeMap::new();
    let mut steps = Vec::new();
    for secret in &fleet.secrets {
        let parameter = names::secret_parameter(&fleet.cluster, secret);
        let mut readable = Vec::new();
        let mut having = Vec::new();
        for observation in &inventory.regions {
            if let Ok(found) = &observation.found {
                readable.push(&observation.region);
                if found.parameters.contains_key(&parameter) {
                    having.push(&observation.region);
                }
            }
        }
        let primary = having.iter().find(|region| **region == &fleet.primary);
        let source = if let Some(region) = primary.or(having.first()) {
            SecretSource::Region((*region).clone())
        } else if readable.contains(&&fleet.primary) {
            steps.push(put(fleet, &parameter, None));
            SecretSource::Region(fleet.primary.clone())
        } else {
            SecretSource::Unknown
        };
        sources.insert(parameter, source);
    }
    (sources, steps)
}

/// Plans to take to a region what it lacks.
pub(super) fn plan_secrets(
    scope: &Scope<'_>,
    sources: &BTreeMap<String, SecretSource>,
    draft: &mut Draft,
) -> Result<(), RegionProblem> {
    for (parameter, source) in sources {
        if scope.found.parameters.contains_key(parameter) {
            draft.unchanged += 1;
            continue;
        }
        match source {
            // Made up there before the regions' turn.
            SecretSource::Region(from) if from == scope.region => {}
            SecretSource::Region(from) => draft.steps.push(put(scope.fleet, parameter, Some(from))),
            SecretSource::Unknown => {
                return Err(RegionProblem::SecretUnknown {
                    secret: parameter.clone(),
                    primary: scope.fleet.primary.clone(),
                });
            }
        }
    }
    Ok(())
}

fn put(fleet: &Fleet, parameter: &str, from_region: Option<&String>) -> Step {
    let value = match from_region {
        Some(region) => format!("taken from {region}"),
        None => "made up".to_owned(),
    };
    create(
        format!("secret `{parameter}`"),
        vec![field("value", &value)],
        Action::PutSecret {
            parameter: parameter.to_owned(),
            from_region: from_region.cloned(),
            tags: names::cluster_tags(fleet),
        },
    )
}
