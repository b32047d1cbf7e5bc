//! Owns what a node is made of. Must not start it.

use crate::imds::Instance;

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
