//! Owns the plan of Auto Scaling groups: one over all subnets for a role without data, one of one
//! instance in one subnet for each slot of a role that has data, with the slot's volume.

use std::collections::BTreeMap;

use firstboot::{Role, tag};

use crate::definition::FleetRole;
use crate::digest::sha256_hex;

use super::action::{
    Action, GroupChanges, NewGroup, Step, TargetGroupRef, TemplateVersion, change, changed, create,
    differences,
};
use super::inventory::{GroupInventory, VolumeInventory};
use super::names;
use super::network::Network;
use super::objects::{Field, LaunchHook, field, tag_fields};
use super::placement;
use super::problem::RegionProblem;
use super::region::{Draft, Scope};

/// Plans every group of `role`, and the volumes of its slots.
pub(super) fn plan_groups(
    scope: &Scope<'_>,
    role: &FleetRole,
    version: TemplateVersion,
    target_group: Option<&TargetGroupRef>,
    draft: &mut Draft,
) -> Result<(), RegionProblem> {
    let network = placement::network_for(scope, role)?;
    if role.data_volume_gib.is_none() {
        let mut wanted = wanted(scope, role, None, version, target_group);
        wanted.subnets = network.subnet_ids();
        let found = found_group(scope, &wanted.name);
        let shortfall = found.and_then(|group| placement::shortfall(scope, group));
        draft.shortfalls.extend(shortfall);
        return plan_group(scope, role.role, wanted, draft);
    }
    let slots = (1..=role.desired).filter_map(|slot| Some((slot, role.volume_gib(slot)?)));
    for (slot, size_gib) in slots {
        let mut wanted = wanted(scope, role, Some(slot), version, target_group);
        let (zone, subnet) = place_of_slot(scope, role, &network, (slot, size_gib), draft)?;
        wanted.subnets = vec![subnet];
        plan_volume(scope, role.role, slot, size_gib, &zone, draft);
        plan_group(scope, role.role, wanted, draft)?;
    }
    Ok(())
}

/// The zone and the subnet of a slot, of those that `network` has. What it has already decides: a volume
/// stays in its zone.
fn place_of_slot(
    scope: &Scope<'_>,
    fleet_role: &FleetRole,
    network: &Network,
    (slot, size_gib): (u32, u32),
    draft: &mut Draft,
) -> Result<(String, String), RegionProblem> {
    let role = fleet_role.role;
    let volumes = volumes_of_slot(scope, role, slot);
    let group = found_group(scope, &names::group(&scope.fleet.cluster, role, Some(slot)));
    if volumes.len() > 1 {
        let ids: Vec<&str> = volumes.iter().map(|volume| volume.id.as_str()).collect();
        draft.notes.push(format!(
            "slot {slot} of {} has several data volumes: {}",
            role.as_str(),
            ids.join(", ")
        ));
    }
    if let Some(volume) = volumes.first() {
        if volume.size_gib != size_gib {
            draft.notes.push(format!(
                "`{}`, the data volume of slot {slot} of {}, has {} GiB, and the fleet says {size_gib}: apply does not resize",
                volume.id,
                role.as_str(),
                volume.size_gib
            ));
        }
        let subnet = scope.network.subnet_in(&volume.zone);
        let subnet = subnet.ok_or_else(|| RegionProblem::NoSubnetInZone {
            region: scope.region.to_owned(),
            zone: volume.zone.clone(),
            volume: volume.id.clone(),
        })?;
        let shortfall = placement::bound_slot(scope, fleet_role, slot, volume, group);
        draft.shortfalls.extend(shortfall);
        return Ok((volume.zone.clone(), subnet.id.clone()));
    }
    // A slot without a volume is free to leave a zone that has no room for it.
    let full = group.map(GroupInventory::full_zones).unwrap_or_default();
    let roomy = network.in_zones(|zone| !full.contains(zone));
    let network = if roomy.subnets.is_empty() {
        network
    } else {
        &roomy
    };
    let kept = group.and_then(|group| {
        let mut subnets = network.subnets.iter();
        subnets.find(|subnet| group.subnets == [subnet.id.as_str()])
    });
    let subnet = kept.unwrap_or_else(|| network.subnet_of_slot(slot));
    Ok((subnet.zone.clone(), subnet.id.clone()))
}

fn found_group<'a>(scope: &Scope<'a>, name: &str) -> Option<&'a GroupInventory> {
    let mut groups = scope.found.groups.iter();
    groups.find(|group| group.name == name)
}

