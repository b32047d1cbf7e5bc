//! Owns what is asked of a running lab, and done to it.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use vmimage_lab::host::{Answer, FaultEntry, HostError, Request, Status};

use super::table;
use super::{Lab, poll, refused};
use crate::failure::Failure;
use crate::printer;

/// How often a watched table is drawn.
const WATCH: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    /// Print it every second, until interrupted
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExecArguments {
    /// A node: its id, address, or name, for example `web-1` or `eu-west-1/web-1`
    node: String,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct NodeArguments {
    /// A node: its id, address, or name, for example `web-1` or `eu-west-1/web-1`
    node: String,
}

#[derive(Debug, Args)]
pub(super) struct PartArguments {
    /// A region, or a node: its id, address or name
    #[arg(value_name = "REGION|NODE")]
    part: String,
}

#[derive(Debug, Args)]
pub(super) struct HealArguments {
    /// A region, or a node: its id, address or name
    #[arg(value_name = "REGION|NODE")]
    part: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct EndpointArguments {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum FaultVerb {
    /// Add a fault, for example: throttle service=ec2 action=DescribeInstances p=0.3 count=5
    Add {
        /// What goes wrong, and what it is restricted to
        #[arg(required = true, num_args = 1.., allow_hyphen_values = true)]
        fault: Vec<String>,
    },
    /// Say which faults there are
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// End a fault, or all of them
    Clear {
        /// Its number
        id: Option<u32>,
    },
}

/// The host answered something that was not asked for, or the terminal is gone.
#[derive(Debug, thiserror::Error)]
enum PlayError {
    #[error("cannot read `{path}`")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot run `{program}` in node `{node}`")]
    Exec {
        program: String,
        node: String,
        #[source]
        source: std::io::Error,
    },
}

/// How the lab is.
pub(super) fn current(lab: &Lab) -> Result<Status, HostError> {
    let Answer::Status(status) = lab.client().ask(&Request::Status)? else {
        return Err(strange(lab));
    };
    Ok(status)
}

pub(super) fn status(lab: &Lab, arguments: &StatusArguments) -> Result<(), Failure> {
    loop {
        let status = current(lab).map_err(|error| refused(&error))?;
        if arguments.json {
            printer::data(&printer::json(&status));
        } else {
            printer::data(&table::draw(&status));
        }
        if !arguments.watch {
            return Ok(());
        }
        poll(WATCH);
        if !arguments.json {
            printer::data("\n");
        }
    }
}

/// Becomes the command, so that its streams, signals and exit code are its own.
pub(super) fn exec(lab: &Lab, arguments: &ExecArguments) -> Result<(), Failure> {
    let node = arguments.node.clone();
    let answer = ask(lab, &Request::Entrance { node: node.clone() })?;
    let Answer::Entrance(entrance) = answer else {
        return Err(refused(&strange(lab)));
    };
    let argv: Vec<&str> = arguments.command.iter().map(String::as_str).collect();
    let source = entrance.command(&argv).exec();
    let program = arguments.command.first().cloned().unwrap_or_default();
    let error = PlayError::Exec {
        program,
        node,
        source,
    };
    Err(Failure::unchanged(&error, None))
}

pub(super) fn logs(lab: &Lab, arguments: &NodeArguments) -> Result<(), Failure> {
    let node = arguments.node.clone();
    let Answer::Path(path) = ask(lab, &Request::Console { node })? else {
        return Err(refused(&strange(lab)));
    };
    let text = fs::read(&path)
        .map_err(|source| Failure::unchanged(&PlayError::Read { path, source }, None))?;
    printer::data(&String::from_utf8_lossy(&text));
    Ok(())
}

pub(super) fn kill(lab: &Lab, arguments: &NodeArguments) -> Result<(), Failure> {
    let node = arguments.node.clone();
    ask(lab, &Request::Kill { node: node.clone() })?;
    printer::talk(&format!("the power of `{node}` is cut\n"));
    Ok(())
}

pub(super) fn partition(lab: &Lab, arguments: &PartArguments) -> Result<(), Failure> {
    let part = arguments.part.clone();
    ask(lab, &Request::Partition { part: part.clone() })?;
    printer::talk(&format!("`{part}` is cut off\n"));
    Ok(())
}

pub(super) fn heal(lab: &Lab, arguments: HealArguments) -> Result<(), Failure> {
    let part = arguments.part;
    let said = match &part {
        Some(part) => format!("`{part}` is joined again\n"),
        None => "everything is joined again\n".to_owned(),
    };
    ask(lab, &Request::Heal { part })?;
    printer::talk(&said);
    Ok(())
}

pub(super) fn fault(lab: &Lab, verb: FaultVerb) -> Result<(), Failure> {
    match verb {
        FaultVerb::Add { fault } => {
            let fault = fault.join(" ");
            let Answer::Faults(added) = ask(lab, &Request::AddFault { fault })? else {
                return Err(refused(&strange(lab)));
            };
            printer::data(&list(&added));
        }
        FaultVerb::List { json } => {
            let Answer::Faults(all) = ask(lab, &Request::ListFaults)? else {
                return Err(refused(&strange(lab)));
            };
            printer::data(&if json {
                printer::json(&all)
            } else {
                list(&all)
            });
        }
        FaultVerb::Clear { id } => {
            ask(lab, &Request::ClearFaults { id })?;
        }
    }
    Ok(())
}

fn list(faults: &[FaultEntry]) -> String {
    let mut lines = String::new();
    for entry in faults {
        let on = if entry.on { "on" } else { "off" };
        let (id, struck) = (entry.id, entry.struck);
        let _ = writeln!(lines, "{id}  {on}  struck {struck} times  {}", entry.fault);
    }
    lines
}

pub(super) fn endpoint(lab: &Lab, arguments: &EndpointArguments) -> Result<(), Failure> {
    let Answer::Endpoint(endpoint) = ask(lab, &Request::Endpoint)? else {
        return Err(refused(&strange(lab)));
    };
    if arguments.json {
        printer::data(&printer::json(&endpoint));
        return Ok(());
    }
    let mut lines = String::new();
    for (name, value) in endpoint.variables() {
        let _ = writeln!(lines, "export {name}='{value}'");
    }
    printer::data(&lines);
    Ok(())
}

fn ask(lab: &Lab, request: &Request) -> Result<Answer, Failure> {
    lab.client().ask(request).map_err(|error| refused(&error))
}

/// A host of another version.
fn strange(lab: &Lab) -> HostError {
    HostError::Protocol {
        name: lab.name.clone(),
    }
}
