//! Owns reading AMIs, data volumes, and which zones offer an instance type.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::InstanceType;
use vmimage_plan::definition::Fleet;
use vmimage_plan::fleet::inventory::{ImageInventory, VolumeInventory};
use vmimage_plan::fleet::names::{FINGERPRINT_TAG, IMAGE_TAG, tag};

use super::{filter, number, tag_filter, tags, text};
use crate::account::Clients;
use crate::error::{CallError, ec2, refused};

/// The account's own AMIs of an image, in whatever state.
pub(super) async fn observe_images(
    clients: &Clients,
    image: &str,
) -> Result<Vec<ImageInventory>, CallError> {
    let images: Vec<aws_sdk_ec2::types::Image> = clients
        .ec2
        .describe_images()
        .owners("self")
        .filters(tag_filter(IMAGE_TAG, image))
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await
        .map_err(refused(ec2("DescribeImages")))?;
    Ok(images
        .iter()
        .map(|image| ImageInventory {
            id: text(image.image_id()),
            created: text(image.creation_date()),
            state: text(image.state().map(aws_sdk_ec2::types::ImageState::as_str)),
            root_device: text(image.root_device_name()),
            fingerprint: tags(image.tags()).remove(FINGERPRINT_TAG),
        })
        .collect())
}

/// The zones that offer each of these instance types.
pub(super) async fn observe_offerings(
    clients: &Clients,
    fleet: &Fleet,
) -> Result<BTreeMap<String, BTreeSet<String>>, CallError> {
    let types: BTreeSet<&str> = fleet
        .roles
        .iter()
        .map(|role| role.instance_type.as_str())
        .collect();
    let offerings: Vec<aws_sdk_ec2::types::InstanceTypeOffering> = clients
        .ec2
        .describe_instance_type_offerings()
        .location_type(aws_sdk_ec2::types::LocationType::AvailabilityZone)
        .filters(filter("instance-type", types.iter().copied()))
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await
        .map_err(refused(ec2("DescribeInstanceTypeOfferings")))?;
    // One that is offered nowhere is known to be.
    let mut zones: BTreeMap<String, BTreeSet<String>> = types
        .into_iter()
        .map(|name| (name.to_owned(), BTreeSet::new()))
        .collect();
    for offering in offerings {
        let name = offering.instance_type().map(InstanceType::as_str);
        if let Some((zones, zone)) = name
            .and_then(|name| zones.get_mut(name))
            .zip(offering.location())
        {
            zones.insert(zone.to_owned());
        }
    }
    Ok(zones)
}

/// The cluster's volumes that belong to a slot, but for those that are going.
pub(super) async fn observe_volumes(
    clients: &Clients,
    cluster: &str,
) -> Result<Vec<VolumeInventory>, CallError> {
    let volumes: Vec<aws_sdk_ec2::types::Volume> = clients
        .ec2
        .describe_volumes()
        .filters(tag_filter(tag::CLUSTER, cluster))
        .filters(filter("tag-key", [tag::SLOT]))
        .filters(filter("status", ["creating", "available", "in-use"]))
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await
        .map_err(refused(ec2("DescribeVolumes")))?;
    Ok(volumes
        .iter()
        .map(|volume| VolumeInventory {
            id: text(volume.volume_id()),
            zone: text(volume.availability_zone()),
            size_gib: number(volume.size()),
            attached: !volume.attachments().is_empty(),
            tags: tags(volume.tags()),
        })
        .collect())
}
