//! Owns `vmimage userdata`.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use firstboot::{Role, USER_DATA_LIMIT_BYTES};
use serde::Serialize;
use vmimage_plan::address::{AddressRange, PRIVATE_RANGES};
use vmimage_plan::definition::FLEET_FILE;
use vmimage_plan::fleet::{UserData, UserDataError};
use vmimage_plan::role::{Described, Sizes, compile, explain, fact_names};

use super::{Context, fleet};
use crate::failure::Failure;
use crate::printer;

/// `vmimage userdata`'s own arguments.
#[derive(Debug, Args)]
pub(super) struct UserdataArguments {
    /// The image that nodes are copies of
    image: String,
    /// What the nodes are for: web, api, database, storage or monitoring
    #[arg(long, value_parser = role)]
    role: Role,
    /// The fleet's definition
    #[arg(long, value_name = "FILE", default_value = FLEET_FILE)]
    fleet: String,
    /// A range of addresses that the fleet's nodes have; several are each written so [default: those of
    /// RFC 1918, 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16]
    #[arg(long, value_name = "RANGE")]
    network: Vec<AddressRange>,
    /// Print base64, as launch templates have it
    #[arg(long)]
    base64: bool,
    /// Write to a file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print how large its parts are, as JSON, and not the user data
    #[arg(long, conflicts_with_all = ["base64", "out", "explain"])]
    json: bool,
    /// Print the steps that a node of the role takes, and not the user data
    #[arg(long, conflicts_with_all = ["base64", "out"])]
    explain: bool,
    /// With --explain: a fact of the instance that is described, for example region=eu-west-1
    #[arg(long, value_name = "NAME=VALUE", requires = "explain", value_parser = described)]
    fact: Vec<(String, String)>,
}

fn role(text: &str) -> Result<Role, String> {
    let names = Role::ALL.map(Role::as_str).join(", ");
    Role::parse(text).ok_or_else(|| format!("roles are {names}"))
}

fn described(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=');
    let (name, value) = parts.ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Why user data is not written.
#[derive(Debug, thiserror::Error)]
enum OutputError {
    #[error("cannot write the user data to `{path}`")]
    Write {
        path: String,
        #[source]
        source: io::Error,
    },
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    format: u32,
    image: String,
    role: &'static str,
    #[serde(flatten)]
    sizes: Sizes,
    limit: usize,
    left: usize,
    sha256: String,
}

/// `fleet apply` takes the ranges of the VPCs that it finds; here nobody looks.
fn networks(arguments: &UserdataArguments) -> Vec<AddressRange> {
    if arguments.network.is_empty() {
        return PRIVATE_RANGES.to_vec();
    }
    arguments.network.clone()
}

/// Prints the user data of a role, or what it does.
pub(super) fn run(context: &Context, arguments: &UserdataArguments) -> Result<(), Failure> {
    let (fleet, image) = fleet::load_with(context, &arguments.fleet, Some(&arguments.image))?;
    let networks = networks(arguments);
    if arguments.explain {
        let compiled =
            compile(&fleet, &networks, &image.recipes, arguments.role).map_err(|source| {
                let role = arguments.role;
                Failure::input(&UserDataError::Program { role, source }, None)
            })?;
        let facts: Described = arguments.fact.iter().cloned().collect();
        if let Some(unknown) = facts
            .keys()
            .find(|name| !fact_names(&compiled).any(|fact| fact == **name))
        {
            let message = format!(
                "no step of a {} node knows a fact `{unknown}`",
                arguments.role.as_str()
            );
            return Err(Failure::usage(&message, None));
        }
        printer::data(&explain(&compiled, &facts));
        return Ok(());
    }
    let architecture = fleet::architecture(&image);
    let data = UserData::of_role(
        &fleet,
        &networks,
        &image.recipes,
        architecture,
        arguments.role,
    )
    .map_err(|error| Failure::input(&error, error.hint()))?;
    let sizes = data.sizes();
    let left = sizes.left().unwrap_or_default();
    if arguments.json {
        printer::data(&printer::json(&Report {
            format: 1,
            image: image.name.clone(),
            role: arguments.role.as_str(),
            sizes,
            limit: USER_DATA_LIMIT_BYTES,
            left,
            sha256: data.id().sha256,
        }));
        return Ok(());
    }
    write(arguments, data.as_bytes())?;
    printer::talk(&format!(
        "user data of {} nodes of `{}`: engine {} bytes and program {}, {} compressed; {} of {USER_DATA_LIMIT_BYTES} bytes, {left} left\n",
        arguments.role.as_str(),
        image.name,
        sizes.engine,
        sizes.program,
        sizes.compressed,
        sizes.whole,
    ));
    Ok(())
}

fn write(arguments: &UserdataArguments, bytes: &[u8]) -> Result<(), Failure> {
    let encoded = arguments.base64.then(|| STANDARD.encode(bytes) + "\n");
    let bytes = encoded.as_ref().map_or(bytes, String::as_bytes);
    if let Some(path) = &arguments.out {
        return fs::write(path, bytes).map_err(|source| {
            let path = path.display().to_string();
            Failure::unchanged(&OutputError::Write { path, source }, None)
        });
    }
    let mut output = io::stdout().lock();
    if encoded.is_none() && output.is_terminal() {
        return Err(Failure::usage(
            "user data is not for a terminal",
            Some("write it with `--out FILE`, or print it with `--base64`"),
        ));
    }
    // Who reads no further has what was wanted.
    let written = output.write_all(bytes).and_then(|()| output.flush());
    written.or_else(|source| {
        if source.kind() == io::ErrorKind::BrokenPipe {
            return Ok(());
        }
        let path = "standard output".to_owned();
        Err(Failure::unchanged(
            &OutputError::Write { path, source },
            None,
        ))
    })
}