/// By id.
fn volumes_of_slot<'a>(scope: &Scope<'a>, role: Role, slot: u32) -> Vec<&'a VolumeInventory> {
    let slot = slot.to_string();
    let mut volumes: Vec<&VolumeInventory> = scope
        .found
        .volumes
        .iter()
        .filter(|volume| names::is_of(&volume.tags, scope.fleet, role))
        .filter(|volume| volume.tags.get(tag::SLOT) == Some(&slot))
        .collect();
    volumes.sort_by(|a, b| a.id.cmp(&b.id));
    volumes
}

fn plan_volume(
    scope: &Scope<'_>,
    role: Role,
    slot: u32,
    size_gib: u32,
    zone: &str,
    draft: &mut Draft,
) {
    if !volumes_of_slot(scope, role, slot).is_empty() {
        draft.unchanged += 1;
        return;
    }
    let name = names::group(&scope.fleet.cluster, role, Some(slot));
    let mut tags = names::role_tags(scope.fleet, role, &name);
    tags.insert(tag::SLOT.to_owned(), slot.to_string());
    let mut fields = vec![
        field("zone", zone),
        field("volume", &format!("gp3, {size_gib} GiB, encrypted")),
    ];
    fields.extend(tag_fields("tag", &tags));
    // The same in every run: one that was killed before it saw the reply gets the same volume.
    let token = sha256_hex(format!("{} {zone} {name} {size_gib}", scope.region).as_bytes());
    draft.steps.push(create(
        format!("data volume `{name}`"),
        fields,
        Action::CreateVolume {
            zone: zone.to_owned(),
            size_gib,
            tags,
            token,
        },
    ));
}

/// A group but for its subnets.
fn wanted(
    scope: &Scope<'_>,
    role: &FleetRole,
    slot: Option<u32>,
    version: TemplateVersion,
    target_group: Option<&TargetGroupRef>,
) -> NewGroup {
    let name = names::group(&scope.fleet.cluster, role.role, slot);
    let mut tags = names::instance_tags(scope.fleet, role.role, &name);
    if let Some(slot) = slot {
        tags.insert(tag::SLOT.to_owned(), slot.to_string());
    }
    if role.role == Role::Storage {
        tags.insert(tag::SIZE.to_owned(), role.desired.to_string());
    }
    // A slot's least size is 0: an upgrade must be able to end its instance before there is another.
    let (min, desired, max) = match slot {
        Some(_) => (0, 1, 1),
        None => (role.min, role.desired, role.max),
    };
    NewGroup {
        name,
        min,
        desired,
        max,
        subnets: Vec::new(),
        template: names::template(&scope.fleet.cluster, role.role),
        version,
        target_group: target_group.cloned(),
        launch_hook: LaunchHook::of(role.role),
        health_check_grace_secs: role.health.at_most_secs,
        tags,
    }
}

fn fields(group: &NewGroup) -> Vec<Field> {
    let mut fields = vec![
        field(
            "size",
            &format!("{} ({} to {})", group.desired, group.min, group.max),
        ),
        field("subnets", &group.subnets.join(", ")),
        field(
            "launch template",
            &format!("{}, {}", group.template, group.version.describe()),
        ),
    ];
    if let Some(target_group) = &group.target_group {
        fields.push(field("target group", &target_group.name));
    }
    let hook = &group.launch_hook;
    fields.push(field(
        &format!("launch hook {}", hook.name),
        &hook.describe(),
    ));
    let grace = format!("{} s", group.health_check_grace_secs);
    fields.push(field("health check grace", &grace));
    fields.extend(tag_fields("tag", &group.tags));
    fields
}

fn plan_group(
    scope: &Scope<'_>,
    role: Role,
    wanted: NewGroup,
    draft: &mut Draft,
) -> Result<(), RegionProblem> {
    let name = wanted.name.clone();
    let Some(found) = found_group(scope, &name) else {
        draft.steps.push(create(
            format!("Auto Scaling group `{name}`"),
            fields(&wanted),
            Action::CreateGroup(Box::new(wanted)),
        ));
        return Ok(());
    };
    let region = scope.region.to_owned();
    if !names::is_of(&found.tags, scope.fleet, role) {
        let kind = "Auto Scaling group";
        return Err(RegionProblem::NotOurs { region, kind, name });
    }
    if found.deleting {
        return Err(RegionProblem::Deleting { region, name });
    }
    let before = draft.steps.len();
    // What the next instances get comes first, then what may launch one.
    draft.steps.extend(plan_tags(found, &wanted));
    draft.steps.extend(plan_hook(found, &wanted));
    draft.steps.extend(plan_target_group(found, &wanted));
    draft.steps.extend(plan_changes(found, &wanted));
    draft.unchanged += usize::from(draft.steps.len() == before);
    Ok(())
}

