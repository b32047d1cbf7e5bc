//! Owns where the instances of a role can be: in zones that offer its instance type and have room, as far
//! as that is known; and what to say where a slot is bound to a zone that does not.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::FleetRole;

use super::inventory::{GroupInventory, LaunchInventory, VolumeInventory};
use super::network::Network;
use super::problem::{RegionProblem, Shortfall};
use super::region::{Draft, Scope};

/// EC2's words for a zone that has no room for an instance, or never has one of its type. Scaling
/// activities have no code for it.
const ZONE_FAILURES: [&str; 2] = [
    "capacity in the Availability Zone you requested",
    "is not supported in your requested Availability Zone",
];

impl LaunchInventory {
    /// The zone, where it is the zone's fault that the launch failed.
    fn full_zone(&self) -> Option<&str> {
        let failure = self.failure.as_deref()?;
        let of_zone = ZONE_FAILURES.iter().any(|words| failure.contains(words));
        self.zone.as_deref().filter(|_| of_zone)
    }
}

impl GroupInventory {
    /// The zones whose fault it was that the last launch there failed.
    pub(super) fn full_zones(&self) -> BTreeSet<&str> {
        let launches = self.launches.iter();
        launches.filter_map(LaunchInventory::full_zone).collect()
    }
}

/// Whether a zone offers the instance type of a role. What was not asked is offered.
fn offers(scope: &Scope<'_>, role: &FleetRole, zone: &str) -> bool {
    let zones = scope.found.offerings.get(&role.instance_type);
    zones.is_none_or(|zones| zones.contains(zone))
}

/// The part of the region's network that offers the instance type of a role.
pub(super) fn network_for(scope: &Scope<'_>, role: &FleetRole) -> Result<Network, RegionProblem> {
    let network = scope.network.in_zones(|zone| offers(scope, role, zone));
    if !network.subnets.is_empty() {
        return Ok(network);
    }
    if role.desired == 0 {
        return Ok(scope.network.clone());
    }
    let zones = scope.found.offerings.get(&role.instance_type);
    Err(RegionProblem::NotOffered {
        region: scope.region.to_owned(),
        instance_type: role.instance_type.clone(),
        role: role.role.as_str(),
        zones: zones.into_iter().flatten().cloned().collect(),
    })
}

/// Says which zones are left out, and for which roles.
pub(super) fn note_zones(scope: &Scope<'_>, draft: &mut Draft) {
    let mut left_out: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for role in &scope.fleet.roles {
        for subnet in &scope.network.subnets {
            if !offers(scope, role, &subnet.zone) {
                let roles = left_out.entry((&subnet.zone, &role.instance_type));
                let roles = roles.or_default();
                if roles.last() != Some(&role.role.as_str()) {
                    roles.push(role.role.as_str());
                }
            }
        }
    }
    for ((zone, instance_type), roles) in left_out {
        draft.notes.push(format!(
            "`{zone}` does not offer `{instance_type}`: left out for {}",
            roles.join(", ")
        ));
    }
}

/// What keeps a slot with a data volume from having its instance, if anything does.
pub(super) fn bound_slot(
    scope: &Scope<'_>,
    role: &FleetRole,
    slot: u32,
    volume: &VolumeInventory,
    group: Option<&GroupInventory>,
) -> Option<Shortfall> {
    let (zone, id) = (&volume.zone, &volume.id);
    let name = role.role.as_str();
    let is_offered = offers(scope, role, zone);
    let lacks = group.and_then(lacking);
    let message = if is_offered {
        lacks?
    } else {
        format!(
            "slot {slot} of {name} cannot have an instance: its data volume `{id}` lies in `{zone}`, which does not offer `{}`",
            role.instance_type
        )
    };
    let is_full = group.is_some_and(|group| group.full_zones().contains(zone.as_str()));
    if is_offered && !is_full {
        let hint = group.and_then(|group| hint_of(scope, group));
        return Some(Shortfall { message, hint });
    }
    let wait = if is_offered {
        format!("wait until `{zone}` has room, or ")
    } else {
        String::new()
    };
    let other = format!("set an `instance-type` in `[role.{name}]` that `{zone}` has");
    let is_new = !volume.attached && !group.is_some_and(|group| group.launched);
    let hint = if is_new {
        format!(
            "{wait}{other}; no instance of this slot has ever started, so the volume is empty: `aws ec2 delete-volume --region {} --volume-id {id}`, then apply again, puts the slot into another zone",
            scope.region
        )
    } else {
        format!("`{id}` holds the slot's data and keeps it in `{zone}`: {wait}{other}")
    };
    let hint = Some(hint);
    Some(Shortfall { message, hint })
}

/// What keeps a group from having its instances, if the last launch failed.
pub(super) fn shortfall(scope: &Scope<'_>, group: &GroupInventory) -> Option<Shortfall> {
    let message = lacking(group)?;
    let hint = hint_of(scope, group);
    Some(Shortfall { message, hint })
}

fn lacking(group: &GroupInventory) -> Option<String> {
    let launch = group.launches.first()?;
    let failure = launch.failure.as_ref()?;
    let GroupInventory {
        name,
        in_service,
        desired,
        ..
    } = group;
    if in_service >= desired {
        return None;
    }
    let instance = launch.instance.as_ref();
    let why = match (&launch.reason, instance) {
        (Some(reason), Some(instance)) => format!("`{instance}` did not become a node: {reason}"),
        _ => failure.clone(),
    };
    Some(format!(
        "Auto Scaling group `{name}` has {in_service} of {desired} instances in service: {why}"
    ))
}

/// Auto Scaling tries again by itself.
fn hint_of(scope: &Scope<'_>, group: &GroupInventory) -> Option<String> {
    let launch = group.launches.first()?;
    if launch.full_zone().is_some() {
        let hint = "wait until there is room, set another `instance-type`, or have a subnet in another zone";
        return Some(hint.to_owned());
    }
    let instance = launch.instance.as_ref()?;
    launch.reason.is_none().then(|| {
        format!(
            "what the node said is on its console: `aws ec2 get-console-output --region {} --instance-id {instance}`",
            scope.region
        )
    })
}
