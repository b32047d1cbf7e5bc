//! Owns one program's run: its start in namespaces, its output and its end.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;

use super::{Output, Run, SandboxError, unshared};

/// How many lines an error message shows of what a program said.
const TAIL_LINES: usize = 12;

/// The environment of every program in a tree. The fixed hash seed makes Perl's unordered output
/// (debconf's database, for one) the same each time.
const ENVIRONMENT: [(&str, &str); 9] = [
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("LANG", "C.UTF-8"),
    ("TZ", "UTC"),
    ("TERM", "dumb"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("PERL_HASH_SEED", "0"),
];

enum Said {
    Out(Vec<u8>),
    Err(Vec<u8>),
}

/// Starts the program and waits until it has ended and said everything.
pub(super) fn to_end(
    root: &Path,
    source_date_epoch: i64,
    run: &Run<'_>,
    on_line: &mut dyn FnMut(&str),
) -> Result<Output, SandboxError> {
    let program = run.argv.first().copied().unwrap_or_default();
    let mut child = command(root, source_date_epoch, run)
        .spawn()
        .map_err(|source| SandboxError::Start {
            program: program.to_owned(),
            root: root.display().to_string(),
            source,
        })?;
    let follow = |source| SandboxError::Follow {
        program: program.to_owned(),
        source,
    };
    let lines = read_lines(&mut child).map_err(follow)?;
    let mut heard = Heard::default();
    let result = thread::scope(|scope| {
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends without reading its input is judged by its exit code.
            scope.spawn(move || drop(stdin.write_all(run.stdin.unwrap_or_default())));
        }
        heard.listen(&lines, Instant::now() + run.timeout, on_line)
    });
    if result.is_err() {
        child.kill().map_err(follow)?;
    }
    let status = child.wait().map_err(follow)?;
    match result {
        Ok(()) => Ok(Output {
            code: exit_code(status),
            stdout: heard.stdout,
            tail: tail(heard.tail),
        }),
        Err(TooLong) => Err(SandboxError::Timeout {
            program: program.to_owned(),
            seconds: run.timeout.as_secs(),
            tail: tail(heard.tail),
        }),
    }
}

/// The first process of the namespaces stays outside the tree, and a second one enters it: a program
/// that compares its root with that of process 1 (`systemctl`, `udevadm`, `ischroot`) finds itself in a
/// chroot, as with any other installer, and does not wait for services that nobody runs.
fn command(root: &Path, source_date_epoch: i64, run: &Run<'_>) -> Command {
    let mut command = unshared(&["--net"]);
    command
        .args([
            "--",
            "unshare",
            "--mount-proc",
            "--fork",
            "--kill-child=KILL",
        ])
        .arg("--root")
        .arg(root)
        .args(["--wd", "/", "--"])
        .args(run.argv)
        .env_clear()
        .envs(ENVIRONMENT)
        .env("SOURCE_DATE_EPOCH", source_date_epoch.to_string())
        .stdin(if run.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn read_lines(child: &mut Child) -> io::Result<Receiver<Said>> {
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        spawn_reader(stdout, sender.clone(), Said::Out)?;
    }
    if let Some(stderr) = child.stderr.take() {
        spawn_reader(stderr, sender, Said::Err)?;
    }
    Ok(receiver)
}

/// The thread ends when the last process that holds the pipe does; all of them die with the
/// program's PID namespace.
fn spawn_reader(
    stream: impl Read + Send + 'static,
    sender: Sender<Said>,
    wrap: fn(Vec<u8>) -> Said,
) -> io::Result<()> {
    thread::Builder::new()
        .spawn(move || {
            let mut reader = BufReader::new(stream);
            loop {
                let mut line = Vec::new();
                match reader.read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) if sender.send(wrap(line)).is_err() => return,
                    Ok(_) => {}
                }
            }
        })
        .map(drop)
}

struct TooLong;

#[derive(Default)]
struct Heard {
    stdout: Vec<u8>,
    tail: VecDeque<String>,
}

impl Heard {
    fn listen(
        &mut self,
        lines: &Receiver<Said>,
        deadline: Instant,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<(), TooLong> {
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(said) => self.hear(said, on_line),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => return Err(TooLong),
            }
        }
    }

    fn hear(&mut self, said: Said, on_line: &mut dyn FnMut(&str)) {
        let bytes = match said {
            Said::Out(bytes) => {
                self.stdout.extend_from_slice(&bytes);
                bytes
            }
            Said::Err(bytes) => bytes,
        };
        let text = String::from_utf8_lossy(&bytes);
        let line = text.trim_end_matches(['\n', '\r']);
        on_line(line);
        if !line.is_empty() {
            if self.tail.len() == TAIL_LINES {
                self.tail.pop_front();
            }
            self.tail.push_back(line.to_owned());
        }
    }
}

fn tail(lines: VecDeque<String>) -> String {
    Vec::from(lines).join("\n")
}

fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}
