//! Owns the lab's nodes: baked images that run with a real systemd, each in namespaces of its own, and
//! the lab that they belong to. Must not know the simulated AWS: what to launch is passed in.
//!
//! A lab is a set of namespaces that a process holds, see [`crate::network`]. A node is
//! systemd-nspawn over an overlay of the image, with its own address, control group and console.
//! However the process that runs the lab ends, the kernel ends every node, mount and interface with
//! it; files and empty control groups are what [`Lab::clean`] finds.
//!
//! # What a node sees
//! - `ens5` with its address, a default route, the resolver of its region, and the host name that EC2
//!   gives (`ip-10-1-0-10`); `IMDSv2` at 169.254.169.254.
//! - Its data volumes at [`VOLUMES`]`/<volume-id>/`: a folder `data`, which is as fast as the machine's
//!   own disk, and a sparse file `device` of the volume's size, blank at first. There are no loop
//!   devices; a file system in `device` is made with mkfs and mounted with `fuse2fs`, so that
//!   formatting only what is blank can be tried. A volume appears when it is attached, also while
//!   the node runs, and survives the node.
//! - `/dev/fuse`, and the lab's certificate authority among those that it trusts.
//!
//! What differs from EC2: the clock cannot be set, there is no kernel of its own, `IMDSv1` is never
//! served, and a power cut loses nothing that was written, because the page cache is the machine's.

mod cgroup;
mod error;
mod exec;
mod gate;
mod image;
mod lab;
mod launch;
mod life;
mod lock;
mod machine;
mod place;
mod serve;
mod state;
mod trust;
mod volumes;
pub(crate) mod wait;

pub use error::LabError;
pub use exec::{Entrance, Output};
pub use image::LabImage;
pub use lab::{Images, Lab, Part, Settings, Trace};
pub use launch::{NodeLaunch, Volume};
pub use machine::VOLUMES;
pub use serve::Interferer;
pub use state::{Ending, NodeState, Phase, SystemReport, SystemState};
