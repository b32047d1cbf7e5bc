//! Owns `vmimage inspect`.

use std::path::PathBuf;

use clap::Args;
use vmimage_bake::inspect::{inspect, render_inspection};

use crate::failure::Failure;
use crate::printer;

/// `vmimage inspect`'s own arguments.
#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// An output directory, its manifest, or a disk in it
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Says what is in an image.
pub(super) fn run(arguments: &InspectArguments) -> Result<(), Failure> {
    let inspection =
        inspect(&arguments.file).map_err(|error| Failure::unchanged(&error, error.hint()))?;
    let text = if arguments.json {
        printer::json(&inspection)
    } else {
        render_inspection(&inspection)
    };
    printer::data(&text);
    Ok(())
}
