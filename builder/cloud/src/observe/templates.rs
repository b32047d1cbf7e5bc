//! Owns reading launch templates, with the versions that a plan compares.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{
    InstanceType, LaunchTemplate, LaunchTemplateInstanceMetadataOptions, LaunchTemplateVersion,
    ResourceType, ResponseLaunchTemplateData,
};
use futures_util::future::{try_join, try_join_all};
use vmimage_plan::definition::Fleet;
use vmimage_plan::fleet::inventory::{GroupInventory, TemplateInventory};
use vmimage_plan::fleet::names::{self, tag};
use vmimage_plan::fleet::objects::{MetadataOptions, RootVolume, TemplateData, UserDataId};

use super::{filter, number, tag_filter, tags, text};
use crate::account::Clients;
use crate::error::{CallError, ec2, refused};

/// Templates with the cluster's tag or with the name of one of its, without versions.
pub(super) async fn observe_templates(
    clients: &Clients,
    fleet: &Fleet,
) -> Result<Vec<TemplateInventory>, CallError> {
    let wanted: Vec<String> = fleet
        .roles
        .iter()
        .map(|role| names::template(&fleet.cluster, role.role))
        .collect();
    let named = filter("launch-template-name", wanted.iter().map(String::as_str));
    let (tagged, named) = try_join(
        describe(clients, tag_filter(tag::CLUSTER, &fleet.cluster)),
        describe(clients, named),
    )
    .await?;
    let templates = tagged.iter().chain(&named).map(|template| {
        let id = text(template.launch_template_id());
        let latest = template.latest_version_number().unwrap_or(0);
        let found = TemplateInventory {
            id: id.clone(),
            name: text(template.launch_template_name()),
            tags: tags(template.tags()),
            latest: u64::try_from(latest).unwrap_or(0),
            versions: BTreeMap::new(),
        };
        (id, found)
    });
    let by_id: BTreeMap<String, TemplateInventory> = templates.collect();
    Ok(by_id.into_values().collect())
}

async fn describe(
    clients: &Clients,
    by: aws_sdk_ec2::types::Filter,
) -> Result<Vec<LaunchTemplate>, CallError> {
    let asked = clients.ec2.describe_launch_templates().filters(by);
    asked
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await
        .map_err(refused(ec2("DescribeLaunchTemplates")))
}

/// Reads the latest version of each template, and those that groups use: of ten thousand versions
/// that a template may have, these are what a plan compares.
pub(super) async fn observe_versions(
    clients: &Clients,
    templates: &mut [TemplateInventory],
    groups: &[GroupInventory],
) -> Result<(), CallError> {
    let read = try_join_all(templates.iter().map(|template| {
        let used = groups
            .iter()
            .filter(|group| group.template.as_ref() == Some(&template.name));
        let mut numbers: BTreeSet<u64> = used
            .filter_map(|group| group.version.parse().ok())
            .collect();
        numbers.insert(template.latest);
        versions(clients, &template.id, numbers)
    }))
    .await?;
    for (template, versions) in templates.iter_mut().zip(read) {
        template.versions = versions;
    }
    Ok(())
}

async fn versions(
    clients: &Clients,
    id: &str,
    numbers: BTreeSet<u64>,
) -> Result<BTreeMap<u64, TemplateData>, CallError> {
    let numbers = numbers.iter().map(ToString::to_string).collect();
    let versions: Vec<LaunchTemplateVersion> = clients
        .ec2
        .describe_launch_template_versions()
        .launch_template_id(id)
        .set_versions(Some(numbers))
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await
        .map_err(refused(ec2("DescribeLaunchTemplateVersions")))?;
    let read = versions.iter().filter_map(|version| {
        let number = u64::try_from(version.version_number()?).ok()?;
        Some((number, template_data(version.launch_template_data()?)))
    });
    Ok(read.collect())
}

fn template_data(data: &ResponseLaunchTemplateData) -> TemplateData {
    let mut security_groups = data.security_group_ids().to_vec();
    security_groups.sort();
    let user_data = data.user_data().unwrap_or_default();
    // What is no base64 was put there by something else; it differs from what is wanted.
    let user_data = aws_smithy_types::base64::decode(user_data).unwrap_or_default();
    let tags_of = |kind: &ResourceType| {
        let mut specifications = data.tag_specifications().iter();
        let found = specifications.find(|tags| tags.resource_type() == Some(kind));
        found.map(|found| tags(found.tags())).unwrap_or_default()
    };
    TemplateData {
        image: text(data.image_id()),
        instance_type: text(data.instance_type().map(InstanceType::as_str)),
        instance_profile: data.iam_instance_profile().and_then(|profile| {
            let of_arn = || profile.arn()?.rsplit('/').next();
            Some(profile.name().or_else(of_arn)?.to_owned())
        }),
        security_groups,
        user_data: UserDataId::of(&user_data),
        metadata: metadata(data),
        root_volume: root_volume(data),
        instance_tags: tags_of(&ResourceType::Instance),
        volume_tags: tags_of(&ResourceType::Volume),
    }
}

/// What the template does not say is what EC2 takes by default.
fn metadata(data: &ResponseLaunchTemplateData) -> MetadataOptions {
    let options = data.metadata_options();
    let tokens = options.and_then(|options| options.http_tokens());
    let tags = options.and_then(|options| options.instance_metadata_tags());
    let hops = options.and_then(LaunchTemplateInstanceMetadataOptions::http_put_response_hop_limit);
    MetadataOptions {
        http_tokens: tokens
            .map_or("optional", |tokens| tokens.as_str())
            .to_owned(),
        hop_limit: hops.map_or(1, |hops| number(Some(hops))),
        instance_tags: tags.map_or("disabled", |tags| tags.as_str()).to_owned(),
    }
}

/// The only device that our templates name.
fn root_volume(data: &ResponseLaunchTemplateData) -> Option<RootVolume> {
    let mapping = data.block_device_mappings().first()?;
    let ebs = mapping.ebs()?;
    Some(RootVolume {
        device: text(mapping.device_name()),
        kind: text(
            ebs.volume_type()
                .map(aws_sdk_ec2::types::VolumeType::as_str),
        ),
        size_gib: ebs.volume_size().map(|size| number(Some(size))),
        encrypted: ebs.encrypted().unwrap_or(false),
        delete_on_termination: ebs.delete_on_termination().unwrap_or(false),
    })
}
