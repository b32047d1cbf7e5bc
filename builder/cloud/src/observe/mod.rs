//! Owns reading what a fleet has: all regions at once, every page. Must not change anything.

mod autoscaling;
mod elbv2;
mod images;
mod launches;
mod network;
mod state;
mod templates;

use std::collections::BTreeMap;

use futures_util::future::{join, join_all, try_join5};
use vmimage_plan::definition::{Fleet, Region};
use vmimage_plan::fleet::FleetInventory;
use vmimage_plan::fleet::inventory::{BucketObservation, RegionInventory, RegionObservation};

use crate::account::Account;
use crate::error::CloudError;

/// Reads every region of `fleet`, and the bucket of its state.
pub(crate) async fn observe_fleet(account: &Account, fleet: &Fleet) -> FleetInventory {
    let bucket = state::observe_bucket(account.clients(&fleet.primary), &fleet.state.bucket);
    let regions = join_all(fleet.regions.iter().map(|region| async {
        let found = Box::pin(observe_region(account, fleet, region)).await;
        RegionObservation {
            region: region.name.clone(),
            found: found.map_err(|error| error.to_unreadable()),
        }
    }));
    let (bucket, regions) = join(bucket, regions).await;
    FleetInventory {
        account: account.number.clone(),
        bucket: match bucket {
            Ok(Some(found)) => BucketObservation::Found(found),
            Ok(None) => BucketObservation::Missing,
            Err(error) => BucketObservation::Unreadable(error.to_unreadable()),
        },
        regions,
    }
}

async fn observe_region(
    account: &Account,
    fleet: &Fleet,
    region: &Region,
) -> Result<RegionInventory, CloudError> {
    let clients = account.clients(&region.name);
    let doing = |what: &'static str| move |error: crate::CallError| error.doing(what, &region.name);
    let place = async {
        try_join5(
            images::observe_images(clients, &fleet.image),
            images::observe_offerings(clients, fleet),
            network::observe_subnets(clients, &fleet.cluster),
            network::observe_security_groups(clients, &fleet.cluster),
            images::observe_volumes(clients, &fleet.cluster),
        )
        .await
        .map_err(doing("read images, networks and volumes"))
    };
    let groups = async {
        let state = account.clients(&fleet.primary);
        autoscaling::observe_groups(clients, state, fleet)
            .await
            .map_err(doing("read Auto Scaling groups"))
    };
    let templates = async {
        templates::observe_templates(clients, fleet)
            .await
            .map_err(doing("read launch templates"))
    };
    let target_groups = async {
        elbv2::observe_target_groups(clients, fleet)
            .await
            .map_err(doing("read target groups"))
    };
    let parameters = async {
        state::observe_parameters(clients, fleet)
            .await
            .map_err(doing("read parameters"))
    };
    let (place, groups, mut templates, target_groups, parameters) = Box::pin(try_join5(
        place,
        groups,
        templates,
        target_groups,
        parameters,
    ))
    .await?;
    let (images, offerings, (vpcs, subnets), security_groups, volumes) = place;
    templates::observe_versions(clients, &mut templates, &groups)
        .await
        .map_err(doing("read launch template versions"))?;
    Ok(RegionInventory {
        images,
        offerings,
        vpcs,
        subnets,
        security_groups,
        templates,
        groups,
        target_groups,
        volumes,
        parameters,
    })
}

/// A filter of EC2 for objects with this tag.
fn tag_filter(key: &str, value: &str) -> aws_sdk_ec2::types::Filter {
    filter(&format!("tag:{key}"), [value])
}

fn filter<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> aws_sdk_ec2::types::Filter {
    let values = values.into_iter().map(str::to_owned).collect();
    aws_sdk_ec2::types::Filter::builder()
        .name(name)
        .set_values(Some(values))
        .build()
}

/// EC2's tags as a map.
fn tags(tags: &[aws_sdk_ec2::types::Tag]) -> BTreeMap<String, String> {
    tags.iter()
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
        .collect()
}

/// A size as our plans have it; what AWS cannot have said counts as 0.
fn number(value: Option<i32>) -> u32 {
    value
        .and_then(|value| u32::try_from(value).ok())
        .unwrap_or(0)
}

/// The text of something that is always there.
fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}
