//! Owns how a command speaks to the host of a lab.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Answer, HostError, Request, control_path};

/// The longest a request takes: a node's power is cut within a minute.
const PATIENCE: Duration = Duration::from_secs(90);

/// The host of a lab, as seen from a command.
#[derive(Clone, Debug)]
pub struct Client {
    name: String,
    socket: PathBuf,
}

impl Client {
    /// The host of the lab of this name, whether it runs or not.
    pub fn new(state_root: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            socket: control_path(state_root, name),
        }
    }

    /// Asks, and waits for the answer. What the host refuses is an error.
    pub fn ask(&self, request: &Request) -> Result<Answer, HostError> {
        let mut stream = self.send(request)?;
        let mut line = String::new();
        BufReader::new(&mut stream)
            .read_line(&mut line)
            .map_err(self.failed("hear from"))?;
        match serde_json::from_str(&line) {
            Ok(Answer::Refused { message, hint }) => Err(HostError::Refused { message, hint }),
            Ok(answer) => Ok(answer),
            Err(_) => Err(HostError::Protocol {
                name: self.name.clone(),
            }),
        }
    }

    /// Tells the host to end the lab; it has not yet when this returns.
    pub fn end(&self) -> Result<(), HostError> {
        self.send(&Request::Down).map(drop)
    }

    fn send(&self, request: &Request) -> Result<UnixStream, HostError> {
        let mut stream = UnixStream::connect(&self.socket).map_err(|source| {
            let nobody = [ErrorKind::NotFound, ErrorKind::ConnectionRefused];
            if nobody.contains(&source.kind()) {
                HostError::NoLab {
                    name: self.name.clone(),
                }
            } else {
                self.failed("connect to")(source)
            }
        })?;
        let timeout = Some(PATIENCE);
        let set = stream
            .set_read_timeout(timeout)
            .and_then(|()| stream.set_write_timeout(timeout));
        set.map_err(self.failed("connect to"))?;
        let mut text = serde_json::to_vec(request)
            .expect("a request is plain data with keys that are strings");
        text.push(b'\n');
        stream.write_all(&text).map_err(self.failed("speak to"))?;
        Ok(stream)
    }

    fn failed(&self, verb: &'static str) -> impl FnOnce(std::io::Error) -> HostError {
        let path = self.socket.clone();
        move |source| HostError::Control { verb, path, source }
    }
}
