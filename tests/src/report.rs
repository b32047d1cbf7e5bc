//! Owns how the programs of the tests say what went wrong.

use std::error::Error;

/// An error and its causes, each on a line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = format!("error: {error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str("\n  caused by: ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
