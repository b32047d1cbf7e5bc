//! Owns the vocabulary that images, launch templates and nodes share (roles, instance tags, the size
//! limit of EC2 user data, role programs) and the engine that turns an instance into a node. Must not
//! allocate or depend on another crate: the static `firstboot` binary is built from it.
#![cfg_attr(not(test), no_std)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the kernel's numbers fit where they are put, its negative ones as well, and conversions that can fail cost code"
)]

pub mod aws;
pub mod bytes;
pub mod child;
pub mod clock;
pub mod console;
pub mod facts;
#[cfg(test)]
mod fuzz;
pub mod identity;
pub mod imds;
pub mod journal;
pub mod json;
pub mod launch;
pub mod lifecycle;
pub mod node;
pub mod phrase;
pub mod program;
pub mod reader;
pub mod step;
pub mod sys;

/// What a node of a fleet is for, as written in its `vmimage:role` tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Serves the customers' sites.
    Web,
    /// Serves the API.
    Api,
    /// Runs MariaDB, as the writer or as a replica.
    Database,
    /// Runs GlusterFS bricks.
    Storage,
    /// Runs Prometheus, Alertmanager and Grafana.
    Monitoring,
}

impl Role {
    /// Every role, in the order in which a fleet is described.
    pub const ALL: [Self; 5] = [
        Self::Web,
        Self::Api,
        Self::Database,
        Self::Storage,
        Self::Monitoring,
    ];

    /// The role as it stands in a tag or a definition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Api => "api",
            Self::Database => "database",
            Self::Storage => "storage",
            Self::Monitoring => "monitoring",
        }
    }

    /// The role that `text` names, or `None`. Case matters, as it does in EC2 tags.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// The most bytes that EC2 takes as user data, before base64
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html>).
pub const USER_DATA_LIMIT_BYTES: usize = 16_384;

/// Keys of the instance tags that a node reads at launch.
pub mod tag {
    /// The node's [`Role`](super::Role).
    pub const ROLE: &str = "vmimage:role";
    /// The cluster's name, a DNS label.
    pub const CLUSTER: &str = "vmimage:cluster";
    /// The environment; `production` where absent.
    pub const ENVIRONMENT: &str = "vmimage:environment";
    /// The public domain.
    pub const DOMAIN: &str = "vmimage:domain";
    /// `s3://bucket/prefix` of the cluster's shared state.
    pub const STATE: &str = "vmimage:state";
    /// The stable slot number of a stateful node.
    pub const SLOT: &str = "vmimage:slot";
    /// How many members the role waits for.
    pub const SIZE: &str = "vmimage:size";
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn every_role_is_read_back_from_its_name() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("Web"), None);
        assert_eq!(Role::parse(""), None);
    }
}
