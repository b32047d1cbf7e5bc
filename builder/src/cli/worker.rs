//! Owns starting this program again as a worker in namespaces of its own, and ending it when the
//! user interrupts. Must not do the work.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

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

enum Heard {
    Ended(std::io::Result<std::process::ExitStatus>),
    Signal,
}

/// Runs `work` inside the worker. In the process that the user started this starts the worker, with
/// the same command line, and waits for it.
pub(super) fn inside(
    context: &Context,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    if context.environment.worker {
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
    let mut child = worker::command(&starter, &program, &arguments)
        .env(WORKER, "1")
        .spawn()
        .map_err(|error| Failure::unchanged(&StartError::Spawn(error), None))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let heard = listen(move || child.wait())
        .map_err(|error| Failure::unchanged(&StartError::Follow(error), None))?;
    wait(&heard, pid)
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

fn wait(heard: &Receiver<Heard>, pid: Option<Pid>) -> Result<(), Failure> {
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
            Ok(Heard::Ended(_)) if interrupted => {
                return Err(Failure {
                    code: 1,
                    text: "error: interrupted\nnothing was changed; finished layers and downloads \
                           are kept for the next run\n"
                        .to_owned(),
                });
            }
            Ok(Heard::Ended(Ok(status))) => return ended(status),
            Ok(Heard::Ended(Err(error))) => {
                return Err(Failure::unchanged(&StartError::Follow(error), None));
            }
            Err(_) => return Ok(()),
        }
    }
}

/// The worker has said itself what went wrong, unless something killed it.
fn ended(status: std::process::ExitStatus) -> Result<(), Failure> {
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(Failure {
            code: u8::try_from(code).unwrap_or(1),
            text: String::new(),
        }),
        None => Err(Failure {
            code: 1,
            text: "error: the worker was killed\nnothing was changed\n".to_owned(),
        }),
    }
}
