//! Owns how a lab is, as `lab status` tells it, and the names of nodes in it: `web-1` for the first
//! web node of a region, or the one with slot 1, and `eu-west-1/web-1` where two regions have one.

use std::collections::BTreeMap;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::aws::{GroupReport, MemberReport};
use crate::node::{Phase, SystemReport, SystemState};
use crate::wire::Cloud;

use super::Shared;

/// Tags of groups that tell what they are for.
const ROLE: &str = "vmimage:role";
const SLOT: &str = "vmimage:slot";
const STATE: &str = "vmimage:state";

/// How a lab is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// 1.
    pub format: u32,
    /// The lab's name.
    pub name: String,
    /// Its regions, the primary one first.
    pub regions: Vec<RegionStatus>,
}

/// How a region is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RegionStatus {
    /// Its name.
    pub region: String,
    /// Its Auto Scaling groups.
    pub groups: Vec<RoleStatus>,
}

/// How an Auto Scaling group is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RoleStatus {
    /// Its name.
    pub group: String,
    /// What its instances are for.
    pub role: String,
    /// The slot of a stateful one.
    pub slot: Option<String>,
    /// How many it wants.
    pub desired: u32,
    /// Its instances.
    pub nodes: Vec<NodeStatus>,
    /// Why its last activity failed, if it did.
    pub last_failure: Option<String>,
}

/// How an instance and its node are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeStatus {
    /// Its name in the region.
    pub name: String,
    /// Its id.
    pub instance: String,
    /// Its zone.
    pub zone: String,
    /// Its address.
    pub address: String,
    /// Its AMI.
    pub image: String,
    /// The version of the launch template it was launched with.
    pub template_version: u64,
    /// What Auto Scaling says: `Pending:Wait`, `InService`, ...
    pub lifecycle: String,
    /// What Auto Scaling says: `Healthy` or `Unhealthy`.
    pub health: String,
    /// What its systemd says: `running`, `degraded`, `starting`, ...; `off` without a system.
    pub system: String,
    /// Units that failed.
    pub failed_units: Vec<String>,
    /// The memory that it uses, in bytes.
    pub memory_bytes: u64,
    /// Its health in target groups.
    pub targets: Vec<(String, String)>,
}

impl Status {
    /// Asks the account and every node.
    pub(super) fn of(shared: &Shared) -> Self {
        let mut status = Self::of_account(shared);
        thread::scope(|scope| {
            let groups = status
                .regions
                .iter_mut()
                .flat_map(|region| &mut region.groups);
            for node in groups.flat_map(|group| &mut group.nodes) {
                scope.spawn(|| ask(shared, node));
            }
        });
        status
    }

    fn of_account(shared: &Shared) -> Self {
        let cloud = shared.cloud();
        let region = |name: &String| {
            let mut groups = cloud.aws().groups(name);
            for group in &mut groups {
                if let Some(said) = said_by_the_node(&cloud, name, group) {
                    group.last_failure = Some(said);
                }
            }
            RegionStatus {
                region: name.clone(),
                groups: name_nodes(groups),
            }
        };
        Self {
            format: 1,
            name: shared.settings.name.clone(),
            regions: shared.settings.regions.iter().map(region).collect(),
        }
    }

    /// Whether every group has what it wants.
    pub fn is_up(&self) -> bool {
        let mut groups = self.regions.iter().flat_map(|region| &region.groups);
        groups.all(RoleStatus::is_up)
    }
}

impl RoleStatus {
    /// Whether it has as many instances in service as it wants.
    pub fn is_up(&self) -> bool {
        let in_service = self
            .nodes
            .iter()
            .filter(|node| node.lifecycle == "InService" && node.health == "Healthy");
        u32::try_from(in_service.count()).is_ok_and(|count| count >= self.desired)
    }
}

/// Why the instance of a group's failed launch did not become a node, as it reported to the fleet's state:
/// Auto Scaling knows only that the launch was abandoned.
fn said_by_the_node(cloud: &Cloud, region: &str, group: &GroupReport) -> Option<String> {
    let instance = group.failed_instance.as_ref()?;
    let state = group.tags.get(STATE)?.strip_prefix("s3://")?;
    let (bucket, prefix) = state.split_once('/')?;
    let key = format!("{prefix}/{region}/nodes/{instance}.json");
    let report: serde_json::Value = serde_json::from_slice(cloud.object(bucket, &key)?).ok()?;
    let reason = report.get("reason")?.as_str()?;
    // In one line, whatever it is.
    let words = reason.split(|character: char| character.is_control() || character == ' ');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| format!("{instance} did not become a node: {}", words.join(" ")))
}

/// The node of this id, name or address; `None` if there is none or more than one.
pub(super) fn find(shared: &Shared, asked: &str) -> Option<String> {
    let status = Status::of_account(shared);
    let mut found = status.regions.iter().flat_map(|region| {
        let nodes = region.groups.iter().flat_map(|group| &group.nodes);
        nodes.filter(|node| {
            let qualified = format!("{}/{}", region.region, node.name);
            [&node.instance, &node.address, &node.name, &qualified]
                .into_iter()
                .any(|name| name == asked)
        })
    });
    let only = found.next()?.instance.clone();
    found.next().is_none().then_some(only)
}

fn ask(shared: &Shared, node: &mut NodeStatus) {
    let Ok(state) = shared.lab.state(&node.instance) else {
        return;
    };
    node.memory_bytes = state.memory_bytes;
    match state.phase {
        Phase::Waiting => "waiting".clone_into(&mut node.system),
        Phase::Off => {}
        Phase::Starting | Phase::Up => {
            let report = shared.lab.system(&node.instance);
            let SystemReport {
                state,
                failed_units,
            } = report.unwrap_or(SystemReport {
                state: SystemState::Starting,
                failed_units: Vec::new(),
            });
            word(state).clone_into(&mut node.system);
            node.failed_units = failed_units;
        }
    }
}

fn word(state: SystemState) -> &'static str {
    match state {
        SystemState::Initializing => "initializing",
        SystemState::Starting => "starting",
        SystemState::Running => "running",
        SystemState::Degraded => "degraded",
        SystemState::Maintenance => "maintenance",
        SystemState::Stopping => "stopping",
        SystemState::Unknown => "unknown",
    }
}

fn name_nodes(groups: Vec<GroupReport>) -> Vec<RoleStatus> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    groups
        .into_iter()
        .map(|group| {
            let role = group.tags.get(ROLE).unwrap_or(&group.name).clone();
            let slot = group.tags.get(SLOT).cloned();
            let nodes = group.members.into_iter();
            let nodes = nodes.map(|member| {
                let count = counts.entry(role.clone()).or_default();
                *count += 1;
                let number = slot.clone().unwrap_or_else(|| count.to_string());
                node(format!("{role}-{number}"), member)
            });
            RoleStatus {
                nodes: nodes.collect(),
                group: group.name,
                role: role.clone(),
                slot: slot.clone(),
                desired: group.desired,
                last_failure: group.last_failure,
            }
        })
        .collect()
}

fn node(name: String, member: MemberReport) -> NodeStatus {
    NodeStatus {
        name,
        instance: member.instance_id,
        zone: member.zone,
        address: member.private_ipv4.to_string(),
        image: member.image_id,
        template_version: member.template_version,
        lifecycle: member.lifecycle,
        health: member.health,
        system: "off".to_owned(),
        failed_units: Vec::new(),
        memory_bytes: 0,
        targets: member.targets,
    }
}
