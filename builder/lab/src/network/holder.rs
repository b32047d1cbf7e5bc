//! Owns the process that holds the lab's namespaces, and running programs inside them. Must not know
//! what they do there.
//!
//! The holder is process 1 of a PID namespace: when it ends, the kernel kills everything in the
//! namespace, and with the last process the mounts and the network go. It ends when the process
//! that started it does, by the kernel's death signal, and when its standard input closes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::NetworkError;

/// Enters a control group before it becomes another program.
const ENTER: &str = include_str!("enter.sh");

/// How much of what a failed program said goes into the error.
const SAID_BYTES: usize = 1_024;

/// The holder; dropping it ends everything in the namespaces.
#[derive(Debug)]
pub(crate) struct Holder {
    pid: u32,
    network: File,
    /// Closing it tells the thread that keeps the holder to end it.
    keep: Option<Sender<()>>,
    keeper: Option<thread::JoinHandle<()>>,
}

struct Started {
    pid: u32,
    network: File,
}

impl Holder {
    /// Makes the namespaces. The holder is put into the control group at `group`.
    pub(crate) fn start(group: &Path) -> Result<Self, NetworkError> {
        let (tell, told) = channel();
        let (keep, kept) = channel::<()>();
        let group = group.to_owned();
        // The death signal follows the end of the thread that started the process, so the thread
        // lives as long as the holder does.
        let keeper = thread::Builder::new()
            .name("lab-holder".to_owned())
            .spawn(move || {
                let (mut child, stdin) = match spawn(&group) {
                    Ok((child, stdin, started)) => {
                        drop(tell.send(Ok(started)));
                        (child, stdin)
                    }
                    Err(error) => return drop(tell.send(Err(error))),
                };
                // Nothing is ever sent: this waits until the other end is gone.
                let _ended = kept.recv();
                drop(stdin);
                // It may have ended by itself, which is as good.
                drop(child.kill());
                drop(child.wait());
            })
            .map_err(NetworkError::Namespaces)?;
        let gone = |_| Err(NetworkError::Namespaces(io::ErrorKind::BrokenPipe.into()));
        let started = told.recv().unwrap_or_else(gone)?;
        Ok(Self {
            pid: started.pid,
            network: started.network,
            keep: Some(keep),
            keeper: Some(keeper),
        })
    }

    /// A command that runs inside the namespaces.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        self.enter(&mut command, program);
        command
    }

    /// A command that runs inside the namespaces and in the control group at `group`.
    pub(crate) fn command_in(&self, group: &Path, program: &str) -> Command {
        let mut command = in_group(group, "nsenter");
        self.enter(&mut command, program);
        command
    }

    fn enter(&self, command: &mut Command, program: &str) {
        command
            .args(["--target", &self.pid.to_string()])
            .args(["--mount", "--net", "--pid", "--uts", "--ipc", "--", program]);
    }

    /// Runs a program inside the namespaces to its end; returns what it printed.
    pub(crate) fn run(
        &self,
        program: &str,
        arguments: &[&str],
        stdin: &str,
    ) -> Result<String, NetworkError> {
        let mut command = self.command(program);
        command.args(arguments);
        to_end(
            command,
            &format!("{program} {}", arguments.join(" ")),
            stdin,
        )
    }

    /// Calls `action` on a thread of its own inside the lab's network namespace. Sockets that it
    /// opens stay there, whoever uses them later; commands that it starts run there.
    pub(crate) fn within<T: Send>(
        &self,
        action: impl FnOnce() -> T + Send,
    ) -> Result<T, NetworkError> {
        let joined = thread::scope(|scope| {
            let inside = move || {
                move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(action())
            };
            scope.spawn(inside).join()
        });
        let panicked = |_| Err(io::Error::other("a thread inside the lab panicked"));
        joined
            .unwrap_or_else(panicked)
            .map_err(NetworkError::Namespaces)
    }

    /// Starts a thread inside the lab's network namespace; sockets that `action` opens lie there.
    pub(crate) fn spawn(
        &self,
        action: impl FnOnce() + Send + 'static,
    ) -> Result<thread::JoinHandle<()>, NetworkError> {
        let network = self.network.try_clone();
        let network = network.map_err(NetworkError::Namespaces)?;
        let (tell, told) = channel();
        let inside = move || {
            let namespace = Some(LinkNameSpaceType::Network);
            let moved = move_into_link_name_space(network.as_fd(), namespace);
            drop(network);
            let is_inside = moved.is_ok();
            if tell.send(moved).is_ok() && is_inside {
                action();
            }
        };
        let thread = thread::Builder::new().spawn(inside);
        let thread = thread.map_err(NetworkError::Namespaces)?;
        let gone = |_| Err(rustix::io::Errno::SRCH);
        match told.recv().unwrap_or_else(gone) {
            Ok(()) => Ok(thread),
            Err(error) => Err(NetworkError::Namespaces(error.into())),
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.keep.take());
        if let Some(keeper) = self.keeper.take() {
            drop(keeper.join());
        }
    }
}

