//! Owns the plan of one region. Its steps are in the order in which they are done.

use std::collections::BTreeMap;

use firstboot::{Role, tag};
use serde::Serialize;

use crate::definition::{Fleet, Region};

use super::action::{Action, Step, change, changed, create};
use super::inventory::{ImageInventory, RegionInventory};
use super::names;
use super::network::Network;
use super::networks::{self, Networks};
use super::objects::field;
use super::placement;
use super::problem::{RegionProblem, Shortfall};
use super::secrets::{self, SecretSource};
use super::user_data::FleetUserData;
use super::{groups, target_groups, templates};

/// What will be done in one region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RegionPlan {
    /// The region.
    pub region: String,
    /// Its wave.
    pub wave: u32,
    /// What its instances are made of and where they go; `None` where that cannot be said.
    pub place: Option<Place>,
    /// What is done, in order; nothing where there is a problem.
    pub steps: Vec<Step>,
    /// How many objects are as they should be.
    pub unchanged: usize,
    /// Objects of the cluster that the fleet does not ask for. They are left alone.
    pub surplus: Vec<String>,
    /// What somebody should know.
    pub notes: Vec<String>,
    /// What the fleet asks for and is not there, though no step brings it.
    pub shortfalls: Vec<Shortfall>,
    /// Why the region cannot be planned.
    #[serde(serialize_with = "super::render::problem")]
    pub problem: Option<RegionProblem>,
}

/// What a region's instances are made of and where they go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Place {
    /// The AMI.
    pub image: String,
    /// The fingerprint of its bake.
    pub fingerprint: Option<String>,
    /// The network.
    pub network: Network,
}

/// All that the parts of a region's plan look at.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) region: &'a str,
    pub(super) found: &'a RegionInventory,
    pub(super) network: &'a Network,
    pub(super) image: &'a ImageInventory,
}

/// A plan that is being made.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) steps: Vec<Step>,
    pub(super) unchanged: usize,
    pub(super) notes: Vec<String>,
    pub(super) shortfalls: Vec<Shortfall>,
}

/// What is the same for all regions of a fleet.
#[derive(Debug)]
pub(super) struct Common<'a> {
    pub(super) user_data: &'a FleetUserData,
    pub(super) secrets: BTreeMap<String, SecretSource>,
    pub(super) networks: Networks,
}

/// Plans a region that was read.
pub(super) fn plan_region(
    fleet: &Fleet,
    region: &Region,
    found: &RegionInventory,
    common: &Common<'_>,
) -> RegionPlan {
    let mut plan = RegionPlan {
        region: region.name.clone(),
        wave: region.wave,
        place: None,
        steps: Vec::new(),
        unchanged: 0,
        surplus: surplus(fleet, found),
        notes: Vec::new(),
        shortfalls: Vec::new(),
        problem: None,
    };
    match draft(fleet, &region.name, found, common) {
        Ok((place, draft)) => {
            plan.place = Some(place);
            plan.steps = draft.steps;
            plan.unchanged = draft.unchanged;
            plan.notes = draft.notes;
            plan.shortfalls = draft.shortfalls;
        }
        Err(problem) => plan.problem = Some(problem),
    }
    plan
}

fn draft(
    fleet: &Fleet,
    region: &str,
    found: &RegionInventory,
    common: &Common<'_>,
) -> Result<(Place, Draft), RegionProblem> {
    let image = newest_image(fleet, region, found)?;
    let network = Network::choose(region, found)?;
    let scope = Scope {
        fleet,
        region,
        found,
        network: &network,
        image,
    };
    let mut draft = Draft::default();
    placement::note_zones(&scope, &mut draft);
    secrets::plan_secrets(&scope, &common.secrets, &mut draft)?;
    plan_pointer(&scope, &mut draft);
    networks::plan_networks(&scope, &common.networks, &mut draft);
    for role in &fleet.roles {
        let user_data = common.user_data.of(role.role);
        let target_group = target_groups::plan_target_group(&scope, role, &mut draft)?;
        let version = templates::plan_template(&scope, role, user_data, &mut draft)?;
        groups::plan_groups(&scope, role, version, target_group.as_ref(), &mut draft)?;
    }
    let place = Place {
        image: image.id.clone(),
        fingerprint: image.fingerprint.clone(),
        network,
    };
    Ok((place, draft))
}

