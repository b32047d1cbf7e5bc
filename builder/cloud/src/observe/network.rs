//! Owns reading networks: the cluster's, and the default VPC's in case it has none of its own.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Vpc, VpcCidrBlockStateCode};
use futures_util::future::try_join;
use vmimage_plan::fleet::inventory::{SecurityGroupInventory, SubnetInventory, VpcInventory};
use vmimage_plan::fleet::names::tag;

use super::{filter, tag_filter, text};
use crate::account::Clients;
use crate::error::{CallError, ec2, refused};

/// The account's VPCs, subnets with the cluster's tag, and those of the default VPC.
pub(super) async fn observe_subnets(
    clients: &Clients,
    cluster: &str,
) -> Result<(Vec<VpcInventory>, Vec<SubnetInventory>), CallError> {
    let tagged = subnets(clients, tag_filter(tag::CLUSTER, cluster));
    let default = async {
        let vpcs: Vec<Vpc> = clients
            .ec2
            .describe_vpcs()
            .into_paginator()
            .items()
            .send()
            .collect::<Result<_, _>>()
            .await
            .map_err(refused(ec2("DescribeVpcs")))?;
        let default = vpcs.iter().find(|vpc| vpc.is_default() == Some(true));
        let subnets = match default.and_then(Vpc::vpc_id) {
            Some(vpc) => subnets(clients, filter("vpc-id", [vpc])).await?,
            None => Vec::new(),
        };
        Ok((vpcs, subnets))
    };
    let (tagged, (vpcs, default)) = try_join(tagged, default).await?;
    let of = |subnet: &aws_sdk_ec2::types::Subnet, tagged| SubnetInventory {
        id: text(subnet.subnet_id()),
        vpc: text(subnet.vpc_id()),
        zone: text(subnet.availability_zone()),
        tagged,
    };
    let vpcs = vpcs.iter().map(|vpc| VpcInventory {
        id: text(vpc.vpc_id()),
        ranges: ranges(vpc),
    });
    let subnets = tagged_first(&tagged, &default, of, |found| &found.id);
    Ok((vpcs.collect(), subnets))
}

/// The ranges of a VPC that are in use or about to be, sorted.
fn ranges(vpc: &Vpc) -> Vec<String> {
    let gone = [
        VpcCidrBlockStateCode::Disassociated,
        VpcCidrBlockStateCode::Disassociating,
        VpcCidrBlockStateCode::Failed,
        VpcCidrBlockStateCode::Failing,
    ];
    let associated = vpc.cidr_block_association_set().iter().filter(|block| {
        let state = block.cidr_block_state().and_then(|state| state.state());
        !state.is_some_and(|state| gone.contains(state))
    });
    let blocks = associated.filter_map(|block| block.cidr_block());
    let all: BTreeSet<&str> = blocks.chain(vpc.cidr_block()).collect();
    all.into_iter().map(str::to_owned).collect()
}

/// What has the cluster's tag, and then what is there by default and was not found by its tag.
fn tagged_first<S, T>(
    tagged: &[S],
    default: &[S],
    of: impl Fn(&S, bool) -> T,
    id: impl Fn(&T) -> &String,
) -> Vec<T> {
    let mut all: Vec<T> = tagged.iter().map(|found| of(found, true)).collect();
    for found in default.iter().map(|found| of(found, false)) {
        if all.iter().all(|other| id(other) != id(&found)) {
            all.push(found);
        }
    }
    all
}

async fn subnets(
    clients: &Clients,
    by: aws_sdk_ec2::types::Filter,
) -> Result<Vec<aws_sdk_ec2::types::Subnet>, CallError> {
    let asked = clients.ec2.describe_subnets().filters(by);
    asked
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await
        .map_err(refused(ec2("DescribeSubnets")))
}

/// Security groups with the cluster's tag, and every VPC's default one.
pub(super) async fn observe_security_groups(
    clients: &Clients,
    cluster: &str,
) -> Result<Vec<SecurityGroupInventory>, CallError> {
    let tagged = security_groups(clients, tag_filter(tag::CLUSTER, cluster));
    let default = security_groups(clients, filter("group-name", ["default"]));
    let (tagged, default) = try_join(tagged, default).await?;
    let of = |group: &aws_sdk_ec2::types::SecurityGroup, tagged| SecurityGroupInventory {
        id: text(group.group_id()),
        vpc: text(group.vpc_id()),
        tagged,
    };
    Ok(tagged_first(&tagged, &default, of, |found| &found.id))
}

async fn security_groups(
    clients: &Clients,
    by: aws_sdk_ec2::types::Filter,
) -> Result<Vec<aws_sdk_ec2::types::SecurityGroup>, CallError> {
    let asked = clients.ec2.describe_security_groups().filters(by);
    asked
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await
        .map_err(refused(ec2("DescribeSecurityGroups")))
}
