//! Owns the `vmimage` program's entry: parses, calls `run`, maps the exit code.

mod cli;
mod clock;
mod diagnose;
mod environment;
mod failure;
mod printer;
mod project;
mod stand_in;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer::error(&failure.text);
            ExitCode::from(failure.code)
        }
    }
}
