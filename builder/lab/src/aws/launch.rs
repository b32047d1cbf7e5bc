//! Owns what the account tells the outside: which machines are to run, stop and go, and all that
//! a machine and its metadata service need to know.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// All that a node and its metadata service need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// For example `eu-west-1`.
    pub region: String,
    /// For example `eu-west-1a`.
    pub zone: String,
    /// For example `euw1-az1`.
    pub zone_id: String,
    /// Twelve digits.
    pub account_id: String,
    /// For example `i-0123456789abcdef0`.
    pub instance_id: String,
    /// The AMI.
    pub image_id: String,
    /// For example `t3.medium`.
    pub instance_type: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// The address in its subnet.
    pub private_ipv4: Ipv4Addr,
    /// The subnet.
    pub subnet_id: String,
    /// The VPC, for example `10.1.0.0/16`.
    pub vpc_cidr: String,
    /// As the node reads them: decoded.
    pub user_data: Vec<u8>,
    /// All tags, also those of AWS (`aws:autoscaling:groupName`).
    pub tags: BTreeMap<String, String>,
    /// Whether the metadata service tells the tags.
    pub metadata_tags: bool,
    /// Whether the metadata service wants a session token.
    pub http_tokens_required: bool,
    /// How far a session token travels.
    pub hop_limit: u8,
    /// The instance profile's name.
    pub instance_profile: Option<String>,
    /// The key pair's name.
    pub key_name: Option<String>,
    /// The Auto Scaling group it belongs to.
    pub group: Option<String>,
    /// What `autoscaling/target-lifecycle-state` says: `InService`, `Terminated`, ...
    pub target_lifecycle_state: Option<String>,
    /// Its volumes, the root volume first.
    pub volumes: Vec<Attachment>,
    /// Since the start of the simulation.
    pub launched_at: Duration,
    /// The same as AWS says it, for example `2026-01-01T00:00:00.000Z`.
    pub launch_time: String,
}

/// A volume that is attached to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// For example `vol-0123456789abcdef0`.
    pub volume_id: String,
    /// For example `/dev/sdf`.
    pub device: String,
    /// Its size.
    pub size_gib: u32,
}

/// Something that the outside must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Start a machine. Report [`Aws::instance_running`](super::Aws::instance_running) as soon as
    /// its first process runs, before it can call.
    Launch(Box<Launch>),
    /// Cut its power and forget it. Its volumes stay until they are deleted.
    Terminate {
        /// Where.
        region: String,
        /// Which.
        instance_id: String,
    },
    /// Shut it down; its disk stays.
    Stop {
        /// Where.
        region: String,
        /// Which.
        instance_id: String,
    },
    /// Start it again with its old disk. Report as for a launch.
    Start(Box<Launch>),
    /// Restart it.
    Reboot {
        /// Where.
        region: String,
        /// Which.
        instance_id: String,
    },
    /// Its metadata changed (tags, options, target lifecycle state): tell its metadata service.
    Metadata(Box<Launch>),
    /// A volume is there now.
    VolumeAttached {
        /// Where.
        region: String,
        /// Which instance.
        instance_id: String,
        /// The volume.
        attachment: Attachment,
    },
    /// A volume is gone from the instance.
    VolumeDetached {
        /// Where.
        region: String,
        /// Which instance.
        instance_id: String,
        /// The volume.
        attachment: Attachment,
    },
    /// A volume's data can be thrown away.
    VolumeDeleted {
        /// Where.
        region: String,
        /// The volume.
        volume_id: String,
    },
}

impl Launch {
    /// The MAC address of its one interface, in lower case.
    pub fn mac(&self) -> String {
        mac_of(self.private_ipv4)
    }
}

/// Every address has its own MAC address; the first byte says that it is administered locally.
pub(crate) fn mac_of(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}
