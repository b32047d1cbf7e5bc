//! Owns running a host program with a time limit and without the host's environment.

use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Its status.
    pub(crate) status: ExitStatus,
    /// What it wrote to stdout.
    pub(crate) stdout: String,
    /// What it wrote to stderr.
    pub(crate) stderr: String,
}

/// Runs `command` with an empty stdin and captured outputs; kills it when `limit` has passed.
pub(crate) fn run_bounded(command: &mut Command, limit: Duration) -> io::Result<Outcome> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (sender, receiver) = channel();
    let outputs: [Option<Box<dyn Read + Send>>; 2] = [
        child
            .stdout
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        child
            .stderr
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
    ];
    for (index, pipe) in outputs.into_iter().enumerate() {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let result = pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes));
            drop(sender.send((index, result.map(|_| bytes))));
        });
    }
    drop(sender);
    let until = Instant::now() + limit;
    let mut texts = [String::new(), String::new()];
    for _ in 0..texts.len() {
        match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((index, bytes)) => {
                if let Some(text) = texts.get_mut(index) {
                    *text = String::from_utf8_lossy(&bytes?).into_owned();
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                child.kill()?;
                child.wait()?;
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("it did not end within {} seconds", limit.as_secs()),
                ));
            }
        }
    }
    // Both outputs are closed, so the program has ended or is ending.
    let status = child.wait()?;
    let [stdout, stderr] = texts;
    Ok(Outcome {
        status,
        stdout,
        stderr,
    })
}
