//! Owns `vmimage lab up`: the host in the background, the fleet applied to its account, and the wait
//! until all nodes are in service.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use vmimage_lab::host::{Answer, Endpoint, HostError, Request, Status};
use vmimage_lab::node::Lab as Nodes;
use vmimage_plan::definition::{FLEET_FILE, Fleet};

use super::super::{Context, fleet};
use super::{Lab, down, play, poll, refused, table};
use crate::failure::Failure;
use crate::printer;

/// An image is unpacked before the host answers.
const HOST_AT_MOST: Duration = Duration::from_mins(5);

/// How often the fleet is looked at.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(super) struct UpArguments {
    /// The fleet's definition
    #[arg(long, value_name = "FILE", default_value = FLEET_FILE)]
    fleet: String,
    /// The output of a bake with `--format rootfs` [default: out/IMAGE-x86_64]
    #[arg(long, value_name = "DIR")]
    image: Option<PathBuf>,
    /// How long the fleet may take to come up, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    at_most: u64,
    /// What identifiers and random faults follow from
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

/// Why a lab is not up.
#[derive(Debug, thiserror::Error)]
enum UpError {
    #[error("lab `{name}` runs already")]
    Running { name: String },
    #[error("cannot start lab `{name}`: {said}")]
    Host { name: String, said: String },
    #[error("cannot {verb} `{path}`")]
    File {
        verb: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("there is no image in `{path}`: it has no `manifest.json`")]
    NoImage { path: PathBuf },
    #[error("cannot apply fleet `{fleet}` to lab `{name}`")]
    Apply { fleet: String, name: String },
    #[error("fleet `{cluster}` is not up after {seconds} s:\n{lacking}")]
    NotUp {
        cluster: String,
        seconds: u64,
        lacking: String,
    },
}

impl UpError {
    fn file(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
        let path = path.to_owned();
        move |source| Failure::unchanged(&Self::File { verb, path, source }, None)
    }
}

/// Starts a lab with a fleet.
pub(super) fn run(context: &Context, lab: &Lab, arguments: &UpArguments) -> Result<(), Failure> {
    let fleet = fleet::load(context, &arguments.fleet)?;
    let image = image(arguments, &fleet)?;
    refuse_running(lab)?;
    down::clean(lab)?;
    let host = start_host(lab, &fleet, &image, arguments.seed)?;
    let endpoint = wait_for_host(lab, host)?;
    printer::talk(&format!(
        "lab `{}` runs: {} regions, AWS at {}\n",
        lab.name,
        fleet.regions.len(),
        endpoint.url
    ));
    apply(context, lab, &arguments.fleet, &endpoint)?;
    let status = wait_for_fleet(lab, &fleet, Duration::from_secs(arguments.at_most))?;
    printer::data(&table::draw(&status));
    Ok(())
}

fn image(arguments: &UpArguments, fleet: &Fleet) -> Result<PathBuf, Failure> {
    let default = || PathBuf::from(format!("out/{}-x86_64", fleet.image));
    let path = arguments.image.clone().unwrap_or_else(default);
    let path = std::path::absolute(&path).map_err(UpError::file("find", &path))?;
    let known = path.join("manifest.json").is_file() || path.join("usr/lib/systemd").is_dir();
    if known {
        return Ok(path);
    }
    let hint = format!(
        "run `vmimage bake {} --format rootfs`, or name an image with `--image DIR`",
        fleet.image
    );
    Err(Failure::input(&UpError::NoImage { path }, Some(hint)))
}

fn refuse_running(lab: &Lab) -> Result<(), Failure> {
    let traces = Nodes::traces(&lab.state);
    let runs = traces
        .iter()
        .any(|trace| trace.name == lab.name && trace.running);
    if !runs {
        return Ok(());
    }
    let name = lab.name.clone();
    let hint = "end it with `vmimage lab down`, or give this one another `--name`".to_owned();
    Err(Failure::unchanged(&UpError::Running { name }, Some(hint)))
}

