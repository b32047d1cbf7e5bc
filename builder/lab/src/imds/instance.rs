//! Owns the facts about an instance that its metadata service tells. Must not decide them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The facts of one instance, as EC2 words them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// For example `i-0123456789abcdef0`.
    pub instance_id: String,
    /// The AMI.
    pub ami_id: String,
    /// For example `m7i.large`.
    pub instance_type: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// For example `eu-west-1`.
    pub region: String,
    /// For example `eu-west-1a`.
    pub availability_zone: String,
    /// For example `euw1-az1`.
    pub availability_zone_id: String,
    /// Twelve digits.
    pub account_id: String,
    /// The private address.
    pub local_ipv4: Ipv4Addr,
    /// The MAC address of the first interface, in lower case.
    pub mac: String,
    /// When it was launched, in RFC 3339.
    pub pending_time: String,
    /// SSH keys, in order.
    pub public_keys: Vec<PublicKey>,
    /// `None`: `InstanceMetadataTags` is disabled, as it is by default.
    pub tags: Option<BTreeMap<String, String>>,
    /// Its user data, before base64.
    pub user_data: Option<Vec<u8>>,
    /// Its instance profile's role.
    pub role: Option<InstanceRole>,
    /// `autoscaling/target-lifecycle-state`, when it is in an Auto Scaling group.
    pub target_lifecycle_state: Option<String>,
}

/// An SSH key of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The key pair's name.
    pub name: String,
    /// One line of `authorized_keys`.
    pub openssh: String,
}

/// A role and its credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct InstanceRole {
    /// The role's name.
    pub name: String,
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The session token.
    pub token: String,
    /// When they were made, in RFC 3339.
    pub last_updated: String,
    /// When they expire, in RFC 3339.
    pub expiration: String,
}

/// Leaves the secrets out.
impl std::fmt::Debug for InstanceRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceRole")
            .field("name", &self.name)
            .field("access_key_id", &self.access_key_id)
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}

impl Instance {
    /// An instance like those that EC2's documentation shows, without tags, keys, role or user data.
    pub fn example() -> Self {
        Self {
            instance_id: "i-0123456789abcdef0".to_owned(),
            ami_id: "ami-0123456789abcdef0".to_owned(),
            instance_type: "m7i.large".to_owned(),
            architecture: "x86_64".to_owned(),
            region: "eu-west-1".to_owned(),
            availability_zone: "eu-west-1a".to_owned(),
            availability_zone_id: "euw1-az1".to_owned(),
            account_id: "123456789012".to_owned(),
            local_ipv4: Ipv4Addr::new(10, 0, 0, 10),
            mac: "02:00:00:00:00:0a".to_owned(),
            pending_time: "2025-01-01T00:00:00Z".to_owned(),
            public_keys: Vec::new(),
            tags: None,
            user_data: None,
            role: None,
            target_lifecycle_state: None,
        }
    }

    /// The private DNS name that EC2 gives by the address.
    pub(crate) fn local_hostname(&self) -> String {
        let [a, b, c, d] = self.local_ipv4.octets();
        let domain = if self.region == "us-east-1" {
            "ec2".to_owned()
        } else {
            format!("{}.compute", self.region)
        };
        format!("ip-{a}-{b}-{c}-{d}.{domain}.internal")
    }
}
