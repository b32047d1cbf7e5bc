//! Owns a node's life: waiting for its turn, starting, running, starting again, ending. Must not
//! know how a machine is started.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::LabError;
use super::cgroup::Group;
use super::gate::{Gate, Permit};
use super::image::LabImage;
use super::launch::NodeLaunch;
use super::lock::held;
use super::machine::{self, Machine};
use super::place::NodePlace;
use super::serve::Metadata;
use super::state::{Ending, NodeState, Phase};
use crate::network::{Network, Plug, Region};

/// A node that takes longer to start does no longer keep others from starting.
const TURN: Duration = Duration::from_secs(10);

/// How much of a console's end is searched for its last line.
const CONSOLE_TAIL_BYTES: u64 = 4_096;

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) launch: NodeLaunch,
    pub(super) region: Region,
    pub(super) image: LabImage,
    pub(super) trust: PathBuf,
    pub(super) place: NodePlace,
    pub(super) group: Group,
    pub(super) plug: Plug,
    pub(super) metadata: Metadata,
    pub(super) mounts: Mutex<Mounts>,
    pub(super) thread: Mutex<Option<thread::JoinHandle<()>>>,
    inner: Mutex<Inner>,
    changed: Condvar,
}

/// What is mounted for a node.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) mounted: bool,
    /// Volumes by their ids, with where they lie.
    pub(super) volumes: BTreeMap<String, PathBuf>,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    boots: u32,
    ending: Option<Ending>,
    /// How it is to end, once somebody wants it to.
    wanted: Option<Ending>,
    /// Its user data has begun, or it is up: the work of starting is done.
    begun: bool,
    /// The machine of this start has ended.
    gone: bool,
}

/// The parts that a node is made from.
pub(super) struct Parts {
    pub(super) launch: NodeLaunch,
    pub(super) region: Region,
    pub(super) image: LabImage,
    pub(super) trust: PathBuf,
    pub(super) place: NodePlace,
    pub(super) group: Group,
    pub(super) metadata: Metadata,
}

