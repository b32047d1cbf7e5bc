//! Owns running a command inside a node. Must not know how the node came to run.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use super::LabError;
use super::cgroup::Group;
use crate::network::in_group;

/// The group of commands beside the node's own.
pub(super) const GROUP: &str = "exec";

/// What a login as root would have.
const ENVIRONMENT: [(&str, &str); 5] = [
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("HOME", "/root"),
    ("USER", "root"),
    ("LANG", "C.UTF-8"),
    ("SHELL", "/bin/bash"),
];

/// The way into a running node. It can be sent to another process of this machine, so that a command
/// has the terminal of whoever asked for it. It leads nowhere once the node is off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entrance {
    node: String,
    leader: u32,
    group: PathBuf,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Output {
    /// Its exit code; 128 + the signal's number where a signal ended it; 125 when the node was gone.
    pub code: i32,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
}

impl Entrance {
    /// Finds process 1 of the node whose group this is.
    pub(super) fn find(node: &str, group: &Group) -> Result<Self, LabError> {
        let off = || LabError::NodeOff {
            node: node.to_owned(),
        };
        let leader = group.processes().into_iter().find(|pid| is_first(*pid));
        Ok(Self {
            node: node.to_owned(),
            leader: leader.ok_or_else(off)?,
            group: group.below(GROUP).path().to_owned(),
        })
    }

    /// A command inside the node, as root in `/`. Its standard streams, unless set otherwise, are
    /// those of this process. Whoever ends the started process, by whatever signal, ends the command
    /// in the node as well, and so does the end of the node.
    pub fn command(&self, argv: &[&str]) -> Command {
        let mut command = in_group(&self.group, "nsenter");
        command
            .args(["--target", &self.leader.to_string()])
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"])
            .args(["--", "setpriv", "--pdeathsig", "KILL", "--"])
            .args(argv)
            .env_clear()
            .envs(ENVIRONMENT);
        command
    }

    /// Runs a command to its end, with `stdin` as its input.
    pub fn run(&self, argv: &[&str], stdin: &[u8], timeout: Duration) -> Result<Output, LabError> {
        to_end(self.command(argv), stdin, timeout).map_err(|failure| match failure {
            Failure::Io(source) => LabError::File {
                action: "run a command in a node with",
                path: PathBuf::from("nsenter"),
                source,
            },
            Failure::TooLong => LabError::TooLong {
                node: self.node.clone(),
                what: format!("`{}`", argv.join(" ")),
                seconds: timeout.as_secs(),
            },
        })
    }
}

enum Failure {
    Io(io::Error),
    TooLong,
}

enum Heard {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
}

fn to_end(mut command: Command, stdin: &[u8], timeout: Duration) -> Result<Output, Failure> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(Failure::Io)?;
    let (tell, told) = channel();
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let heard = thread::scope(|scope| {
        let (input, output, errors) = pipes;
        if let Some(mut pipe) = input {
            // A command that ends without reading its input is judged by its exit code.
            scope.spawn(move || drop(pipe.write_all(stdin)));
        }
        for (pipe, wrap) in [
            (
                output.map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
                Heard::Stdout as fn(_) -> _,
            ),
            (
                errors.map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
                Heard::Stderr as fn(_) -> _,
            ),
        ] {
            let tell = tell.clone();
            scope.spawn(move || {
                let mut bytes = Vec::new();
                // What came before a failure is what there is.
                drop(pipe.map(|mut pipe| pipe.read_to_end(&mut bytes)));
                drop(tell.send(wrap(bytes)));
            });
        }
        drop(tell);
        let deadline = Instant::now() + timeout;
        let mut heard = (Vec::new(), Vec::new());
        for _ in 0..2 {
            match told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Heard::Stdout(bytes)) => heard.0 = bytes,
                Ok(Heard::Stderr(bytes)) => heard.1 = bytes,
                Err(_) => {
                    // Its pipes close with it, which lets the threads end.
                    kill_group(&child)?;
                    return Err(Failure::TooLong);
                }
            }
        }
        Ok(heard)
    });
    let status = child.wait().map_err(Failure::Io)?;
    let (stdout, stderr) = heard?;
    let signal = status.signal().map(|signal| 128 + signal);
    Ok(Output {
        code: status.code().or(signal).unwrap_or(-1),
        stdout,
        stderr,
    })
}

/// Ends a command with what it has started. Its first process alone would not do: until the one inside
/// the node has asked for its death signal, nothing ties it to the first.
fn kill_group(child: &Child) -> Result<(), Failure> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let killed = group.map_or(Ok(()), |group| kill_process_group(group, Signal::KILL));
    killed.map_err(|errno| Failure::Io(errno.into()))
}

/// Whether a process is the first one in a PID namespace of its own.
fn is_first(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    is_first_in(&status)
}

fn is_first_in(status: &str) -> bool {
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    pids.is_some_and(|pids| pids.split_ascii_whitespace().last() == Some("1"))
}

#[cfg(test)]
mod tests {
    use super::{Failure, is_first_in, to_end};
    use std::process::Command;
    use std::time::{Duration, Instant};

    #[test]
    fn process_1_is_told_by_its_innermost_number() {
        assert!(is_first_in(
            "Name:\tsystemd\nNSpid:\t16704\t14\t1\nNSpgid:\t1\n"
        ));
        assert!(!is_first_in("Name:\tnspawn\nNSpid:\t16690\t11\n"));
        assert!(!is_first_in(""));
    }

    #[test]
    fn output_input_and_code_pass_through() {
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo problem >&2; exit 7"]);
        let Ok(output) = to_end(command, b"input", Duration::from_secs(20)) else {
            panic!("it ran");
        };
        assert_eq!(output.code, 7);
        assert_eq!(output.stdout, b"input");
        assert_eq!(output.stderr, b"problem\n");
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let mut command = Command::new("sleep");
        command.arg("60");
        let started = Instant::now();
        let result = to_end(command, b"", Duration::from_millis(50));
        assert!(matches!(result, Err(Failure::TooLong)));
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
