//! Owns `vmimage diff`.

use std::path::{Path, PathBuf};

use clap::Args;
use vmimage_bake::inspect::{diff, inspect, render_difference};
use vmimage_bake::manifest::Manifest;

use crate::failure::Failure;
use crate::printer;

/// `vmimage diff`'s own arguments.
#[derive(Debug, Args)]
pub(super) struct DiffArguments {
    /// The earlier image: an output directory, its manifest, or a disk in it
    a: PathBuf,
    /// The later image
    b: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Says how two images differ.
pub(super) fn run(arguments: &DiffArguments) -> Result<(), Failure> {
    let difference = diff(&manifest(&arguments.a)?, &manifest(&arguments.b)?);
    let text = if arguments.json {
        printer::json(&difference)
    } else {
        render_difference(&difference)
    };
    printer::data(&text);
    Ok(())
}

fn manifest(file: &Path) -> Result<Manifest, Failure> {
    let inspection = inspect(file).map_err(|error| Failure::unchanged(&error, error.hint()))?;
    inspection.manifest.ok_or_else(|| {
        Failure::usage(
            &format!("cannot compare `{}`: it has no manifest", file.display()),
            Some("name the output directory of the bake, which has the manifest beside the disk"),
        )
    })
}