fn newest_image<'a>(
    fleet: &Fleet,
    region: &str,
    found: &'a RegionInventory,
) -> Result<&'a ImageInventory, RegionProblem> {
    let available = found
        .images
        .iter()
        .filter(|image| image.state == "available");
    available
        .max_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)))
        .ok_or_else(|| {
            let mut states: Vec<String> = found.images.iter().map(|i| i.state.clone()).collect();
            states.sort();
            states.dedup();
            RegionProblem::NoImage {
                region: region.to_owned(),
                image: fleet.image.clone(),
                states,
            }
        })
}

/// The parameter that says which AMI of the region is the image.
fn plan_pointer(scope: &Scope<'_>, draft: &mut Draft) {
    let parameter = names::image_parameter(&scope.fleet.cluster, &scope.fleet.image);
    let found = scope.found.parameters.get(&parameter);
    let now = found.and_then(|found| found.value.as_ref());
    if now == Some(&scope.image.id) {
        draft.unchanged += 1;
        return;
    }
    let object = format!("parameter `{parameter}`");
    let image = scope.image.id.clone();
    let action = Action::PutParameter {
        parameter,
        value: image.clone(),
        // The Parameter Store then checks that the AMI exists.
        data_type: "aws:ec2:image",
        overwrite: found.is_some(),
        tags: names::cluster_tags(scope.fleet),
    };
    draft.steps.push(match now {
        Some(now) => change(object, vec![changed("image", now, &image)], action),
        None => create(object, vec![field("image", &image)], action),
    });
}

/// What has the cluster's tag and no place in the fleet.
fn surplus(fleet: &Fleet, found: &RegionInventory) -> Vec<String> {
    let mut templates = Vec::new();
    let mut target_groups = Vec::new();
    let mut groups = Vec::new();
    for role in &fleet.roles {
        templates.push(names::template(&fleet.cluster, role.role));
        if role.health.https.is_some() {
            target_groups.push(names::target_group(&fleet.cluster, role.role));
        }
        groups.extend(names::groups(&fleet.cluster, role));
    }
    let ours = |tags: &BTreeMap<String, String>| tags.get(tag::CLUSTER) == Some(&fleet.cluster);
    let mut surplus = Vec::new();
    for group in &found.groups {
        if ours(&group.tags) && !groups.contains(&group.name) {
            surplus.push(format!(
                "Auto Scaling group `{}` with {} instances",
                group.name, group.instances
            ));
        }
    }
    for template in &found.templates {
        if ours(&template.tags) && !templates.contains(&template.name) {
            surplus.push(format!("launch template `{}`", template.name));
        }
    }
    for target_group in &found.target_groups {
        if ours(&target_group.tags) && !target_groups.contains(&target_group.name) {
            surplus.push(format!("target group `{}`", target_group.name));
        }
    }
    for volume in &found.volumes {
        let slot = volume.tags.get(tag::SLOT);
        let role = volume
            .tags
            .get(tag::ROLE)
            .and_then(|role| Role::parse(role));
        let name = role.zip(slot.and_then(|slot| slot.parse().ok()));
        let name = name.map(|(role, slot)| names::group(&fleet.cluster, role, Some(slot)));
        if ours(&volume.tags) && !name.is_some_and(|name| groups.contains(&name)) {
            let slot = slot.map_or("?", String::as_str);
            surplus.push(format!("data volume `{}` of slot {slot}", volume.id));
        }
    }
    surplus
}
