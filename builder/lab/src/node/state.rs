//! Owns what can be told about a node. Must not change it.

use std::time::Duration;

use serde::Serialize;

use super::LabError;
use super::exec::Entrance;

/// systemd answers in milliseconds, unless the machine is overloaded.
const ANSWER: Duration = Duration::from_secs(20);

/// Where a node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Waiting for its turn to start.
    Waiting,
    /// Starting, its user data included.
    Starting,
    /// Started: systemd has reached its default target.
    Up,
    /// Not running.
    Off,
}

/// How a node that is off came to be it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It shut down in order.
    Stopped,
    /// Its power was cut.
    Killed,
    /// It did not start, or ended by itself; what is known about why.
    Failed(String),
}

/// A node as seen from outside, which costs nothing to ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeState {
    /// Where it is in its life.
    pub phase: Phase,
    /// How many times it has been started.
    pub boots: u32,
    /// How it came to be off.
    pub ending: Option<Ending>,
    /// What it takes of the machine's memory.
    pub memory_bytes: u64,
}

/// What a node's systemd says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SystemReport {
    /// The word that `systemctl is-system-running` prints.
    pub state: SystemState,
    /// Units that have failed.
    pub failed_units: Vec<String>,
}

/// The state of a system, as systemctl(1) lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SystemState {
    /// Before its basic target.
    Initializing,
    /// Jobs of its start are not done.
    Starting,
    /// All is well.
    Running,
    /// It runs, and units have failed.
    Degraded,
    /// Rescue or emergency.
    Maintenance,
    /// It shuts down.
    Stopping,
    /// systemd does not answer.
    Unknown,
}

impl SystemReport {
    /// Asks the systemd behind an entrance.
    pub(super) fn ask(entrance: &Entrance) -> Result<Self, LabError> {
        let said = entrance.run(&["systemctl", "is-system-running"], b"", ANSWER)?;
        let state = parse_state(&String::from_utf8_lossy(&said.stdout));
        if state == SystemState::Running {
            return Ok(Self {
                state,
                failed_units: Vec::new(),
            });
        }
        let argv = [
            "systemctl",
            "list-units",
            "--state=failed",
            "--plain",
            "--no-legend",
            "--no-pager",
        ];
        let listed = entrance.run(&argv, b"", ANSWER)?;
        Ok(Self {
            state,
            failed_units: parse_units(&String::from_utf8_lossy(&listed.stdout)),
        })
    }
}

fn parse_state(text: &str) -> SystemState {
    match text.trim() {
        "initializing" => SystemState::Initializing,
        "starting" => SystemState::Starting,
        "running" => SystemState::Running,
        "degraded" => SystemState::Degraded,
        "maintenance" => SystemState::Maintenance,
        "stopping" => SystemState::Stopping,
        _ => SystemState::Unknown,
    }
}

fn parse_units(text: &str) -> Vec<String> {
    let names = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{SystemState, parse_state, parse_units};

    #[test]
    fn systemctls_words_are_read() {
        assert_eq!(parse_state("running\n"), SystemState::Running);
        assert_eq!(parse_state("degraded\n"), SystemState::Degraded);
        assert_eq!(parse_state(""), SystemState::Unknown);
        let listed = "mariadb.service loaded failed failed MariaDB database server\n\
                      web.service     loaded failed failed Web\n";
        assert_eq!(parse_units(listed), ["mariadb.service", "web.service"]);
        assert_eq!(parse_units(""), <[String; 0]>::default());
    }
}