/// In a session of its own: an interrupt from the terminal is not for the lab.
fn start_host(lab: &Lab, fleet: &Fleet, image: &Path, seed: u64) -> Result<Child, Failure> {
    let log = lab.log();
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).map_err(UpError::file("make", folder))?;
    }
    let output = File::create(&log).map_err(UpError::file("write", &log))?;
    let errors = output.try_clone().map_err(UpError::file("write", &log))?;
    let program = std::env::current_exe().map_err(UpError::file("find", Path::new("vmimage")))?;
    let mut command = Command::new("setsid");
    command
        .arg(program)
        .args(["lab", "host", "--name", &lab.name, "--state"])
        .arg(&lab.state)
        .args(["--image-name", &fleet.image, "--image"])
        .arg(image)
        .args(["--seed", &seed.to_string()]);
    for region in regions(fleet) {
        command.args(["--region", region]);
    }
    command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(UpError::file("start", Path::new("setsid")))
}

/// The primary region first: it is the lab's default.
fn regions(fleet: &Fleet) -> Vec<&str> {
    let others = fleet.regions.iter().map(|region| region.name.as_str());
    let mut names = vec![fleet.primary.as_str()];
    names.extend(others.filter(|name| *name != fleet.primary));
    names
}

fn wait_for_host(lab: &Lab, mut host: Child) -> Result<Endpoint, Failure> {
    let begun = Instant::now();
    loop {
        match lab.client().ask(&Request::Endpoint) {
            Ok(Answer::Endpoint(endpoint)) => return Ok(endpoint),
            Ok(_) | Err(HostError::NoLab { .. }) => {}
            Err(error) => return Err(refused(&error)),
        }
        let ended = host
            .try_wait()
            .map_err(UpError::file("wait for", Path::new("vmimage")))?;
        if ended.is_some() || begun.elapsed() > HOST_AT_MOST {
            return Err(no_host(lab, ended.is_none()));
        }
        poll(Duration::from_millis(50));
    }
}

/// What the host said is the reason, in its own words.
fn no_host(lab: &Lab, alive: bool) -> Failure {
    let text = fs::read_to_string(lab.log()).unwrap_or_default();
    let said = if alive {
        format!(
            "its host does not answer; its log is `{}`",
            lab.log().display()
        )
    } else {
        text.trim().trim_start_matches("error: ").to_owned()
    };
    let name = lab.name.clone();
    Failure::unchanged(&UpError::Host { name, said }, None)
}

/// The fleet is applied by this program as by any user, with the lab's endpoint in its environment.
fn apply(context: &Context, lab: &Lab, fleet: &str, endpoint: &Endpoint) -> Result<(), Failure> {
    let program = std::env::current_exe().map_err(UpError::file("find", Path::new("vmimage")))?;
    let mut command = Command::new(program);
    command
        .arg("--project")
        .arg(&context.project)
        .args(["fleet", "apply", "--fleet", fleet])
        .stdin(Stdio::null());
    for variable in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"] {
        command.env_remove(variable);
    }
    command.envs(endpoint.variables());
    let status = command
        .status()
        .map_err(UpError::file("start", Path::new("vmimage")))?;
    if status.success() {
        return Ok(());
    }
    let error = UpError::Apply {
        fleet: fleet.to_owned(),
        name: lab.name.clone(),
    };
    let hint = "the lab runs on; end it with `vmimage lab down`".to_owned();
    Err(changed(&error, hint))
}

fn changed(error: &UpError, hint: String) -> Failure {
    Failure {
        code: 3,
        text: Failure::input(error, Some(hint)).text,
    }
}

fn wait_for_fleet(lab: &Lab, fleet: &Fleet, at_most: Duration) -> Result<Status, Failure> {
    let begun = Instant::now();
    let mut told = BTreeMap::new();
    loop {
        let status = play::current(lab).map_err(|error| refused(&error))?;
        tell_changes(&status, &mut told);
        if status.is_up() {
            return Ok(status);
        }
        if begun.elapsed() > at_most {
            let error = UpError::NotUp {
                cluster: fleet.cluster.clone(),
                seconds: at_most.as_secs(),
                lacking: table::draw(&status),
            };
            let hint = "`vmimage lab logs NODE` shows a console; `vmimage lab down` ends the lab";
            return Err(changed(&error, hint.to_owned()));
        }
        poll(LOOK);
    }
}

/// One line whenever a node gets somewhere.
fn tell_changes(status: &Status, told: &mut BTreeMap<String, String>) {
    for region in &status.regions {
        for node in region.groups.iter().flat_map(|group| &group.nodes) {
            let now = format!("{}, {}", node.lifecycle, node.system);
            if told.get(&node.instance) != Some(&now) {
                printer::talk(&format!(
                    "{} {} {}: {now}\n",
                    region.region, node.name, node.instance
                ));
                told.insert(node.instance.clone(), now);
            }
        }
    }
}
