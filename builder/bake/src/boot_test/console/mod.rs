//! Owns the reading of a serial console: bytes in, events out. A pure state machine; must not know
//! QEMU, files or time, and gives the same events however the bytes are cut.

use sha2::{Digest as _, Sha256};

/// What a line of the guest's report starts with; `report.sh` prints it.
const REPORT_MARK: &str = "VMIMAGE-REPORT ";

/// A longer line is cut into pieces: a guest that prints no line end must not fill the memory.
const MAX_LINE_BYTES: usize = 4_096;

/// Something that the console said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConsoleEvent {
    /// The firmware found nothing to boot.
    NothingToBoot,
    /// The kernel began.
    Kernel {
        /// Its release.
        release: String,
    },
    /// The kernel gave up.
    Panic {
        /// Its words.
        line: String,
    },
    /// systemd stopped at a shell for the administrator.
    Emergency,
    /// systemd reached `multi-user.target`.
    MultiUser,
    /// systemd could not start a unit.
    FailedUnit {
        /// Its name, or its description where the console shows only that.
        unit: String,
    },
    /// A login prompt.
    Login,
    /// A fact that the guest reported, whole.
    Fact {
        /// Its name.
        key: String,
        /// Its value.
        value: String,
    },
    /// The kernel is about to switch the machine off.
    PowerDown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    /// After ESC.
    Start,
    /// In a control sequence, which a letter ends.
    Control,
    /// In an operating system command, which BEL or ESC and a backslash end.
    Command,
    /// After the ESC that ends one.
    CommandEnd,
}

/// The console's state.
#[derive(Debug)]
pub(crate) struct Console {
    line: Vec<u8>,
    escape: Escape,
    carriage_return: bool,
}

impl Console {
    pub(crate) fn new() -> Self {
        Self {
            line: Vec::new(),
            escape: Escape::None,
            carriage_return: false,
        }
    }

    /// Takes what the console printed next.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<ConsoleEvent> {
        let mut events = Vec::new();
        for &byte in bytes {
            if let Some(byte) = self.strip_escape(byte) {
                self.take(byte, &mut events);
            }
        }
        events
    }

    /// Passes on what is text.
    fn strip_escape(&mut self, byte: u8) -> Option<u8> {
        let (next, text) = match (self.escape, byte) {
            (Escape::None | Escape::Start | Escape::Control, 0x1b) => (Escape::Start, None),
            (Escape::Command, 0x1b) => (Escape::CommandEnd, None),
            // A sequence never spans lines: this one was cut off by another writer.
            (Escape::None, _)
            | (Escape::Start | Escape::Control | Escape::Command, b'\r' | b'\n') => {
                (Escape::None, Some(byte))
            }
            (Escape::Command, 0x07) | (Escape::Control, 0x40..=0x7e) => (Escape::None, None),
            (Escape::Start, b'[') | (Escape::Control, _) => (Escape::Control, None),
            (Escape::Start, b']') | (Escape::Command, _) => (Escape::Command, None),
            (Escape::Start | Escape::CommandEnd, _) => (Escape::None, None),
        };
        self.escape = next;
        text
    }

    fn take(&mut self, byte: u8, events: &mut Vec<ConsoleEvent>) {
        let after_return = std::mem::replace(&mut self.carriage_return, byte == b'\r');
        match byte {
            b'\n' => self.end_line(events),
            b'\r' => {}
            _ => {
                // systemd draws its progress over the same line again and again.
                if after_return || self.line.len() >= MAX_LINE_BYTES {
                    self.end_line(events);
                }
                self.line.push(byte);
                // A prompt ends no line.
                if self.line.ends_with(b" login: ") {
                    events.push(ConsoleEvent::Login);
                }
            }
        }
    }

    fn end_line(&mut self, events: &mut Vec<ConsoleEvent>) {
        let line = std::mem::take(&mut self.line);
        events.extend(read_line(&String::from_utf8_lossy(&line)));
    }
}

fn read_line(line: &str) -> Option<ConsoleEvent> {
    if let Some((_, report)) = line.split_once(REPORT_MARK) {
        return read_fact(report);
    }
    if let Some((_, rest)) = line.split_once("] Linux version ") {
        let release = rest.split(' ').next().unwrap_or(rest).to_owned();
        return Some(ConsoleEvent::Kernel { release });
    }
    if let Some((_, rest)) = line.split_once("Kernel panic - ") {
        return Some(ConsoleEvent::Panic {
            line: rest.trim().to_owned(),
        });
    }
    if let Some((_, rest)) = line.split_once("[FAILED] Failed to start ") {
        return Some(ConsoleEvent::FailedUnit {
            unit: unit_name(rest),
        });
    }
    if line.contains("reboot: Power down") {
        return Some(ConsoleEvent::PowerDown);
    }
    let multi_user = line.contains("multi-user.target") || line.contains("Multi-User System");
    if multi_user && line.contains("Reached target") {
        return Some(ConsoleEvent::MultiUser);
    }
    if line.contains("You are in emergency mode") || line.contains("You are in rescue mode") {
        return Some(ConsoleEvent::Emergency);
    }
    let nothing = [
        "BdsDxe: No bootable option",
        "BdsDxe: failed to load Boot",
        "UEFI Interactive Shell",
    ];
    nothing
        .iter()
        .any(|text| line.contains(text))
        .then_some(ConsoleEvent::NothingToBoot)
}

/// A fact counts only when its check sum says that nothing was written into it.
fn read_fact(report: &str) -> Option<ConsoleEvent> {
    let (sum, text) = report.split_at_checked(8)?;
    let text = text.strip_prefix(' ')?;
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    let (key, value) = text.split_once('=')?;
    digest.starts_with(sum).then(|| ConsoleEvent::Fact {
        key: key.to_owned(),
        value: value.to_owned(),
    })
}

/// `name.service - Description` or only a description, depending on `StatusUnitFormat=`.
fn unit_name(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    match text.split_once(" - ") {
        Some((unit, _)) if unit.contains('.') && !unit.contains(' ') => unit.to_owned(),
        Some(_) | None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
