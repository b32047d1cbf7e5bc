//! Owns starting this program again as a worker in namespaces of its own, and ending it when the
//! user interrupts. Must not do the work.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use vmimage_bake::sandbox::worker;

use super::Context;
use crate::environment::WORKER;
use crate::failure::Failure;

/// Why the worker could not be run.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("cannot start the worker")]
    Spawn(#[source] std::io::Error),
    #[error("cannot follow the worker")]
    Follow(#[source] std::io::Error),
}

/// How long a killed worker may take to be gone: the kernel ends its processes in its own time, which
/// is short.
const CLEAN_UP_TIME: Duration = Duration::from_secs(10);

/// What is to be said of a worker that was killed, after what it left was removed.
#[derive(Debug)]
pub(super) struct Aftermath {
    /// The exit code.
    pub(super) code: u8,
    /// What is not as it was before, and what is kept.
    pub(super) changed: String,
}

enum Heard {
    Ended(std::io::Result<std::process::ExitStatus>),
    Signal,
}

/// Runs `work` inside the worker. In the process that the user started this starts the worker, with
/// the same command line, and waits for it. `clean_up` removes what a killed worker left; it is given
/// who the worker worked for.
pub(super) fn inside(
    context: &Context,
    work: impl FnOnce() -> Result<(), Failure>,
    clean_up: impl FnOnce(&str) -> Aftermath + Send + 'static,
) -> Result<(), Failure> {
    if context.environment.worker.is_some() {
        worker::settle().map_err(|error| Failure::unchanged(&error, error.hint()))?;
        return work();
    }
    let uid = rustix::process::geteuid().as_raw();
    let user = context
        .environment
        .user
        .clone()
        .unwrap_or_else(|| uid.to_string());
    let path: Vec<&Path> = context.environment.path.iter().map(AsRef::as_ref).collect();
    let starter = worker::starter(&user, uid, &path)
        .map_err(|error| Failure::unchanged(&error, error.hint()))?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::unchanged(&StartError::Spawn(error), None))?;
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let holder = holder();
    let mut child = worker::command(&starter, &program, &arguments)
        .env(WORKER, &holder)
        .spawn()
        .map_err(|error| Failure::unchanged(&StartError::Spawn(error), None))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let heard = listen(move || child.wait())
        .map_err(|error| Failure::unchanged(&StartError::Follow(error), None))?;
    match wait(&heard, pid)? {
        Ended::ByItself(status) => ended(status),
        Ended::Killed(why) => Err(killed(why, move || clean_up(&holder))),
    }
}

/// Who the worker works for, as others on this machine and on others know it.
fn holder() -> String {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    format!("process {} on {host}", std::process::id())
}

/// Cleans up after a worker that was killed, once the kernel has ended it.
fn killed(why: &str, clean_up: impl FnOnce() -> Aftermath + Send + 'static) -> Failure {
    let (sender, cleaned) = channel();
    let started = thread::Builder::new().spawn(move || drop(sender.send(clean_up())));
    let aftermath = started
        .ok()
        .and_then(|_| cleaned.recv_timeout(CLEAN_UP_TIME).ok())
        .unwrap_or_else(|| Aftermath {
            code: 3,
            changed: "the worker is not gone yet; the next run removes what it leaves".to_owned(),
        });
    Failure {
        code: aftermath.code,
        text: format!("error: {why}\n{}\n", aftermath.changed),
    }
}

/// Hears of the worker's end and of signals, each from a thread of its own.
fn listen(
    mut wait: impl FnMut() -> std::io::Result<std::process::ExitStatus> + Send + 'static,
) -> std::io::Result<Receiver<Heard>> {
    let (sender, receiver) = channel();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let of_signals = sender.clone();
    thread::Builder::new().spawn(move || {
        for _ in signals.forever() {
            if of_signals.send(Heard::Signal).is_err() {
                return;
            }
        }
    })?;
    thread::Builder::new().spawn(move || drop(sender.send(Heard::Ended(wait()))))?;
    Ok(receiver)
}

/// How the worker ended.
enum Ended {
    ByItself(std::process::ExitStatus),
    Killed(&'static str),
}

fn wait(heard: &Receiver<Heard>, pid: Option<Pid>) -> Result<Ended, Failure> {
    let mut interrupted = false;
    loop {
        match heard.recv() {
            Ok(Heard::Signal) => {
                interrupted = true;
                if let Some(pid) = pid {
                    // The kernel then kills everything in the worker's namespaces. It may have
                    // ended already, which is as good.
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            Ok(Heard::Ended(_)) if interrupted => return Ok(Ended::Killed("interrupted")),
            Ok(Heard::Ended(Ok(status))) if status.code().is_none() => {
                return Ok(Ended::Killed("the worker was killed"));
            }
            Ok(Heard::Ended(Ok(status))) => return Ok(Ended::ByItself(status)),
            Ok(Heard::Ended(Err(error))) => {
                return Err(Failure::unchanged(&StartError::Follow(error), None));
            }
            // The threads that would send are gone without a word.
            Err(_) => return Ok(Ended::Killed("the worker was lost")),
        }
    }
}

/// The worker has said itself what went wrong.
fn ended(status: std::process::ExitStatus) -> Result<(), Failure> {
    match status.code() {
        Some(0) => Ok(()),
        code => Err(Failure {
            code: code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
            text: String::new(),
        }),
    }
}
