//! Owns labs of a project's images, run by the program as a user runs it.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "helpers of a test may panic as the test itself may"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use vmimage_lab::host::{NodeStatus, Status};

use crate::project::{Project, Ran, run};
use crate::wait::wait_until;

/// Generous: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_mins(5);

/// Images stay there between runs, under their fingerprints.
const STATE: &str = "/var/tmp/vmimage-test-labs";

/// A lab, which goes when it is dropped.
#[derive(Debug)]
pub struct Lab {
    project: &'static Project,
    name: String,
}

impl Lab {
    /// A lab of a project that is not up; what an earlier run left of it is removed.
    pub fn new(project: &'static Project, name: &str) -> Self {
        fs::create_dir_all(STATE).unwrap();
        let lab = Self {
            project,
            name: name.to_owned(),
        };
        lab.done(&["down"]);
        lab
    }

    /// Brings up a fleet of the project's file with an image that it baked.
    pub fn up(&self, fleet: &str, image: &str) -> Ran {
        self.run(&["up", "--fleet", fleet, "--image", image])
    }

    /// Runs a verb of `vmimage lab` on this lab.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut all = vec!["lab", "--name", &self.name, "--state", STATE];
        all.extend(arguments);
        self.project.run(&all)
    }

    /// The same, which must succeed.
    pub fn done(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "lab {}:\n{}", arguments.join(" "), ran.stderr);
        ran
    }

    /// What `vmimage lab endpoint` exports.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let exports = self.run(&["endpoint"]).stdout;
        let lines = exports.lines().map(|line| {
            let (name, value) = line
                .strip_prefix("export ")
                .and_then(|rest| rest.split_once('='))
                .unwrap();
            (name.to_owned(), value.trim_matches('\'').to_owned())
        });
        lines.collect()
    }

    /// Runs `vmimage` with the lab's AWS, if there is one.
    pub fn vmimage(&self, arguments: &[&str]) -> Ran {
        let mut command = self.project.command(arguments);
        command.envs(self.variables());
        run(&mut command)
    }

    /// Asks a service of the lab's AWS that speaks Query, named with its version; gives the answer,
    /// refusals too.
    pub fn query(
        &self,
        region: &str,
        (service, version): (&str, &str),
        action: &str,
        parameters: &[(&str, &str)],
    ) -> String {
        let variables = self.variables();
        let variable = |name: &str| variables[name].as_str();
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(variable);
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--max-time", "30"])
            .args(["--aws-sigv4", &format!("aws:amz:{region}:{service}")])
            .args(["--user", &keys.join(":")]);
        let named = [("Version", version), ("Action", action)];
        for (name, value) in named.iter().chain(parameters) {
            command.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        let ran = run(command.arg(variable("AWS_ENDPOINT_URL")));
        assert_eq!(ran.code, 0, "{action}: {}", ran.stderr);
        ran.stdout
    }

    /// What the host has logged.
    pub fn log(&self) -> String {
        let log = Path::new(STATE)
            .join("logs")
            .join(format!("{}.log", self.name));
        fs::read_to_string(log).unwrap()
    }

    /// How it is.
    pub fn status(&self) -> Status {
        serde_json::from_str(&self.done(&["status", "--json"]).stdout).unwrap()
    }

    /// A node.
    pub fn node(&self, region: &str, name: &str) -> NodeStatus {
        let status = self.status();
        let found = status.regions.iter().filter(|known| known.region == region);
        let mut nodes =
            found.flat_map(|region| region.groups.iter().flat_map(|group| &group.nodes));
        nodes.find(|node| node.name == name).unwrap().clone()
    }

    /// A node's address.
    pub fn address(&self, region: &str, name: &str) -> String {
        self.node(region, name).address
    }

    /// A node's instance.
    pub fn instance(&self, region: &str, name: &str) -> String {
        self.node(region, name).instance
    }

    /// As EC2 names hosts.
    pub fn host_name(&self, region: &str, name: &str) -> String {
        format!("ip-{}", self.address(region, name).replace('.', "-"))
    }

    /// Where its files are.
    pub fn folder(&self) -> PathBuf {
        Path::new(STATE).join("labs").join(&self.name)
    }

    /// The command lines of this lab's processes outside its nodes.
    pub fn processes(&self) -> Vec<String> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let lines = entries.filter_map(|entry| {
            let text = fs::read(entry.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&text).replace('\0', " "))
        });
        lines
            .filter(|line| {
                line.contains(&format!("host --name {} ", self.name))
                    || line.contains(&format!("labs/{}/", self.name))
            })
            .collect()
    }

    /// Ends the process that hosts the lab, without asking it.
    pub fn kill_host(&self) {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let host = entries.filter_map(|entry| {
            let text = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&text).replace('\0', " ");
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            line.contains(&format!("lab host --name {} ", self.name))
                .then_some(pid)
        });
        let pids: Vec<i32> = host.collect();
        assert_eq!(pids.len(), 1, "one host");
        let pid = rustix::process::Pid::from_raw(pids[0]).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    /// Waits until no process of it is left.
    pub fn wait_for_end(&self) {
        wait_until(PATIENCE, "all processes are gone", || {
            self.processes().is_empty()
        });
    }

    /// Waits until its status is as wanted.
    pub fn wait_until(&self, what: &str, mut condition: impl FnMut(&Status) -> bool) {
        wait_until(PATIENCE, what, || condition(&self.status()));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.run(&["down"]));
    }
}

/// All nodes.
pub fn nodes(status: &Status) -> impl Iterator<Item = &NodeStatus> {
    let groups = status.regions.iter().flat_map(|region| &region.groups);
    groups.flat_map(|group| &group.nodes)
}
