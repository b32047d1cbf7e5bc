//! Owns what is told of a region to `lab status`, and what a lab tells of its targets. Must not
//! change anything.

use std::net::Ipv4Addr;

use super::check::TargetFailure;

/// An Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupReport {
    /// Its name.
    pub name: String,
    /// The smallest size.
    pub min: u32,
    /// The largest size.
    pub max: u32,
    /// The size it wants.
    pub desired: u32,
    /// Its own tags.
    pub tags: std::collections::BTreeMap<String, String>,
    /// Its instances.
    pub members: Vec<MemberReport>,
    /// Why its newest launch that ended failed, if it did.
    pub last_failure: Option<String>,
    /// The instance of that launch, where it came so far.
    pub failed_instance: Option<String>,
}

/// An instance of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberReport {
    /// The instance.
    pub instance_id: String,
    /// Its zone.
    pub zone: String,
    /// `Pending:Wait`, `InService`, ...
    pub lifecycle: String,
    /// `Healthy` or `Unhealthy`.
    pub health: String,
    /// The version of the launch template it was launched with.
    pub template_version: u64,
    /// The AMI.
    pub image_id: String,
    /// Its address.
    pub private_ipv4: Ipv4Addr,
    /// `pending`, `running`, ...: what EC2 says.
    pub state: String,
    /// Target groups by name, and the health of the instance in each.
    pub targets: Vec<(String, String)>,
}

/// How a target answers its health check, as the outside found it.
#[derive(Clone, Copy, Debug)]
pub struct TargetReport<'a> {
    /// Where.
    pub region: &'a str,
    /// The target group's ARN.
    pub target_group: &'a str,
    /// The instance, or the address of a target that is registered by its address.
    pub target: &'a str,
    /// The port it is registered with.
    pub port: u16,
    /// The answer.
    pub health: TargetAnswer,
}

/// The outcome of health checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetAnswer {
    /// As many checks as needed passed.
    Healthy,
    /// As many checks as needed failed; says how the last one did.
    Unhealthy(TargetFailure),
}
