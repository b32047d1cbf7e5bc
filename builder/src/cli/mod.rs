//! Owns the command line: one file per subcommand. clap's types stay below this folder.

mod bake;
mod boot_test;
mod check;
mod diff;
mod fleet;
mod inspect;
mod killed_bake;
mod lab;
mod lock;
mod source_options;
mod userdata;
mod worker;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use vmimage_bake::sandbox::overlay::Attributes;
use vmimage_plan::userinfo::mask_text;

use crate::diagnose::Colour;
use crate::environment::Environment;
use crate::failure::Failure;

/// Bakes sealed, reproducible Debian images for Virtualmin fleets on EC2.
#[derive(Debug, Parser)]
#[command(name = "vmimage", version, about, max_term_width = 100)]
struct Arguments {
    /// The folder with `images/` and `recipes/`
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say everything that is wrong with the definitions
    Check(check::CheckArguments),
    /// Resolve an image to exact packages
    Lock(lock::LockArguments),
    /// Make an image
    Bake(bake::BakeArguments),
    /// Boot a disk in QEMU and say what it showed
    BootTest(boot_test::BootTestArguments),
    /// Say what is in an image
    Inspect(inspect::InspectArguments),
    /// Say how two images differ
    Diff(diff::DiffArguments),
    /// Make AWS as the fleet's definition says
    Fleet(fleet::FleetArguments),
    /// Print what the nodes of a role run at launch
    Userdata(userdata::UserdataArguments),
    /// Run a fleet on this machine, against a simulated AWS
    Lab(lab::LabArguments),
    #[command(hide = true)]
    MetadataRelay(boot_test::RelayArguments),
}

/// What every subcommand gets.
#[derive(Debug)]
struct Context {
    project: PathBuf,
    environment: Environment,
}

impl Context {
    /// Whether diagnostics may use colour.
    fn colour(&self) -> Colour {
        use std::io::IsTerminal as _;
        if std::io::stderr().is_terminal() && !self.environment.no_color {
            Colour::Always
        } else {
            Colour::Never
        }
    }

    /// In a user namespace, overlays keep their records in `user.*` attributes.
    fn overlay_attributes() -> Attributes {
        // `0 0 4294967295` is the map of the initial user namespace (user_namespaces(7)).
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let fields: Vec<&str> = map.split_whitespace().collect();
        if fields == ["0", "0", "4294967295"] {
            Attributes::Trusted
        } else {
            Attributes::User
        }
    }
}

/// Parses the command line and does what it says.
pub(crate) fn run() -> Result<(), Failure> {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let context = Context {
        project: arguments.project,
        environment: Environment::read(),
    };
    match arguments.verb {
        Verb::Check(arguments) => check::run(&context, &arguments),
        Verb::Lock(arguments) => lock::run(&context, &arguments),
        Verb::Bake(arguments) => bake::run(&context, &arguments),
        Verb::BootTest(arguments) => boot_test::run(&arguments),
        Verb::Inspect(arguments) => inspect::run(&arguments),
        Verb::Diff(arguments) => diff::run(&arguments),
        Verb::Fleet(arguments) => fleet::run(&context, &arguments),
        Verb::Userdata(arguments) => userdata::run(&context, &arguments),
        Verb::Lab(arguments) => lab::run(&context, arguments),
        Verb::MetadataRelay(arguments) => boot_test::run_relay(&arguments),
    }
}

/// Help and version are data; anything else is a wrong command line.
fn usage(error: &clap::Error) -> Result<(), Failure> {
    // A misspelt option's value may be a URL with a password.
    let text = mask_text(&error.render().to_string());
    if error.use_stderr() {
        Err(Failure::drawn(text))
    } else {
        crate::printer::data(&text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
