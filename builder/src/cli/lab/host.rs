//! Owns the hidden verb that hosts a lab: `lab up` starts it in the background.

use std::path::PathBuf;

use clap::Args;
use vmimage_lab::host::{Host, HostSettings};

use super::{Lab, refused};
use crate::failure::Failure;
use crate::printer;

/// What the host is told.
#[derive(Debug, Args)]
pub(super) struct HostArguments {
    /// The output of a bake
    #[arg(long)]
    image: PathBuf,
    /// The image's name
    #[arg(long)]
    image_name: String,
    /// The regions, the primary one first
    #[arg(long = "region", required = true)]
    regions: Vec<String>,
    /// Decides identifiers and everything random
    #[arg(long)]
    seed: u64,
}

/// Hosts a lab until it is told to end.
pub(super) fn run(lab: &Lab, arguments: HostArguments) -> Result<(), Failure> {
    let HostArguments {
        image,
        image_name,
        regions,
        seed,
    } = arguments;
    let host = Host::start(HostSettings {
        name: lab.name.clone(),
        state_root: lab.state.clone(),
        image,
        image_name,
        regions,
        seed,
    })
    .map_err(|error| refused(&error))?;
    let mut say = |line: &str| printer::talk(&format!("{line}\n"));
    host.run(&mut say).map_err(|error| refused(&error))
}
