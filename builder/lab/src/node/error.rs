//! Owns what can go wrong with a lab and its nodes, and the hints for it.

use std::io;
use std::path::{Path, PathBuf};

use crate::network::NetworkError;

/// Why a lab or one of its nodes is not as asked for.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Not started by root.
    #[error("a lab needs root")]
    NotRoot,
    /// The kernel's control groups, version 2, are not mounted anywhere.
    #[error("no cgroup2 file system is mounted")]
    NoCgroup2,
    /// A program of the host is missing.
    #[error("`{program}` is not installed")]
    NoProgram {
        /// The program.
        program: &'static str,
        /// Debian's package that has it.
        package: &'static str,
    },
    /// A lab's name is part of file and control group names.
    #[error("`{name}` is no name for a lab: it must be a DNS label")]
    Name {
        /// The name.
        name: String,
    },
    /// Mount options and systemd-nspawn give some characters a meaning.
    #[error("a lab cannot keep its state in `{}`", path.display())]
    StateRoot {
        /// The directory.
        path: PathBuf,
    },
    /// A lab of this name runs.
    #[error("lab `{name}` is running")]
    Running {
        /// The lab.
        name: String,
    },
    /// A lab of this name was killed and left files.
    #[error("lab `{name}` was not ended properly, and what it left is still there")]
    Stale {
        /// The lab.
        name: String,
    },
    /// A file could not be handled.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was given is no image.
    #[error("`{}` is no image that a node can start from: {problem}", path.display())]
    Image {
        /// What was given.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No image with this id was added.
    #[error("the lab has no image `{ami}`")]
    NoImage {
        /// The AMI id.
        ami: String,
    },
    /// No such node.
    #[error("the lab has no node `{node}`")]
    NoNode {
        /// The instance id.
        node: String,
    },
    /// The node is there already.
    #[error("the lab has a node `{node}` already")]
    NodeExists {
        /// The instance id.
        node: String,
    },
    /// An instance id is part of file and control group names.
    #[error("`{node}` is no instance id")]
    NodeId {
        /// What was given.
        node: String,
    },
    /// The address is not one of the region's, or another node has it.
    #[error("node `{node}` cannot have the address {address}: {problem}")]
    Address {
        /// The instance id.
        node: String,
        /// The address.
        address: std::net::Ipv4Addr,
        /// Why not.
        problem: String,
    },
    /// The node is off.
    #[error("node `{node}` does not run")]
    NodeOff {
        /// The instance id.
        node: String,
    },
    /// The node runs.
    #[error("node `{node}` runs already")]
    NodeOn {
        /// The instance id.
        node: String,
    },
    /// The node could not be started, or ended before it was up.
    #[error("node `{node}` did not start: {problem}")]
    NodeFailed {
        /// The instance id.
        node: String,
        /// What happened.
        problem: String,
    },
    /// Something took longer than it may.
    #[error("node `{node}`: {what} did not end within {seconds} s")]
    TooLong {
        /// The instance id.
        node: String,
        /// What.
        what: String,
        /// How long it had.
        seconds: u64,
    },
    /// A volume id is part of file names.
    #[error("`{volume}` is no volume id")]
    VolumeId {
        /// What was given.
        volume: String,
    },
    /// A volume is attached to one node at a time.
    #[error("volume `{volume}` is attached to node `{node}`")]
    VolumeInUse {
        /// The volume.
        volume: String,
        /// The node that has it.
        node: String,
    },
    /// No such volume.
    #[error("the lab has no volume `{volume}`")]
    NoVolume {
        /// The volume.
        volume: String,
    },
    /// The network or the namespaces.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl LabError {
    /// What to do, where that is certain.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRoot => {
                Some("run it as root: nodes are namespaces with a real systemd inside".to_owned())
            }
            Self::NoCgroup2 => Some(
                "mount it: `mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 \
                 /sys/fs/cgroup/unified`"
                    .to_owned(),
            ),
            Self::NoProgram { package, .. } => Some(format!("install the package `{package}`")),
            Self::Stale { name } => Some(format!("clean it: `vmimage lab down --name {name}`")),
            Self::StateRoot { .. } => Some(
                "give an absolute path without `:`, `,`, `\\`, `\"` or spaces, not below `/run`"
                    .to_owned(),
            ),
            Self::Name { .. }
            | Self::Running { .. }
            | Self::File { .. }
            | Self::Image { .. }
            | Self::NoImage { .. }
            | Self::NoNode { .. }
            | Self::NodeExists { .. }
            | Self::NodeId { .. }
            | Self::Address { .. }
            | Self::NodeOff { .. }
            | Self::NodeOn { .. }
            | Self::NodeFailed { .. }
            | Self::TooLong { .. }
            | Self::VolumeId { .. }
            | Self::VolumeInUse { .. }
            | Self::NoVolume { .. }
            | Self::Network(_) => None,
        }
    }

    /// Wraps what went wrong with a file.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
