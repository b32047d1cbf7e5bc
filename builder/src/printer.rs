//! Owns everything that is printed. stdout is data, stderr is talk: progress bars on a terminal,
//! plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use vmimage_plan::event::Event;

/// How often a step that takes long says so where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Prints data to standard output. A reader that went away is not an error.
pub(crate) fn data(text: &str) {
    let mut stdout = std::io::stdout().lock();
    drop(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush()),
    );
}

/// Prints talk to standard error.
pub(crate) fn talk(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// Prints a failure to standard error.
pub(crate) fn error(text: &str) {
    talk(text);
}

/// A value as JSON, for a program to read.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> String {
    let mut text =
        serde_json::to_string_pretty(value).expect("plain structs with string keys serialize");
    text.push('\n');
    text
}

/// Draws events.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    bars: MultiProgress,
    open: BTreeMap<String, ProgressBar>,
    said: BTreeMap<String, Instant>,
}

impl Progress {
    /// For this process's standard error.
    pub(crate) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            terminal,
            bars: MultiProgress::with_draw_target(target),
            open: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    /// Draws one event.
    pub(crate) fn draw(&mut self, event: Event) {
        match event {
            Event::Started { step, doing } => self.started(step, &doing),
            Event::Progress {
                step,
                done,
                total,
                unit,
                doing,
            } => {
                self.progress(&step, done, total, &unit, &doing);
            }
            Event::Finished {
                step,
                outcome,
                millis,
                reused,
            } => {
                self.close(&step);
                self.line(&finished_line(&step, &outcome, millis, reused));
            }
            Event::Failed { step, millis } => {
                self.close(&step);
                self.line(&finished_line(&step, "failed", millis, false));
            }
            Event::Warning { message } => self.line(&format!("warning: {message}\n")),
        }
    }

    fn started(&mut self, step: String, doing: &str) {
        if self.terminal {
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar.set_message(format!("{step}: {doing}"));
            self.open.insert(step, bar);
        } else {
            self.said.insert(step, Instant::now());
        }
    }

    fn progress(&mut self, step: &str, done: u64, total: u64, unit: &str, doing: &str) {
        if let Some(bar) = self.open.get(step) {
            if total > 0 && bar.length() != Some(total) {
                bar.set_length(total);
                bar.set_style(bar_style(unit));
            }
            bar.set_position(done);
            bar.set_message(format!("{step}: {doing}"));
        } else if !self.terminal {
            let due = self
                .said
                .get(step)
                .is_none_or(|said| said.elapsed() >= PLAIN_INTERVAL);
            if due {
                self.said.insert(step.to_owned(), Instant::now());
                talk(&progress_line(step, done, total, unit, doing));
            }
        }
    }

    fn close(&mut self, step: &str) {
        if let Some(bar) = self.open.remove(step) {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        if self.terminal {
            self.bars.suspend(|| talk(text));
        } else {
            talk(text);
        }
    }
}

fn bar_style(unit: &str) -> ProgressStyle {
    let template = if unit == "bytes" {
        "{spinner} {msg} [{bar:24}] {bytes}/{total_bytes}"
    } else {
        "{spinner} {msg} [{bar:24}] {pos}/{len}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn finished_line(step: &str, outcome: &str, millis: u64, reused: bool) -> String {
    if reused {
        format!("{step:<24} {:>8}  {outcome}\n", "reused")
    } else {
        format!("{step:<24} {:>8}  {outcome}\n", seconds(millis))
    }
}

fn progress_line(step: &str, done: u64, total: u64, unit: &str, doing: &str) -> String {
    let (done, total) = match unit {
        "bytes" => (bytes(done), bytes(total)),
        _ => (format!("{done}"), format!("{total} {unit}")),
    };
    format!("{step}: {done} of {total}, {doing}\n")
}

/// A duration for people, for example `1.2 s`.
pub(crate) fn seconds(millis: u64) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}

/// A size for people, in binary units, for example `1.5 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    let (unit, shift) = match count {
        0..1024 => return format!("{count} B"),
        1024..1_048_576 => ("KiB", 10),
        1_048_576..1_073_741_824 => ("MiB", 20),
        _ => ("GiB", 30),
    };
    let tenths = (u128::from(count) * 10) >> shift;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::{bytes, finished_line, progress_line, seconds};

    #[test]
    fn sizes_and_times_are_for_people() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_572_864, "1.5 MiB"),
            (1_073_741_824, "1.0 GiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(seconds(1234), "1.2 s");
        assert_eq!(seconds(99), "0.0 s");
    }

    #[test]
    fn lines_name_the_step_and_say_how_it_went() {
        assert_eq!(
            finished_line("layer base", "120 packages", 8123, false),
            "layer base                  8.1 s  120 packages\n"
        );
        assert_eq!(
            finished_line("layer base", "120 packages", 0, true),
            "layer base                 reused  120 packages\n"
        );
        assert_eq!(
            progress_line("fetch", 1024, 2048, "bytes", "bash"),
            "fetch: 1.0 KiB of 2.0 KiB, bash\n"
        );
        assert_eq!(
            progress_line("layer base", 3, 9, "packages", "bash"),
            "layer base: 3 of 9 packages, bash\n"
        );
    }
}
