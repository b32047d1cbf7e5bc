//! Owns `vmimage lab down`.

use std::fs;
use std::time::{Duration, Instant};

use clap::Args;
use vmimage_lab::host::HostError;
use vmimage_lab::node::{Images, Lab as Nodes};

use super::{Lab, poll, refused};
use crate::failure::Failure;
use crate::printer;

/// A lab with many nodes takes seconds.
const AT_MOST: Duration = Duration::from_mins(2);

/// Why a lab does not end.
#[derive(Debug, thiserror::Error)]
#[error("cannot end lab `{name}`: it is still there after {} s", AT_MOST.as_secs())]
struct StillThere {
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct DownArguments {
    /// Also remove the unpacked images that other labs left for the next one
    #[arg(long)]
    images: bool,
}

/// Ends a lab, or removes what one left that was ended otherwise.
pub(super) fn run(lab: &Lab, arguments: &DownArguments) -> Result<(), Failure> {
    let there_was_one = match lab.client().end() {
        Ok(()) => {
            wait_for_end(lab)?;
            true
        }
        Err(HostError::NoLab { .. }) => clean(lab)?,
        Err(error) => return Err(refused(&error)),
    };
    if there_was_one {
        // There is none if the host never started.
        drop(fs::remove_file(lab.log()));
        printer::talk(&format!("lab `{}` is gone\n", lab.name));
    } else {
        printer::talk(&format!("there is no lab `{}`\n", lab.name));
    }
    images(lab, arguments)
}

/// Unpacking an image takes longer than starting a node of it.
fn images(lab: &Lab, arguments: &DownArguments) -> Result<(), Failure> {
    let which = if arguments.images {
        Images::All
    } else {
        Images::Old
    };
    let (folder, kept) = Nodes::remove_images(&lab.state, which)
        .map_err(|error| Failure::unchanged(&error, error.hint()))?;
    let folder = folder.display();
    match (kept, which) {
        (0, _) => {}
        (_, Images::Old) => printer::talk(&format!(
            "`{folder}` keeps unpacked images for the next lab ({kept}); `vmimage lab down --images` removes them\n"
        )),
        (_, Images::All) => printer::talk(&format!(
            "`{folder}` keeps unpacked images that another lab uses ({kept})\n"
        )),
    }
    Ok(())
}

/// Removes what a lab left that does not run any more; says whether there was something.
pub(super) fn clean(lab: &Lab) -> Result<bool, Failure> {
    let traces = Nodes::traces(&lab.state);
    let left = traces.iter().any(|trace| trace.name == lab.name);
    if !left {
        return Ok(false);
    }
    Nodes::clean(&lab.state, &lab.name)
        .map_err(|error| Failure::unchanged(&error, error.hint()))?;
    printer::talk(&format!(
        "removed what lab `{}` left, whose host was killed\n",
        lab.name
    ));
    Ok(true)
}

fn wait_for_end(lab: &Lab) -> Result<(), Failure> {
    let begun = Instant::now();
    while Nodes::traces(&lab.state)
        .iter()
        .any(|trace| trace.name == lab.name)
    {
        if begun.elapsed() > AT_MOST {
            let name = lab.name.clone();
            let hint = format!("what its host said is in `{}`", lab.log().display());
            return Err(Failure::unchanged(&StillThere { name }, Some(hint)));
        }
        poll(Duration::from_millis(50));
    }
    Ok(())
}