/// A command that runs in the control group at `group`.
pub(crate) fn in_group(group: &Path, program: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", ENTER, "enter"]).arg(group).arg(program);
    command
}

/// Runs a command to its end; returns what it printed.
fn to_end(mut command: Command, named: &str, stdin: &str) -> Result<String, NetworkError> {
    let start = |source| NetworkError::Start {
        program: named.to_owned(),
        source,
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that ends without reading its input is judged by its exit code.
        drop(pipe.write_all(stdin.as_bytes()));
    }
    let output = child.wait_with_output().map_err(start)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = output.stderr.trim_ascii_end();
    let last = said.get(said.len().saturating_sub(SAID_BYTES)..);
    Err(NetworkError::Program {
        program: named.to_owned(),
        said: String::from_utf8_lossy(last.unwrap_or(said)).into_owned(),
    })
}

fn spawn(group: &Path) -> Result<(Child, ChildStdin, Started), NetworkError> {
    let mut command = Command::new("setpriv");
    let shell = in_group(group, "unshare");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(shell.get_program())
        .args(shell.get_args())
        .args(["--mount", "--propagation", "private"])
        .args(["--pid", "--ipc", "--uts", "--net"])
        .args(["--fork", "--kill-child=KILL", "--mount-proc", "--"])
        // Ignoring SIGCHLD makes the kernel reap what process 1 inherits.
        .args(["env", "--ignore-signal=SIGCHLD", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Interrupting the lab at a terminal must not interrupt what it holds.
        .process_group(0);
    let mut child = command.spawn().map_err(|source| NetworkError::Start {
        program: "setpriv".to_owned(),
        source,
    })?;
    match greet(&mut child, group) {
        Ok((stdin, started)) => Ok((child, stdin, started)),
        Err(source) => {
            drop(child.kill());
            drop(child.wait());
            Err(NetworkError::Namespaces(source))
        }
    }
}

/// What comes back from `cat` says that it runs, inside namespaces that are ready.
fn greet(child: &mut Child, group: &Path) -> io::Result<(ChildStdin, Started)> {
    let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
    let mut stdin = child.stdin.take().ok_or_else(closed)?;
    let mut stdout = child.stdout.take().ok_or_else(closed)?;
    stdin.write_all(b"\n")?;
    stdout.read_exact(&mut [0_u8])?;
    let procs = std::fs::read_to_string(group.join("cgroup.procs"))?;
    let pid = procs
        .lines()
        .filter_map(|line| line.parse().ok())
        .find(|pid| *pid != child.id())
        .ok_or_else(closed)?;
    let namespace: PathBuf = format!("/proc/{pid}/ns/net").into();
    let network = File::open(namespace)?;
    Ok((stdin, Started { pid, network }))
}
