//! Owns the plan of a role's launch template: whether a version exists that says what is wanted.

use crate::definition::FleetRole;
use crate::digest::sha256_hex;

use super::action::{Action, NewVersion, TemplateVersion, change, create, differences};
use super::inventory::TemplateInventory;
use super::names;
use super::objects::{MetadataOptions, RootVolume, TemplateData, tag_fields};
use super::problem::RegionProblem;
use super::region::{Draft, Scope};
use super::user_data::UserData;

/// Plans the template of `role` and returns the version that its groups use.
pub(super) fn plan_template(
    scope: &Scope<'_>,
    role: &FleetRole,
    user_data: &UserData,
    draft: &mut Draft,
) -> Result<TemplateVersion, RegionProblem> {
    let name = names::template(&scope.fleet.cluster, role.role);
    let wanted = wanted_data(scope, role, &name, user_data);
    let named = scope
        .found
        .templates
        .iter()
        .find(|found| found.name == name);
    let Some(found) = named else {
        let tags = names::role_tags(scope.fleet, role.role, &name);
        let mut fields = wanted.fields();
        fields.extend(tag_fields("own tag", &tags));
        let version = new_version(scope, &name, wanted, user_data, 0);
        draft.steps.push(create(
            format!("launch template `{name}`"),
            fields,
            Action::CreateLaunchTemplate {
                name,
                tags,
                version,
            },
        ));
        return Ok(TemplateVersion::Made);
    };
    if !names::is_of(&found.tags, scope.fleet, role.role) {
        return Err(RegionProblem::NotOurs {
            region: scope.region.to_owned(),
            kind: "launch template",
            name,
        });
    }
    let used = versions_in_use(scope, &name);
    if let Some(number) = fitting(found, &used, &wanted) {
        draft.unchanged += 1;
        return Ok(TemplateVersion::Number(number));
    }
    let base = used
        .iter()
        .rev()
        .find_map(|number| found.versions.get(number));
    let base = base.or_else(|| found.versions.get(&found.latest));
    let now = base.map(TemplateData::fields).unwrap_or_default();
    let details = differences(&now, &wanted.fields());
    let version = new_version(scope, &name, wanted, user_data, found.latest);
    draft.steps.push(change(
        format!("launch template `{name}`, a version after {}", found.latest),
        details,
        Action::CreateLaunchTemplateVersion {
            name,
            id: found.id.clone(),
            version,
        },
    ));
    Ok(TemplateVersion::Made)
}

/// The version that says what is wanted: one in use before one that nobody uses, so that what runs
/// is not touched; the latest may be there because an earlier run was killed after making it.
fn fitting(found: &TemplateInventory, used: &[u64], wanted: &TemplateData) -> Option<u64> {
    let fits = |number: &&u64| found.versions.get(number) == Some(wanted);
    used.iter()
        .rev()
        .find(fits)
        .or_else(|| Some(&found.latest).filter(fits))
        .copied()
}

/// The numbers that groups use, sorted.
fn versions_in_use(scope: &Scope<'_>, template: &str) -> Vec<u64> {
    let groups = scope.found.groups.iter();
    let mut numbers: Vec<u64> = groups
        .filter(|group| group.template.as_deref() == Some(template))
        .filter_map(|group| group.version.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

fn wanted_data(
    scope: &Scope<'_>,
    role: &FleetRole,
    name: &str,
    user_data: &UserData,
) -> TemplateData {
    TemplateData {
        image: scope.image.id.clone(),
        instance_type: role.instance_type.clone(),
        instance_profile: role.instance_profile.clone(),
        security_groups: scope.network.security_groups.clone(),
        user_data: user_data.id(),
        metadata: MetadataOptions::default(),
        root_volume: Some(RootVolume {
            device: scope.image.root_device.clone(),
            kind: "gp3".to_owned(),
            size_gib: Some(role.root_volume_gib),
            encrypted: true,
            delete_on_termination: true,
        }),
        instance_tags: names::instance_tags(scope.fleet, role.role, name),
        volume_tags: names::role_tags(scope.fleet, role.role, name),
    }
}

/// `latest` is part of the token: going back to what an older version said makes another version.
fn new_version(
    scope: &Scope<'_>,
    name: &str,
    data: TemplateData,
    user_data: &UserData,
    latest: u64,
) -> NewVersion {
    let said = serde_json::to_string(&data).expect("plain structs with string keys serialize");
    let digest = sha256_hex(said.as_bytes());
    let token = sha256_hex(format!("{} {name} {latest} {digest}", scope.region).as_bytes());
    NewVersion {
        description: format!("vmimage {} {}", data.image, &digest[..12]),
        data,
        user_data: user_data.clone(),
        token,
    }
}
