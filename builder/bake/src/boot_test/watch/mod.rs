//! Owns the course of one boot: from console events and time to what to do next. Pure; must not know
//! processes or clocks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use vmimage_plan::event::millis;

use super::console::ConsoleEvent;
use super::machine::Accelerator;
use super::report::{Boot, Ending, Stages};

/// OVMF writes within two seconds under KVM, and a guest that KVM cannot run writes nothing at all.
const KVM_SILENCE: Duration = Duration::from_secs(10);
/// The kernel follows the firmware within seconds under KVM.
const KVM_KERNEL: Duration = Duration::from_mins(1);
/// After a login prompt the launcher has asked for user data long since, even under TCG.
const UNCONTACTED: Duration = Duration::from_mins(1);
/// systemd stops a unit after 90 s by force; then the file systems go.
const POWER_OFF: Duration = Duration::from_mins(2);
/// For the lines that follow a panic.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How much of what QEMU says is kept.
const QEMU_WORDS_BYTES: usize = 4_096;

/// What the caller does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Goes on listening.
    Listen,
    /// Presses the power button.
    PressPower,
    /// Ends the machine.
    Stop(Ending),
}

/// A boot as far as it got. Times are since the machine was switched on.
#[derive(Debug)]
pub(crate) struct Watch {
    accelerator: Accelerator,
    at_most: Duration,
    stages: Stages,
    facts: BTreeMap<String, BTreeSet<String>>,
    failed_on_console: BTreeSet<String>,
    qemu_words: String,
    fatal: Option<(String, Duration)>,
    login_at: Option<Duration>,
    pressed_at: Option<Duration>,
    reported_at: Option<Duration>,
    powering_down: bool,
}

impl Watch {
    pub(crate) fn new(accelerator: Accelerator, at_most: Duration) -> Self {
        Self {
            accelerator,
            at_most,
            stages: Stages::default(),
            facts: BTreeMap::new(),
            failed_on_console: BTreeSet::new(),
            qemu_words: String::new(),
            fatal: None,
            login_at: None,
            pressed_at: None,
            reported_at: None,
            powering_down: false,
        }
    }

    /// The console said something, whatever it means.
    pub(crate) fn on_output(&mut self, at: Duration) {
        self.stages.firmware.get_or_insert(millis(at));
    }

    /// The console said something that means something. Returns what to tell the user.
    pub(crate) fn on_event(&mut self, event: ConsoleEvent, at: Duration) -> Option<String> {
        match event {
            ConsoleEvent::Kernel { release } => {
                return first(&mut self.stages.kernel, at)
                    .then(|| format!("kernel {release} started"));
            }
            ConsoleEvent::MultiUser => {
                return first(&mut self.stages.multi_user, at)
                    .then(|| "multi-user.target reached".to_owned());
            }
            ConsoleEvent::Login => {
                self.login_at.get_or_insert(at);
                return first(&mut self.stages.login, at).then(|| "login prompt shown".to_owned());
            }
            ConsoleEvent::FailedUnit { unit } => {
                let message = format!("unit failed: {unit}");
                return self.failed_on_console.insert(unit).then_some(message);
            }
            ConsoleEvent::Fact { key, value } => return self.on_fact(key, value, at),
            ConsoleEvent::Panic { line } => self.on_fatal(format!("kernel panic: {line}"), at),
            ConsoleEvent::Emergency => {
                self.on_fatal("systemd stopped in emergency mode".to_owned(), at);
            }
            ConsoleEvent::NothingToBoot => {
                self.on_fatal("the firmware found nothing to boot".to_owned(), at);
            }
            ConsoleEvent::PowerDown => self.powering_down = true,
        }
        None
    }

    /// QEMU itself said something.
    pub(crate) fn on_qemu(&mut self, bytes: &[u8]) {
        if self.qemu_words.len() < QEMU_WORDS_BYTES {
            self.qemu_words.push_str(&String::from_utf8_lossy(bytes));
        }
    }

    /// The power button has been pressed.
    pub(crate) fn on_pressed(&mut self, at: Duration) {
        self.pressed_at = Some(at);
    }

    /// What to do at `at`, when the metadata service has been `contacted` or not.
    pub(crate) fn next(&self, at: Duration, contacted: bool) -> Next {
        if let Some(reason) = self.kvm_failure(at) {
            return Next::Stop(Ending::AcceleratorFailed { reason });
        }
        if let Some((reason, since)) = &self.fatal {
            let over = at >= *since + LAST_WORDS;
            return if over {
                Next::Stop(Ending::GaveUp {
                    reason: reason.clone(),
                })
            } else {
                Next::Listen
            };
        }
        let timed_out = |waiting_for: &str| {
            Next::Stop(Ending::TimedOut {
                waiting_for: waiting_for.to_owned(),
            })
        };
        if let Some(since) = self.pressed_at.or(self.reported_at) {
            return if at >= since + POWER_OFF {
                timed_out("the power to go off")
            } else {
                Next::Listen
            };
        }
        match self.login_at {
            Some(login) if !contacted && at >= login + UNCONTACTED => Next::PressPower,
            Some(_) if at >= self.at_most => Next::PressPower,
            None if at >= self.at_most => timed_out(self.waiting_for()),
            Some(_) | None => Next::Listen,
        }
    }