fn plan_tags(found: &GroupInventory, wanted: &NewGroup) -> Option<Step> {
    let name = &wanted.name;
    let differs = |(key, value): &(&String, &String)| {
        found.tags.get(*key) != Some(*value) || found.unpropagated.contains(*key)
    };
    let tags: BTreeMap<String, String> = wanted
        .tags
        .iter()
        .filter(differs)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let propagated = |(key, _): &(&String, &String)| !found.unpropagated.contains(*key);
    let now: BTreeMap<String, String> = found
        .tags
        .iter()
        .filter(propagated)
        .filter(|(key, _)| tags.contains_key(*key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let details = differences(&tag_fields("tag", &now), &tag_fields("tag", &tags));
    let object = format!("tags of Auto Scaling group `{name}`");
    let name = name.clone();
    (!tags.is_empty()).then(|| change(object, details, Action::TagGroup { name, tags }))
}

fn plan_hook(found: &GroupInventory, wanted: &NewGroup) -> Option<Step> {
    let hook = &wanted.launch_hook;
    let found = found.launch_hooks.iter().find(|h| h.name == hook.name);
    if found == Some(hook) {
        return None;
    }
    let object = format!("launch hook of Auto Scaling group `{}`", wanted.name);
    let action = Action::PutLaunchHook {
        name: wanted.name.clone(),
        hook: hook.clone(),
    };
    Some(match found {
        None => create(object, vec![field(&hook.name, &hook.describe())], action),
        Some(found) => {
            let detail = changed(&hook.name, &found.describe(), &hook.describe());
            change(object, vec![detail], action)
        }
    })
}

fn plan_target_group(found: &GroupInventory, wanted: &NewGroup) -> Option<Step> {
    let target_group = wanted.target_group.as_ref()?;
    let attached = target_group
        .arn
        .as_ref()
        .is_some_and(|arn| found.target_groups.contains(arn));
    if attached {
        return None;
    }
    let object = format!("target group of Auto Scaling group `{}`", wanted.name);
    let fields = vec![field("target group", &target_group.name)];
    let action = Action::AttachTargetGroup {
        name: wanted.name.clone(),
        target_group: target_group.clone(),
    };
    Some(create(object, fields, action))
}

fn plan_changes(found: &GroupInventory, wanted: &NewGroup) -> Option<Step> {
    let mut changes = GroupChanges::default();
    let mut details = Vec::new();
    if found.min != wanted.min {
        details.push(changed("min", &found.min, &wanted.min));
        changes.min = Some(wanted.min);
    }
    if found.max != wanted.max {
        details.push(changed("max", &found.max, &wanted.max));
        changes.max = Some(wanted.max);
    }
    // The size is the operators' and the scaling policies', as long as it is allowed.
    let desired = found.desired.clamp(wanted.min, wanted.max);
    if found.desired != desired {
        details.push(changed("desired", &found.desired, &desired));
        changes.desired = Some(desired);
    }
    if found.subnets != wanted.subnets {
        let (now, then) = (found.subnets.join(", "), wanted.subnets.join(", "));
        details.push(changed("subnets", &now, &then));
        changes.subnets = Some(wanted.subnets.clone());
    }
    let template = found.template.as_deref();
    let number = found.version.parse().ok().map(TemplateVersion::Number);
    if template != Some(&wanted.template) || number != Some(wanted.version) {
        let now = match template {
            Some(template) => format!("{template}, version {}", found.version),
            None => "none, or several".to_owned(),
        };
        let then = format!("{}, {}", wanted.template, wanted.version.describe());
        details.push(changed("launch template", &now, &then));
        changes.template = Some((wanted.template.clone(), wanted.version));
    }
    let grace = wanted.health_check_grace_secs;
    if found.health_check_grace_secs != grace {
        let now = format!("{} s", found.health_check_grace_secs);
        details.push(changed("health check grace", &now, &format!("{grace} s")));
        changes.health_check_grace_secs = Some(grace);
    }
    let object = format!("Auto Scaling group `{}`", wanted.name);
    let name = wanted.name.clone();
    (!details.is_empty()).then(|| change(object, details, Action::UpdateGroup { name, changes }))
}
