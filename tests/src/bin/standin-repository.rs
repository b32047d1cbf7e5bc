//! Builds the stand-in vendor repositories into a folder and prints the fingerprint of their key,
//! which is what `vmimage lock --accept-key` wants.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use vmimage_tests::report::chain;
use vmimage_tests::standin::{self, StandinRepository, Validity};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        return say("usage: standin-repository DIRECTORY", ExitCode::from(2));
    };
    let built = StandinRepository::build(
        &standin::sources(),
        Path::new(&directory),
        Validity::default(),
    );
    match built {
        Ok(built) => match writeln!(std::io::stdout(), "{}", built.fingerprint) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => say(&chain(&error), ExitCode::FAILURE),
    }
}

fn say(text: &str, code: ExitCode) -> ExitCode {
    // There is nowhere to report that standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
    code
}
