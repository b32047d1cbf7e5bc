//! Owns why a region, or the part of a fleet that is above the regions, cannot be planned.

use serde::Serialize;

use super::inventory::Unreadable;

/// Something that the fleet asks for and that is not there, though AWS is as the fleet says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shortfall {
    /// What is missing, and why.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Why a region cannot be planned. The others can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionProblem {
    /// It could not be read.
    #[error("{}", .0.message)]
    Unreadable(Unreadable),
    /// It has no AMI of the image.
    #[error("`{region}` has no AMI of `{image}`")]
    NoImage {
        /// The region.
        region: String,
        /// The image.
        image: String,
        /// States of AMIs that are there and cannot be used, each once.
        states: Vec<String>,
    },
    /// It has neither a subnet of the cluster nor a default VPC with one.
    #[error("`{0}` has no subnet for the fleet")]
    NoSubnet(String),
    /// Subnets of the cluster lie in several VPCs.
    #[error("the fleet's subnets in `{region}` lie in several VPCs: `{vpcs}`")]
    SeveralVpcs {
        /// The region.
        region: String,
        /// The VPCs.
        vpcs: String,
    },
    /// The VPC has no security group.
    #[error("`{vpc}` in `{region}` has no security group for the fleet")]
    NoSecurityGroup {
        /// The region.
        region: String,
        /// The VPC.
        vpc: String,
    },
    /// A slot's volume lies where there is no subnet.
    #[error("no subnet of the fleet in `{region}` lies in `{zone}`, where `{volume}` is")]
    NoSubnetInZone {
        /// The region.
        region: String,
        /// The zone.
        zone: String,
        /// The volume.
        volume: String,
    },
    /// No zone that the fleet has a subnet in offers a role's instance type.
    #[error(
        "no subnet of the fleet in `{region}` lies in a zone that offers `{instance_type}`, the instance type of {role}"
    )]
    NotOffered {
        /// The region.
        region: String,
        /// The instance type.
        instance_type: String,
        /// The role.
        role: &'static str,
        /// The zones that offer it.
        zones: Vec<String>,
    },
    /// The bucket of the state has a problem, and this region nothing else.
    #[error(
        "`{region}` waits for bucket `{bucket}`: its nodes could not start without their state"
    )]
    NoState {
        /// The region.
        region: String,
        /// The bucket.
        bucket: String,
    },
    /// Something has the name of an object of the fleet, but not its tags.
    #[error(
        "{kind} `{name}` in `{region}` is not this fleet's: it lacks the tags of its cluster and role"
    )]
    NotOurs {
        /// The region.
        region: String,
        /// What it is.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A group is being deleted.
    #[error("Auto Scaling group `{name}` in `{region}` is being deleted")]
    Deleting {
        /// The region.
        region: String,
        /// The group.
        name: String,
    },
    /// A target group would have to be made anew.
    #[error(
        "target group `{name}` in `{region}` has {is}, and the fleet says {wanted}: Elastic Load Balancing cannot change that"
    )]
    FixedTargetGroup {
        /// The region.
        region: String,
        /// The target group.
        name: String,
        /// What it has.
        is: String,
        /// What it should have.
        wanted: String,
    },
    /// Nobody knows whether a secret exists.
    #[error("whether `{secret}` exists is not known, because `{primary}` cannot be read")]
    SecretUnknown {
        /// The parameter.
        secret: String,
        /// The primary region.
        primary: String,
    },
    /// The state's bucket is elsewhere.
    #[error("bucket `{bucket}` is in `{is}`, and the fleet's primary region is `{primary}`")]
    BucketElsewhere {
        /// The bucket.
        bucket: String,
        /// Where it is.
        is: String,
        /// Where it should be.
        primary: String,
    },
}

impl RegionProblem {
    /// Why, outermost first.
    pub fn causes(&self) -> &[String] {
        match self {
            Self::Unreadable(unreadable) => &unreadable.causes,
            Self::NoImage { .. }
            | Self::NoSubnet(_)
            | Self::SeveralVpcs { .. }
            | Self::NoSecurityGroup { .. }
            | Self::NoSubnetInZone { .. }
            | Self::NotOffered { .. }
            | Self::NoState { .. }
            | Self::NotOurs { .. }
            | Self::Deleting { .. }
            | Self::FixedTargetGroup { .. }
            | Self::SecretUnknown { .. }
            | Self::BucketElsewhere { .. } => &[],
        }
    }

    /// What to do.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Unreadable(unreadable) => return unreadable.hint.clone(),
            Self::NoImage { image, states, .. } if states.is_empty() => format!(
                "an AMI counts when it is your own and tagged `vmimage:image={image}`: publish the image there"
            ),
            Self::NoImage { states, .. } => format!(
                "AMIs of the image are there, but none is available: {}",
                states.join(", ")
            ),
            Self::NoSubnet(_) => {
                "tag subnets with `vmimage:cluster=<cluster>`, or make a default VPC".to_owned()
            }
            Self::SeveralVpcs { .. } => {
                "take the tag `vmimage:cluster` from the subnets of all VPCs but one".to_owned()
            }
            Self::NoSecurityGroup { .. } => {
                "tag a security group of the VPC with `vmimage:cluster=<cluster>`".to_owned()
            }
            Self::NoSubnetInZone { zone, .. } => {
                format!("tag a subnet in `{zone}` with `vmimage:cluster=<cluster>`")
            }
            Self::NotOffered { role, zones, .. } if zones.is_empty() => {
                format!("set another `instance-type` in `[role.{role}]`")
            }
            Self::NotOffered { role, zones, .. } => format!(
                "set another `instance-type` in `[role.{role}]`, or have a subnet in `{}`",
                zones.join("` or `")
            ),
            Self::NoState { .. } => return None,
            Self::NotOurs { .. } => {
                "rename the cluster, or tag it with `vmimage:cluster` and `vmimage:role` to hand it over"
                    .to_owned()
            }
            Self::Deleting { .. } => "run this again when it is gone".to_owned(),
            Self::FixedTargetGroup { .. } => {
                "delete the target group, then run this again".to_owned()
            }
            Self::SecretUnknown { .. } => "run this again when the region answers".to_owned(),
            Self::BucketElsewhere { is, .. } => {
                format!("set `primary = \"{is}\"`, or name another bucket in `state`")
            }
        };
        Some(text)
    }
}
