//! Owns what a boot test found: facts, checks and their text. Must not run anything, and must not take
//! what was not observed for passed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use super::disk::DiskFormat;
use super::machine::Accelerator;

/// What a boot test found. `format` is 1; changing a field's meaning raises it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BootTestReport {
    /// The version of this structure.
    pub format: u32,
    /// The disk, which was only read.
    pub disk: PathBuf,
    /// How it is stored.
    pub disk_format: DiskFormat,
    /// Its size.
    pub disk_bytes: u64,
    /// The size that the guest saw.
    pub grown_bytes: u64,
    /// What ran the guest.
    pub accelerator: Accelerator,
    /// Why that one.
    pub accelerator_reason: String,
    /// The firmware.
    pub firmware: PathBuf,
    /// The boots, in order.
    pub boots: Vec<Boot>,
    /// The findings.
    pub checks: Vec<Check>,
    /// All in all.
    pub verdict: Outcome,
}

/// One boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Boot {
    /// 1 or 2.
    pub number: u32,
    /// Everything that the console said.
    pub console_log: PathBuf,
    /// When each stage was reached, in milliseconds since the machine was switched on.
    pub stages: Stages,
    /// Units that systemd said on the console it could not start.
    pub failed_on_console: BTreeSet<String>,
    /// What the guest said about itself; empty when it said nothing.
    pub facts: BTreeMap<String, BTreeSet<String>>,
    /// How it ended.
    pub ending: Ending,
}

/// Milliseconds from switching on; `None` when a stage was not seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stages {
    /// The firmware's first byte on the console.
    pub firmware: Option<u64>,
    /// The kernel's first line.
    pub kernel: Option<u64>,
    /// `multi-user.target`.
    pub multi_user: Option<u64>,
    /// The login prompt.
    pub login: Option<u64>,
    /// The whole report of the guest.
    pub report: Option<u64>,
    /// The end.
    pub end: Option<u64>,
}

/// How a boot ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub enum Ending {
    /// The guest switched itself off.
    PoweredOff,
    /// The guest reset itself, or QEMU ended, without being asked to.
    Stopped {
        /// QEMU's exit status and last words.
        status: String,
    },
    /// Nothing more was to be expected: a panic, an emergency shell, nothing to boot.
    GaveUp {
        /// Which.
        reason: String,
    },
    /// The time was over.
    TimedOut {
        /// What was being waited for.
        waiting_for: String,
    },
    /// The user stopped the test.
    Cancelled,
    /// KVM does not work here.
    AcceleratorFailed {
        /// What it said.
        reason: String,
    },
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What should hold.
    pub name: &'static str,
    /// Whether it does.
    pub outcome: Outcome,
    /// The evidence.
    pub detail: String,
}

/// The outcome of a check, and of the whole test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Seen to hold.
    Passed,
    /// There was no evidence either way.
    NotObserved,
    /// Seen not to hold.
    Failed,
}

impl Outcome {
    /// As people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "pass",
            Self::NotObserved => "not observed",
            Self::Failed => "FAIL",
        }
    }
}

impl Ending {
    /// In a few words.
    pub fn describe(&self) -> String {
        match self {
            Self::PoweredOff => "powered off".to_owned(),
            Self::Stopped { status } => format!("stopped by itself ({status})"),
            Self::GaveUp { reason } => format!("given up: {reason}"),
            Self::TimedOut { waiting_for } => format!("timed out waiting for {waiting_for}"),
            Self::Cancelled => "cancelled".to_owned(),
            Self::AcceleratorFailed { reason } => format!("the accelerator failed: {reason}"),
        }
    }
}

impl Boot {
    /// The value of a fact that has one.
    pub fn fact(&self, key: &str) -> Option<&str> {
        self.facts
            .get(key)
            .and_then(|values| values.first())
            .map(String::as_str)
    }

    /// The values of a fact that may have several.
    pub fn facts_of(&self, key: &str) -> Vec<&str> {
        self.facts
            .get(key)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }

    /// Whether the guest's report arrived whole.
    pub fn is_reported(&self) -> bool {
        self.stages.report.is_some()
    }
}

impl BootTestReport {
    /// Whether every check was seen to pass.
    pub fn is_passed(&self) -> bool {
        self.verdict == Outcome::Passed
    }

    /// A table for people.
    pub fn render_text(&self) -> String {
        let mut lines = vec![
            format!(
                "disk      {} ({}, {} MiB)",
                self.disk.display(),
                self.disk_format.as_str(),
                mib(self.disk_bytes)
            ),
            format!(
                "machine   UEFI, NVMe {} MiB, {}: {}",
                mib(self.grown_bytes),
                self.accelerator.as_str(),
                self.accelerator_reason
            ),
        ];
        for boot in &self.boots {
            lines.push(format!("boot {}    {}", boot.number, render_stages(boot)));
            lines.push(format!("          console: {}", boot.console_log.display()));
        }
        let width = self
            .checks
            .iter()
            .map(|check| check.name.len())
            .max()
            .unwrap_or(0);
        for check in &self.checks {
            let line = format!(
                "{:12}  {:width$}  {}",
                check.outcome.as_str(),
                check.name,
                check.detail
            );
            lines.push(line.trim_end().to_owned());
        }
        let count = |outcome| {
            self.checks
                .iter()
                .filter(|check| check.outcome == outcome)
                .count()
        };
        lines.push(format!(
            "{} of {} checks passed, {} failed, {} not observed",
            count(Outcome::Passed),
            self.checks.len(),
            count(Outcome::Failed),
            count(Outcome::NotObserved)
        ));
        lines.join("\n") + "\n"
    }
}

fn render_stages(boot: &Boot) -> String {
    let stages = &boot.stages;
    let named = [
        ("firmware", stages.firmware),
        ("kernel", stages.kernel),
        ("multi-user", stages.multi_user),
        ("login", stages.login),
        ("report", stages.report),
    ];
    let mut parts: Vec<String> = named
        .iter()
        .filter_map(|(name, at)| at.map(|at| format!("{name} {}", secs(at))))
        .collect();
    let ending = boot.ending.describe();
    parts.push(
        stages
            .end
            .map_or_else(|| ending.clone(), |at| format!("{ending} {}", secs(at))),
    );
    parts.join(", ")
}

fn secs(millis: u64) -> String {
    format!("{}.{} s", millis / 1_000, millis % 1_000 / 100)
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}
