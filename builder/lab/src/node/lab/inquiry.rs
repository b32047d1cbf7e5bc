//! Owns what can be asked of a lab and its nodes, and what is done to the network between them. Must
//! not change a node's life.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Lab;
use crate::imds::Imds;
use crate::node::exec::{Entrance, Output};
use crate::node::lock::held;
use crate::node::place::is_id;
use crate::node::state::{Ending, NodeState, Phase, SystemReport};
use crate::node::{LabError, NodeLaunch};

/// What is cut off from the rest, and joined to it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A region: nothing passes between it and any other. Inside it all goes on, and its own
    /// endpoints answer.
    Region(String),
    /// A node, by its instance id: it reaches its metadata service and its resolver, and nothing
    /// else. It is forgotten when the node is terminated.
    Node(String),
}

impl Lab {
    /// The ids of all nodes, in order.
    pub fn node_ids(&self) -> Vec<String> {
        held(&self.nodes).keys().cloned().collect()
    }

    /// A node as it was launched.
    pub fn launched(&self, id: &str) -> Result<NodeLaunch, LabError> {
        Ok(self.get(id)?.launch.clone())
    }

    /// Where a node is in its life, which does not ask the node itself.
    pub fn state(&self, id: &str) -> Result<NodeState, LabError> {
        Ok(self.get(id)?.state())
    }

    /// What a node does, and how it ended. Cheap: for whoever looks often.
    pub fn standing(&self, id: &str) -> Result<(Phase, Option<Ending>), LabError> {
        Ok(self.get(id)?.standing())
    }

    /// What a node's systemd says about itself.
    pub fn system(&self, id: &str) -> Result<SystemReport, LabError> {
        SystemReport::ask(&self.entrance(id)?)
    }

    /// The log of a node's console, also of one that was terminated. It may not exist yet.
    pub fn console_path(&self, id: &str) -> Result<PathBuf, LabError> {
        if is_id(id) {
            Ok(self.place.node(id).console)
        } else {
            Err(LabError::NodeId {
                node: id.to_owned(),
            })
        }
    }

    /// The way into a running node.
    pub fn entrance(&self, id: &str) -> Result<Entrance, LabError> {
        let node = self.get(id)?;
        match node.phase() {
            Phase::Starting | Phase::Up => Entrance::find(id, &node.group),
            Phase::Waiting | Phase::Off => Err(LabError::NodeOff {
                node: id.to_owned(),
            }),
        }
    }

    /// Runs a command in a node as root, to its end.
    pub fn exec(
        &self,
        id: &str,
        argv: &[&str],
        stdin: &[u8],
        timeout: Duration,
    ) -> Result<Output, LabError> {
        self.entrance(id)?.run(argv, stdin, timeout)
    }

    /// A node's metadata service, to change what it tells.
    pub fn imds(&self, id: &str) -> Result<Arc<Mutex<Imds>>, LabError> {
        Ok(Arc::clone(&self.get(id)?.metadata.imds))
    }

    /// Cuts a part off.
    pub fn partition(&self, part: &Part) -> Result<(), LabError> {
        match part {
            Part::Region(name) => self.network().cut_region(name)?,
            Part::Node(id) => self.network().cut_address(self.get(id)?.plug.address)?,
        }
        Ok(())
    }

    /// Joins a part again.
    pub fn rejoin(&self, part: &Part) -> Result<(), LabError> {
        match part {
            Part::Region(name) => self.network().heal_region(name)?,
            Part::Node(id) => self.network().heal_address(self.get(id)?.plug.address)?,
        }
        Ok(())
    }

    /// Joins everything again.
    pub fn heal(&self) -> Result<(), LabError> {
        Ok(self.network().heal()?)
    }

    /// Lets all resolvers of the lab answer a name with these addresses; with none it is gone.
    pub fn set_name(&self, name: &str, addresses: Vec<Ipv4Addr>) {
        held(&self.names).set(name, addresses);
    }
}
