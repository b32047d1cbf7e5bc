//! Owns what commands and the host of a lab say to each other: one JSON document each way.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::status::Status;
use crate::node::Entrance;
use crate::wire::AccessKey;

/// What a command asks of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How the lab is.
    Status,
    /// How clients reach the account.
    Endpoint,
    /// The way into a node.
    Entrance {
        /// Its id, name or address.
        node: String,
    },
    /// Where the log of a node's console is, also of one that is gone.
    Console {
        /// Its id, name or address.
        node: String,
    },
    /// Cut a node's power.
    Kill {
        /// Its id, name or address.
        node: String,
    },
    /// Cut a region or a node off from everything else.
    Partition {
        /// The region's name, or the node's id, name or address.
        part: String,
    },
    /// Join everything, or one part, again.
    Heal {
        /// As for a partition.
        part: Option<String>,
    },
    /// Add a fault.
    AddFault {
        /// Its text form.
        fault: String,
    },
    /// Which faults there are.
    ListFaults,
    /// End a fault, or all.
    ClearFaults {
        /// Its number.
        id: Option<u32>,
    },
    /// End the lab.
    Down,
}

/// What the host answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is done.
    Done,
    /// How the lab is.
    Status(Status),
    /// How clients reach the account.
    Endpoint(Endpoint),
    /// The way into a node.
    Entrance(Entrance),
    /// A file.
    Path(PathBuf),
    /// Faults.
    Faults(Vec<FaultEntry>),
    /// It was not done.
    Refused {
        /// Why.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

/// A fault that was added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FaultEntry {
    /// Its number.
    pub id: u32,
    /// Its text form.
    pub fault: String,
    /// Whether it strikes now.
    pub on: bool,
    /// How often it struck.
    pub struck: u32,
}

/// How clients reach the account: the variables that every SDK of AWS reads.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Endpoint {
    /// `AWS_ENDPOINT_URL`.
    pub url: String,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`: the lab's own, worth nothing elsewhere.
    pub secret_access_key: String,
    /// `AWS_REGION`, the first one.
    pub region: String,
}

/// Leaves the secret out.
impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("url", &self.url)
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    pub(super) fn new(port: u16, operator: &AccessKey, regions: &[String]) -> Self {
        Self {
            url: format!("http://127.0.0.1:{port}"),
            access_key_id: operator.access_key_id.clone(),
            secret_access_key: operator.secret_access_key.clone(),
            region: regions.first().cloned().unwrap_or_default(),
        }
    }

    /// The variables, in the order in which they are printed. The last one keeps SDKs from asking a
    /// metadata service that is not there.
    pub fn variables(&self) -> [(&'static str, &str); 6] {
        [
            ("AWS_ENDPOINT_URL", &self.url),
            ("AWS_ACCESS_KEY_ID", &self.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_access_key),
            ("AWS_REGION", &self.region),
            ("AWS_DEFAULT_REGION", &self.region),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
    }
}
