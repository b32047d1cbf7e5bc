//! Owns `vmimage lab down`.

use std::fs;
use std::time::{Duration, Instant};

use vmimage_lab::host::HostError;
use vmimage_lab::node::Lab as Nodes;

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

/// Ends a lab, or removes what one left that was ended otherwise.
pub(super) fn run(lab: &Lab) -> Result<(), Failure> {
    match lab.client().end() {
        Ok(()) => wait_for_end(lab)?,
        Err(HostError::NoLab { .. }) => {
            if !clean(lab)? {
                printer::talk(&format!("there is no lab `{}`\n", lab.name));
                return Ok(());
            }
        }
        Err(error) => return Err(refused(&error)),
    }
    // There is none if the host never started.
    drop(fs::remove_file(lab.log()));
    printer::talk(&format!("lab `{}` is gone\n", lab.name));
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