    /// QEMU has ended; `status` says how.
    pub(crate) fn on_end(&self, is_success: bool, status: &str) -> Ending {
        if let Some((reason, _)) = &self.fatal {
            return Ending::GaveUp {
                reason: reason.clone(),
            };
        }
        let asked = self.powering_down || self.pressed_at.is_some() || self.reported_at.is_some();
        if is_success && asked {
            return Ending::PoweredOff;
        }
        let words = self
            .qemu_complaint()
            .map_or_else(|| status.to_owned(), |line| format!("{status}: {line}"));
        match self.accelerator {
            Accelerator::Kvm if self.stages.kernel.is_none() => {
                Ending::AcceleratorFailed { reason: words }
            }
            Accelerator::Kvm | Accelerator::Tcg => Ending::Stopped { status: words },
        }
    }

    /// How many of kernel, multi-user, login and report have been seen.
    pub(crate) fn stages_reached(&self) -> u64 {
        let stages = &self.stages;
        let seen = [
            stages.kernel,
            stages.multi_user,
            stages.login,
            stages.report,
        ];
        seen.iter().flatten().count() as u64
    }

    /// The boot is over.
    pub(crate) fn into_boot(
        mut self,
        number: u32,
        console_log: PathBuf,
        ending: Ending,
        took_millis: u64,
    ) -> Boot {
        self.stages.end = Some(took_millis);
        Boot {
            number,
            console_log,
            stages: self.stages,
            failed_on_console: self.failed_on_console,
            facts: self.facts,
            ending,
        }
    }

    fn on_fact(&mut self, key: String, value: String, at: Duration) -> Option<String> {
        self.facts.entry(key).or_default().insert(value);
        let announced = self
            .facts
            .get("end")
            .and_then(BTreeSet::first)
            .and_then(|end| end.parse().ok())?;
        let facts: usize = self.facts.values().map(BTreeSet::len).sum();
        // The announcement is itself one.
        if facts <= announced {
            return None;
        }
        self.reported_at.get_or_insert(at);
        first(&mut self.stages.report, at).then(|| format!("report of {announced} facts received"))
    }

    fn on_fatal(&mut self, reason: String, at: Duration) {
        self.fatal.get_or_insert((reason, at));
    }

    fn kvm_failure(&self, at: Duration) -> Option<String> {
        match self.accelerator {
            Accelerator::Tcg => return None,
            Accelerator::Kvm => {}
        }
        let broken = ["KVM internal error", "kvm run failed"];
        if broken.iter().any(|words| self.qemu_words.contains(words)) {
            return self.qemu_complaint();
        }
        let is_silent = self.stages.firmware.is_none();
        let is_stuck = self.stages.kernel.is_none() && self.fatal.is_none();
        if is_silent && at >= KVM_SILENCE {
            return Some(format!(
                "the firmware said nothing for {} s",
                KVM_SILENCE.as_secs()
            ));
        }
        (is_stuck && at >= KVM_KERNEL)
            .then(|| format!("the kernel did not start within {} s", KVM_KERNEL.as_secs()))
    }

    /// The first line of QEMU's that is no warning.
    fn qemu_complaint(&self) -> Option<String> {
        let lines = self.qemu_words.lines().map(|line| {
            line.strip_prefix("qemu-system-x86_64: ")
                .unwrap_or(line)
                .trim()
        });
        lines
            .into_iter()
            .find(|line| !line.is_empty() && !line.starts_with("warning:"))
            .map(str::to_owned)
    }

    fn waiting_for(&self) -> &'static str {
        match (
            self.stages.firmware,
            self.stages.kernel,
            self.stages.multi_user,
        ) {
            (None, _, _) => "the firmware",
            (Some(_), None, _) => "the kernel",
            (Some(_), Some(_), None) => "multi-user.target",
            (Some(_), Some(_), Some(_)) => "a login prompt",
        }
    }
}

/// Notes when a stage was first reached; says whether that was now.
fn first(stage: &mut Option<u64>, at: Duration) -> bool {
    let is_first = stage.is_none();
    stage.get_or_insert(millis(at));
    is_first
}

#[cfg(test)]
mod tests;