impl Node {
    pub(super) fn new(parts: Parts) -> Self {
        let instance = &parts.launch.instance;
        Self {
            plug: Plug {
                name: instance.instance_id.clone(),
                address: instance.local_ipv4,
                mac: instance.mac.clone(),
            },
            launch: parts.launch,
            region: parts.region,
            image: parts.image,
            trust: parts.trust,
            place: parts.place,
            group: parts.group,
            metadata: parts.metadata,
            mounts: Mutex::default(),
            thread: Mutex::default(),
            inner: Mutex::new(Inner {
                phase: Phase::Waiting,
                boots: 0,
                ending: None,
                wanted: None,
                begun: false,
                gone: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn state(&self) -> NodeState {
        let inner = held(&self.inner);
        let (phase, boots, ending) = (inner.phase, inner.boots, inner.ending.clone());
        drop(inner);
        let memory_bytes = match phase {
            Phase::Starting | Phase::Up => self.group.memory_bytes(),
            Phase::Waiting | Phase::Off => 0,
        };
        NodeState {
            phase,
            boots,
            ending,
            memory_bytes,
        }
    }

    /// What it does, and how it ended; cheap, unlike its whole state.
    pub(super) fn standing(&self) -> (Phase, Option<Ending>) {
        let inner = held(&self.inner);
        (inner.phase, inner.ending.clone())
    }

    pub(super) fn phase(&self) -> Phase {
        held(&self.inner).phase
    }

    /// Makes a node that is off wait for its turn again.
    pub(super) fn revive(&self) -> bool {
        let was_off = held(&self.inner).phase == Phase::Off;
        if was_off {
            self.change(|inner| {
                inner.phase = Phase::Waiting;
                inner.ending = None;
                inner.wanted = None;
            });
        }
        was_off
    }

    /// Says how the node is to end; the first who says so is believed, unless power is cut.
    pub(super) fn want(&self, ending: Ending) {
        self.change(|inner| {
            if inner.wanted.is_none() || ending == Ending::Killed {
                inner.wanted = Some(ending);
            }
        });
    }

    /// Somebody in the node asked for its metadata, which is the last thing that starting does.
    pub(super) fn user_data_begins(&self) {
        if !held(&self.inner).begun {
            self.change(|inner| inner.begun = true);
        }
    }

    /// Waits until the node is off; returns whether it is.
    pub(super) fn wait_off(&self, timeout: Duration) -> bool {
        self.wait(timeout, |inner| inner.phase == Phase::Off)
    }

    /// Waits until start number `boots` is done.
    pub(super) fn wait_up(&self, boots: u32, timeout: Duration) -> Result<(), LabError> {
        let up = |inner: &Inner| inner.phase == Phase::Up && inner.boots >= boots;
        let node = self.plug.name.clone();
        if !self.wait(timeout, |inner| up(inner) || inner.phase == Phase::Off) {
            return Err(LabError::TooLong {
                node,
                what: "starting".to_owned(),
                seconds: timeout.as_secs(),
            });
        }
        let inner = held(&self.inner);
        match &inner.ending {
            _ if up(&inner) => Ok(()),
            Some(Ending::Failed(problem)) => Err(LabError::NodeFailed {
                node,
                problem: problem.clone(),
            }),
            Some(Ending::Stopped | Ending::Killed) | None => Err(LabError::NodeOff { node }),
        }
    }

    /// Lives until the node is off.
    pub(super) fn live(&self, network: &Network, gate: &Gate) {
        let ending = loop {
            let permit = gate.pass(|| !self.goes_on());
            let Some(permit) = permit.filter(|_| self.begin()) else {
                break Ending::Stopped;
            };
            match self.once(network, permit) {
                Ok(status) if status.code() == Some(machine::REBOOT) && self.goes_on() => {
                    self.change(|inner| inner.phase = Phase::Waiting);
                }
                Ok(status) => break self.judge(status),
                Err(error) => break Ending::Failed(with_causes(&error)),
            }
        };
        self.change(|inner| {
            inner.phase = Phase::Off;
            inner.ending = Some(inner.wanted.clone().unwrap_or(ending));
        });
    }

    fn once(&self, network: &Network, permit: Permit<'_>) -> Result<ExitStatus, LabError> {
        let machine = machine::switch_on(network, self);
        let ended = machine.and_then(|machine| self.follow(machine, permit));
        let cleared = machine::clear_away(network, self);
        let status = ended?;
        cleared?;
        Ok(status)
    }

    /// Follows a machine until it is off. The permit is given back when the start is done, or has
    /// taken its time.
    fn follow(&self, machine: Machine, permit: Permit<'_>) -> Result<ExitStatus, LabError> {
        let Machine {
            mut process,
            notices,
        } = machine;
        let status = thread::scope(|scope| {
            let notices = &notices;
            scope.spawn(move || self.listen(notices));
            let waiter = scope.spawn(move || {
                let status = process.wait();
                // Ends the listening.
                drop(notices.shutdown(Shutdown::Both));
                self.change(|inner| inner.gone = true);
                status
            });
            // Power may have been cut before there was anything to cut it from.
            if held(&self.inner).wanted == Some(Ending::Killed) {
                drop(self.group.kill());
            }
            self.wait(TURN, |inner| inner.begun || inner.gone);
            drop(permit);
            waiter.join()
        });
        status
            .unwrap_or_else(|_| Err(std::io::Error::other("the thread that waits panicked")))
            .map_err(LabError::file("follow", Path::new("systemd-nspawn")))
    }

    /// Hears what systemd-nspawn says, until the socket is shut down.
    fn listen(&self, notices: &UnixDatagram) {
        let mut buffer = [0_u8; 4_096];
        while let Ok(read @ 1..) = notices.recv(&mut buffer) {
            let notice = buffer.get(..read).unwrap_or_default();
            if notice
                .split(|byte| *byte == b'\n')
                .any(|line| line == b"READY=1")
            {
                self.change(|inner| {
                    inner.begun = true;
                    inner.phase = Phase::Up;
                });
            }
        }
    }

    fn begin(&self) -> bool {
        self.change(|inner| {
            let goes_on = inner.wanted.is_none();
            if goes_on {
                inner.phase = Phase::Starting;
                inner.boots += 1;
                inner.begun = false;
                inner.gone = false;
            }
            goes_on
        })
    }

    fn goes_on(&self) -> bool {
        held(&self.inner).wanted.is_none()
    }

    fn judge(&self, status: ExitStatus) -> Ending {
        if status.success() {
            return Ending::Stopped;
        }
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no exit code".to_owned(),
        };
        let last = last_line(&self.place.console);
        Ending::Failed(format!(
            "systemd-nspawn ended with {how}; the console's last line is: {last}"
        ))
    }

    fn change<T>(&self, edit: impl FnOnce(&mut Inner) -> T) -> T {
        let result = edit(&mut held(&self.inner));
        self.changed.notify_all();
        result
    }

    /// Waits until `condition` holds; returns whether it does.
    fn wait(&self, timeout: Duration, condition: impl Fn(&Inner) -> bool) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(held(&self.inner), timeout, |inner| !condition(inner));
        let (_inner, result) = waited.unwrap_or_else(PoisonError::into_inner);
        !result.timed_out()
    }
}

/// An error with what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The last line of a console's log that says anything.
fn last_line(path: &Path) -> String {
    let mut tail = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(CONSOLE_TAIL_BYTES)))?;
        file.read_to_end(&mut tail)
    });
    if read.is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&tail);
    let mut lines = text.lines().rev().map(str::trim);
    lines
        .find(|line| !line.is_empty())
        .unwrap_or_default()
        .to_owned()
}
