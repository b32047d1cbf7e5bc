//! Owns what a fleet has in AWS before an apply. Must not decide what of it is right.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::objects::{LaunchHook, TargetGroupSettings, TemplateData};

/// What was found in every region of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FleetInventory {
    /// The account's number.
    pub account: String,
    /// The state's bucket.
    pub bucket: BucketObservation,
    /// The regions, in the fleet's order.
    pub regions: Vec<RegionObservation>,
}

/// What was found in one region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegionObservation {
    /// The region's name.
    pub region: String,
    /// What is there, or why that is not known.
    pub found: Result<RegionInventory, Unreadable>,
}

/// Why something could not be read, ready for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Unreadable {
    /// What could not be read.
    pub message: String,
    /// Why, outermost first.
    #[serde(default)]
    pub causes: Vec<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Unreadable {
    /// For a region that an inventory says nothing about.
    pub(super) fn not_looked_at(region: &str) -> Self {
        Self {
            message: format!("`{region}` was not looked at"),
            causes: Vec::new(),
            hint: None,
        }
    }
}

/// Whether there is a bucket for the fleet's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BucketObservation {
    /// There is no bucket of this name.
    Missing,
    /// There is.
    Found(BucketInventory),
    /// Nobody knows.
    Unreadable(Unreadable),
}

/// The bucket of the fleet's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BucketInventory {
    /// Where it is.
    pub region: String,
    /// Whether it says anything about public access; what it says is its owner's choice.
    pub public_access_block: bool,
    /// Whether it says how it is encrypted.
    pub encryption: bool,
}

/// Everything of one region that a plan depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegionInventory {
    /// AMIs of the fleet's image.
    pub images: Vec<ImageInventory>,
    /// For each instance type that a role has, the zones that offer it.
    pub offerings: BTreeMap<String, BTreeSet<String>>,
    /// The account's VPCs.
    pub vpcs: Vec<VpcInventory>,
    /// Subnets of the cluster, and those of the default VPC.
    pub subnets: Vec<SubnetInventory>,
    /// Security groups of the cluster, and the default ones.
    pub security_groups: Vec<SecurityGroupInventory>,
    /// Launch templates of the cluster, or with the name of one.
    pub templates: Vec<TemplateInventory>,
    /// Auto Scaling groups of the cluster, or with the name of one.
    pub groups: Vec<GroupInventory>,
    /// Target groups of the cluster, or with the name of one.
    pub target_groups: Vec<TargetGroupInventory>,
    /// Data volumes of the cluster: those with a slot.
    pub volumes: Vec<VolumeInventory>,
    /// The parameters that the fleet names, as far as they exist.
    pub parameters: BTreeMap<String, ParameterInventory>,
}

/// An AMI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageInventory {
    /// Its id.
    pub id: String,
    /// When it was made, in RFC 3339 and UTC: sorts as text.
    pub created: String,
    /// EC2's word for its state.
    pub state: String,
    /// Its root device, for example `/dev/xvda`.
    pub root_device: String,
    /// Its `vmimage:fingerprint` tag.
    #[serde(default)]
    pub fingerprint: Option<String>,
}

/// A VPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VpcInventory {
    /// Its id.
    pub id: String,
    /// Its ranges of IPv4 addresses, for example `172.31.0.0/16`: the first one and those added later.
    pub ranges: Vec<String>,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SubnetInventory {
    /// Its id.
    pub id: String,
    /// Its VPC.
    pub vpc: String,
    /// Its availability zone.
    pub zone: String,
    /// Whether it has the cluster's tag; the others are the default VPC's.
    #[serde(default)]
    pub tagged: bool,
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecurityGroupInventory {
    /// Its id.
    pub id: String,
    /// Its VPC.
    pub vpc: String,
    /// Whether it has the cluster's tag; the others are their VPC's default.
    #[serde(default)]
    pub tagged: bool,
}

/// A launch template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TemplateInventory {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its own tags.
    pub tags: BTreeMap<String, String>,
    /// The number of its latest version.
    pub latest: u64,
    /// What its latest version, and those that groups use, say; by number.
    pub versions: BTreeMap<u64, TemplateData>,
}

/// An Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GroupInventory {
    /// Its name.
    pub name: String,
    /// Its least size.
    pub min: u32,
    /// Its largest size.
    pub max: u32,
    /// The size that it keeps.
    pub desired: u32,
    /// Its subnets, sorted.
    pub subnets: Vec<String>,
    /// The name of its launch template; `None` where it has none, or several.
    pub template: Option<String>,
    /// The version, a number or `$Latest` or `$Default`.
    pub version: String,
    /// The ARNs of its target groups, sorted.
    #[serde(default)]
    pub target_groups: Vec<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Tags that its instances do not get.
    #[serde(default)]
    pub unpropagated: BTreeSet<String>,
    /// Its lifecycle hooks at launch.
    #[serde(default)]
    pub launch_hooks: Vec<LaunchHook>,
    /// Seconds before an instance's health counts.
    pub health_check_grace_secs: u32,
    /// Whether it is being deleted.
    #[serde(default)]
    pub deleting: bool,
    /// How many instances it has.
    #[serde(default)]
    pub instances: u32,
    /// How many of them are in service.
    #[serde(default)]
    pub in_service: u32,
    /// Where some are not in service: the last launch in each zone that has ended, newest first.
    #[serde(default)]
    pub launches: Vec<LaunchInventory>,
    /// Where some are not in service: whether its history names an instance that it launched.
    #[serde(default)]
    pub launched: bool,
}

/// How a launch of an Auto Scaling group ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LaunchInventory {
    /// The zone; `None` where it did not come so far as to choose one.
    #[serde(default)]
    pub zone: Option<String>,
    /// The instance, where there was one.
    #[serde(default)]
    pub instance: Option<String>,
    /// Why it failed, in the words of Auto Scaling; `None`: it did not.
    #[serde(default)]
    pub failure: Option<String>,
    /// Why the instance did not become a node, as it reported itself.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TargetGroupInventory {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What it does.
    pub settings: TargetGroupSettings,
}

/// A data volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VolumeInventory {
    /// Its id.
    pub id: String,
    /// Its availability zone.
    pub zone: String,
    /// Its size.
    pub size_gib: u32,
    /// Whether an instance has it.
    #[serde(default)]
    pub attached: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A parameter of the Parameter Store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ParameterInventory {
    /// Its value; `None` for a secret, which is never read here.
    #[serde(default)]
    pub value: Option<String>,
    /// `text` or `aws:ec2:image`.
    pub data_type: String,
}
