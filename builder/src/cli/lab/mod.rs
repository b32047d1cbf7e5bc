//! Owns `vmimage lab`: one file for starting a lab, one for its end, one for what is done to it.

mod down;
mod host;
mod play;
mod table;
mod up;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use vmimage_lab::host::{Client, HostError};

use super::Context;
use crate::failure::Failure;

/// `vmimage lab`'s own arguments.
#[derive(Debug, Args)]
pub(super) struct LabArguments {
    /// Which lab; several run side by side
    #[arg(long, global = true, value_name = "NAME", default_value = "lab")]
    name: String,
    /// Where labs keep their files
    #[arg(
        long,
        global = true,
        hide = true,
        value_name = "DIR",
        default_value = "/var/lib/vmimage/lab"
    )]
    state: PathBuf,
    #[command(subcommand)]
    verb: LabVerb,
}

#[derive(Debug, Subcommand)]
enum LabVerb {
    /// Start a lab, apply a fleet to it, and wait until the fleet is up
    Up(up::UpArguments),
    /// Say how every node is
    Status(play::StatusArguments),
    /// Run a command in a node
    Exec(play::ExecArguments),
    /// Print what a node's console said
    Logs(play::NodeArguments),
    /// Cut a node's power
    Kill(play::NodeArguments),
    /// Cut a region or a node off from everything else
    Partition(play::PartArguments),
    /// Join everything, or one part, again
    Heal(play::HealArguments),
    /// Let the simulated AWS go wrong
    #[command(subcommand)]
    Fault(play::FaultVerb),
    /// Print the variables with which `aws` and every SDK reach the lab
    Endpoint(play::EndpointArguments),
    /// End a lab and remove everything of it but the unpacked image
    Down(down::DownArguments),
    #[command(hide = true)]
    Host(host::HostArguments),
}

/// Which lab a command is about.
#[derive(Clone, Debug)]
struct Lab {
    name: String,
    state: PathBuf,
}

impl Lab {
    fn client(&self) -> Client {
        Client::new(&self.state, &self.name)
    }

    /// What the host says while it runs; the host's own errors end here.
    fn log(&self) -> PathBuf {
        self.state.join("logs").join(format!("{}.log", self.name))
    }
}

/// Runs `vmimage lab`.
pub(super) fn run(context: &Context, arguments: LabArguments) -> Result<(), Failure> {
    let LabArguments { name, state, verb } = arguments;
    let lab = Lab { name, state };
    match verb {
        LabVerb::Up(arguments) => up::run(context, &lab, &arguments),
        LabVerb::Status(arguments) => play::status(&lab, &arguments),
        LabVerb::Exec(arguments) => play::exec(&lab, &arguments),
        LabVerb::Logs(arguments) => play::logs(&lab, &arguments),
        LabVerb::Kill(arguments) => play::kill(&lab, &arguments),
        LabVerb::Partition(arguments) => play::partition(&lab, &arguments),
        LabVerb::Heal(arguments) => play::heal(&lab, arguments),
        LabVerb::Fault(verb) => play::fault(&lab, verb),
        LabVerb::Endpoint(arguments) => play::endpoint(&lab, &arguments),
        LabVerb::Down(arguments) => down::run(&lab, &arguments),
        LabVerb::Host(arguments) => host::run(&lab, arguments),
    }
}

/// A failed request to a host: nothing was changed.
fn refused(error: &HostError) -> Failure {
    Failure::unchanged(error, error.hint())
}

/// Waits between two looks at something that tells no one when it changes.
fn poll(every: Duration) {
    std::thread::park_timeout(every);
}
