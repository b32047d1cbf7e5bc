//! Owns what a node is made of. Must not start it.

use crate::aws::Launch;
use crate::imds::{Instance, InstanceRole};
use crate::network::mac_of;

/// All that a node needs. Its region, id, address, MAC address, user data and tags are those that its
/// metadata service tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLaunch {
    /// The facts of the instance.
    pub instance: Instance,
    /// How many hops an answer of the metadata service lives, from 1.
    pub hop_limit: u8,
    /// Volumes that are attached before it starts.
    pub volumes: Vec<Volume>,
}

/// A data volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// For example `vol-0123456789abcdef0`.
    pub id: String,
    /// The size of its device.
    pub size_gib: u32,
}

impl NodeLaunch {
    /// The node for what the simulated EC2 launches. `role` holds its instance profile's credentials,
    /// which are not EC2's to make. Its root volume is the overlay, and not among its volumes.
    pub fn new(launch: &Launch, role: Option<InstanceRole>) -> Self {
        let data = launch.volumes.iter().skip(1);
        Self {
            instance: instance(launch, role),
            hop_limit: launch.hop_limit,
            volumes: data
                .map(|attachment| Volume {
                    id: attachment.volume_id.clone(),
                    size_gib: attachment.size_gib,
                })
                .collect(),
        }
    }
}

fn instance(launch: &Launch, role: Option<InstanceRole>) -> Instance {
    Instance {
        instance_id: launch.instance_id.clone(),
        ami_id: launch.image_id.clone(),
        instance_type: launch.instance_type.clone(),
        architecture: launch.architecture.clone(),
        region: launch.region.clone(),
        availability_zone: launch.zone.clone(),
        availability_zone_id: launch.zone_id.clone(),
        account_id: launch.account_id.clone(),
        local_ipv4: launch.private_ipv4,
        mac: mac_of(launch.private_ipv4),
        pending_time: launch.launch_time.clone(),
        public_keys: Vec::new(),
        tags: launch.metadata_tags.then(|| launch.tags.clone()),
        user_data: (!launch.user_data.is_empty()).then(|| launch.user_data.clone()),
        role,
        target_lifecycle_state: launch.target_lifecycle_state.clone(),
    }
}
