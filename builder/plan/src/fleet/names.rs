//! Owns the names and tags of a fleet's objects. They are found again by these, so changing one
//! orphans what exists.

use std::collections::BTreeMap;

use firstboot::Role;
pub use firstboot::tag;

use crate::definition::{Fleet, FleetRole};
use crate::digest::sha256_hex;

/// The lifecycle hook at launch.
pub const LAUNCH_HOOK: &str = "vmimage-launch";

/// The tag of an AMI that holds the image's name.
pub const IMAGE_TAG: &str = "vmimage:image";

/// The tag of an AMI that holds the fingerprint of the bake.
pub const FINGERPRINT_TAG: &str = "vmimage:fingerprint";

/// Elastic Load Balancing takes no longer name of a target group.
const TARGET_GROUP_NAME_AT_MOST: usize = 32;

/// A role's launch template.
pub fn template(cluster: &str, role: Role) -> String {
    format!("{cluster}-{}", role.as_str())
}

/// The Auto Scaling group of a role, or of one slot of it.
pub fn group(cluster: &str, role: Role, slot: Option<u32>) -> String {
    match slot {
        Some(slot) => format!("{cluster}-{}-{slot}", role.as_str()),
        None => template(cluster, role),
    }
}

/// The Auto Scaling groups that a fleet has for a role.
pub fn groups(cluster: &str, role: &FleetRole) -> Vec<String> {
    let one = vec![group(cluster, role.role, None)];
    role.data_volume_gib.map_or(one, |_| {
        (1..=role.desired)
            .map(|slot| group(cluster, role.role, Some(slot)))
            .collect()
    })
}

/// A role's target group. A long name keeps its beginning and gets a digest.
pub fn target_group(cluster: &str, role: Role) -> String {
    let name = template(cluster, role);
    if name.len() <= TARGET_GROUP_NAME_AT_MOST {
        return name;
    }
    // A cluster's name is a DNS label and a role's is ASCII, so bytes are characters.
    let begin = name[..TARGET_GROUP_NAME_AT_MOST - 9].trim_end_matches('-');
    format!("{begin}-{}", &sha256_hex(name.as_bytes())[..8])
}

/// The parameter that points at an image's AMI in its region.
pub fn image_parameter(cluster: &str, image: &str) -> String {
    format!("/vmimage/{cluster}/image/{image}")
}

/// The parameter that notes the address ranges of a fleet's regions.
pub fn networks_parameter(cluster: &str) -> String {
    format!("/vmimage/{cluster}/networks")
}

/// The parameter that holds a secret.
pub fn secret_parameter(cluster: &str, secret: &str) -> String {
    format!("/vmimage/{cluster}/{secret}")
}

/// What every object of the cluster is tagged with.
pub(super) fn cluster_tags(fleet: &Fleet) -> BTreeMap<String, String> {
    pairs([(tag::CLUSTER, fleet.cluster.clone())])
}

/// What an object of one role is tagged with, its instances not among them.
pub(super) fn role_tags(fleet: &Fleet, role: Role, name: &str) -> BTreeMap<String, String> {
    pairs([
        ("Name", name.to_owned()),
        (tag::CLUSTER, fleet.cluster.clone()),
        (tag::ROLE, role.as_str().to_owned()),
    ])
}

/// What an instance of a role is tagged with; a group adds to it.
pub(super) fn instance_tags(fleet: &Fleet, role: Role, name: &str) -> BTreeMap<String, String> {
    let mut tags = role_tags(fleet, role, name);
    let state = format!("s3://{}/{}", fleet.state.bucket, fleet.state.prefix);
    tags.extend(pairs([
        (tag::ENVIRONMENT, fleet.environment.clone()),
        (tag::DOMAIN, fleet.domain.clone()),
        (tag::STATE, state),
    ]));
    tags
}

/// Whether an object with `tags` is this cluster's and this role's.
pub(super) fn is_of(tags: &BTreeMap<String, String>, fleet: &Fleet, role: Role) -> bool {
    tags.get(tag::CLUSTER) == Some(&fleet.cluster)
        && tags.get(tag::ROLE).map(String::as_str) == Some(role.as_str())
}

pub(super) fn pairs<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{group, target_group};
    use firstboot::Role;

    #[test]
    fn names_are_readable_and_short_enough() {
        assert_eq!(group("hosting", Role::Web, None), "hosting-web");
        assert_eq!(
            group("hosting", Role::Storage, Some(2)),
            "hosting-storage-2"
        );
        assert_eq!(target_group("hosting", Role::Api), "hosting-api");
        let long = "a".repeat(63);
        let (web, api) = (
            target_group(&long, Role::Web),
            target_group(&long, Role::Api),
        );
        assert_eq!((web.len(), &web[..24]), (32, "aaaaaaaaaaaaaaaaaaaaaaa-"));
        assert_ne!(web, api, "the digest covers the role");
    }
}
