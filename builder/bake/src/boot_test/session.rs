//! Owns the running of the boots: scratch files, QEMU and the watch over it. Must not judge.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use vmimage_plan::event::{Event, Sink, millis};

use super::console::{Console, ConsoleEvent};
use super::disk::{Disk, copy_writable};
use super::error::BootTestError;
use super::folder::console_log_name;
use super::host::Firmware;
use super::machine::{Accelerator, Machine, Running, Said};
use super::report::{Boot, Ending};
use super::watch::{Next, Watch};

/// How often the clock and the user's wish to stop are looked at while nothing is said.
const TICK: Duration = Duration::from_millis(250);

/// The stages that a user sees pass: kernel, multi-user, login, report.
const STAGES: u64 = 4;

/// What all boots of one test share.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) machine: Machine,
    pub(crate) disk: &'a Disk,
    pub(crate) grown_bytes: u64,
    pub(crate) firmware: &'a Firmware,
    pub(crate) qemu_img: PathBuf,
    pub(crate) log_dir: &'a Path,
    pub(crate) boot_timeout: Duration,
    pub(crate) connections: &'a AtomicU64,
    pub(crate) cancel: &'a AtomicBool,
}

impl Session<'_> {
    /// Makes a fresh overlay over the disk and fresh firmware variables.
    pub(crate) fn prepare(&self) -> Result<(), BootTestError> {
        let (overlay, variables) = (&self.machine.overlay, &self.machine.firmware_variables);
        for path in [overlay, variables] {
            if path.exists() {
                fs::remove_file(path).map_err(|source| BootTestError::Scratch {
                    path: path.clone(),
                    source,
                })?;
            }
        }
        copy_writable(&self.firmware.variables, variables).map_err(|source| {
            BootTestError::Scratch {
                path: variables.clone(),
                source,
            }
        })?;
        let output = Command::new(&self.qemu_img)
            .args([
                "create",
                "-q",
                "-f",
                "qcow2",
                "-F",
                self.disk.format.as_str(),
                "-b",
            ])
            .arg(&self.disk.path)
            .arg(overlay)
            .arg(self.grown_bytes.to_string())
            .stdin(Stdio::null())
            .output()
            .map_err(|source| BootTestError::Spawn {
                program: self.qemu_img.clone(),
                source,
            })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(BootTestError::Overlay {
            disk: self.disk.path.clone(),
            said,
        })
    }

    /// Boots once, until the guest is off or nothing more can be expected.
    pub(crate) fn boot(
        &self,
        number: u32,
        accelerator: Accelerator,
        sink: Sink<'_>,
    ) -> Result<Boot, BootTestError> {
        let console_log = self.log_dir.join(console_log_name(number));
        let fail = |source| BootTestError::Scratch {
            path: console_log.clone(),
            source,
        };
        let mut log = File::create(&console_log).map_err(fail)?;
        let step = format!("boot {number}");
        let doing = format!("starting QEMU with {}", accelerator.as_str());
        sink(Event::Started {
            step: step.clone(),
            doing,
        });
        let started = Instant::now();
        let mut running = self.machine.start(accelerator)?;
        let mut watch = Watch::new(accelerator, self.boot_timeout);
        let contacted_before = self.connections.load(Ordering::SeqCst);
        let mut console = Console::new();
        let ending = loop {
            let said = running.said.recv_timeout(TICK);
            let at = started.elapsed();
            match said {
                Ok(Said::Console(bytes)) => {
                    log.write_all(&bytes).map_err(fail)?;
                    hear(&mut watch, console.feed(&bytes), at, &step, sink);
                }
                Ok(Said::Qemu(bytes)) => watch.on_qemu(&bytes),
                Ok(Said::ConsoleClosed) | Err(RecvTimeoutError::Disconnected) => {
                    break end(&mut running, &mut watch, &self.machine.qemu)?;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.cancel.load(Ordering::SeqCst) {
                break Ending::Cancelled;
            }
            let contacted = self.connections.load(Ordering::SeqCst) > contacted_before;
            match watch.next(at, contacted) {
                Next::Listen => {}
                Next::Stop(ending) => break ending,
                Next::PressPower => {
                    watch.on_pressed(at);
                    // If QEMU does not listen, the watch runs out and ends it.
                    let _pressed = running.press_power();
                }
            }
        };
        drop(running);
        let took = millis(started.elapsed());
        sink(Event::Finished {
            step,
            outcome: ending.describe(),
            millis: took,
            reused: false,
        });
        Ok(watch.into_boot(number, console_log, ending, took))
    }
}

/// Tells the watch what the console said, and the user what it means.
fn hear(
    watch: &mut Watch,
    events: Vec<ConsoleEvent>,
    at: Duration,
    step: &str,
    sink: &mut dyn FnMut(Event),
) {
    watch.on_output(at);
    for event in events {
        if let Some(doing) = watch.on_event(event, at) {
            sink(Event::Progress {
                step: step.to_owned(),
                done: watch.stages_reached(),
                total: STAGES,
                unit: "stages".to_owned(),
                doing,
            });
        }
    }
}

/// QEMU has closed the console: what it said last, and how it ended.
fn end(running: &mut Running, watch: &mut Watch, qemu: &Path) -> Result<Ending, BootTestError> {
    let fail = |source| BootTestError::Spawn {
        program: qemu.to_owned(),
        source,
    };
    let mut status = running.ended().map_err(fail)?;
    // Its other stream ends with it; a QEMU that lives on without a console is of no use.
    while let Ok(said) = running.said.recv_timeout(TICK) {
        match said {
            Said::Qemu(bytes) => watch.on_qemu(&bytes),
            Said::Console(_) | Said::ConsoleClosed => {}
        }
        status = running.ended().map_err(fail)?;
    }
    let status = match status {
        Some(status) => status,
        None => match running.ended().map_err(fail)? {
            Some(status) => status,
            None => running.kill().map_err(fail)?,
        },
    };
    Ok(watch.on_end(status.success(), &status.to_string()))
}

/// A system UUID such as EC2 gives: it starts with `ec2`, and systemd makes the machine id from it.
pub(crate) fn new_system_uuid() -> Result<String, BootTestError> {
    let source = Path::new("/dev/urandom");
    let fail = |error| BootTestError::Scratch {
        path: source.to_owned(),
        source: error,
    };
    let mut random = [0_u8; 16];
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut random))
        .map_err(fail)?;
    let text = hex::encode(random);
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or("0").to_owned();
    Ok(format!(
        "ec2{}-{}-4{}-8{}-{}",
        part(0..5),
        part(5..9),
        part(9..12),
        part(12..15),
        part(15..27)
    ))
}
