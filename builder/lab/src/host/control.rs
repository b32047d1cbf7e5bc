//! Owns the host's socket for commands: who may speak, one request and one answer a connection.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::fault::{Active, Fault};
use crate::node::{LabError, Part};

use super::protocol::{Answer, FaultEntry, Request};
use super::status::{self, Status};
use super::{HostError, Shared};

/// A command says what it wants at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often what happens meanwhile is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// No request is longer.
const REQUEST_BYTES: u64 = 64 * 1024;

/// Makes the socket; only root may speak.
pub(super) fn listen(path: &Path) -> Result<UnixListener, HostError> {
    let failed = |verb| {
        let path = path.to_owned();
        move |source| HostError::Control { verb, path, source }
    };
    let listener = UnixListener::bind(path).map_err(failed("listen on"))?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed("protect"))?;
    Ok(listener)
}

/// Answers commands, each in a thread of its own, until one ends the lab. `meanwhile` is called again
/// and again.
pub(super) fn answer_until_down(
    listener: &UnixListener,
    shared: &Arc<Shared>,
    meanwhile: &mut dyn FnMut(&Shared),
) -> Result<(), HostError> {
    let (down, ended) = channel();
    let accepting = listener.try_clone().map_err(|source| HostError::Control {
        verb: "listen on",
        path: super::control_path(&shared.settings.state_root, &shared.settings.name),
        source,
    })?;
    let weak = Arc::downgrade(shared);
    thread::spawn(move || {
        for stream in accepting.incoming().flatten() {
            let Some(shared) = weak.upgrade() else {
                return;
            };
            let down = down.clone();
            thread::spawn(move || converse(stream, &shared, &down));
        }
    });
    // The sender lives as long as the listener does.
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        meanwhile(shared);
    }
    Ok(())
}

fn converse(mut stream: UnixStream, shared: &Arc<Shared>, down: &Sender<()>) {
    let Some(request) = read(&stream) else {
        return;
    };
    if request == Request::Down {
        // The command sees the end of the lab as the end of its process.
        let _closed = down.send(());
        return;
    }
    let answer = answer(shared, request);
    if let Ok(mut text) = serde_json::to_vec(&answer) {
        text.push(b'\n');
        // A command that is gone wants no answer.
        drop(stream.write_all(&text));
    }
}

fn read(stream: &UnixStream) -> Option<Request> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let mut line = String::new();
    BufReader::new(stream.take(REQUEST_BYTES))
        .read_line(&mut line)
        .ok()?;
    serde_json::from_str(&line).ok()
}

fn answer(shared: &Shared, request: Request) -> Answer {
    let done = match request {
        Request::Status => return Answer::Status(Status::of(shared)),
        Request::Endpoint => return Answer::Endpoint(shared.endpoint.clone()),
        Request::Entrance { node } => {
            instance(shared, &node).and_then(|id| Ok(Answer::Entrance(shared.lab.entrance(&id)?)))
        }
        Request::Console { node } => console(shared, &node),
        Request::Kill { node } => {
            instance(shared, &node).and_then(|id| Ok(done(shared.lab.kill(&id)?)))
        }
        Request::Partition { part } => {
            self::part(shared, &part).and_then(|part| Ok(done(shared.lab.partition(&part)?)))
        }
        Request::Heal { part: None } => shared.lab.heal().map(done).map_err(Refusal::from),
        Request::Heal { part: Some(part) } => {
            self::part(shared, &part).and_then(|part| Ok(done(shared.lab.rejoin(&part)?)))
        }
        Request::AddFault { fault } => add_fault(shared, &fault),
        Request::ListFaults => Ok(Answer::Faults(faults(shared))),
        Request::ClearFaults { id } => clear_faults(shared, id),
        Request::Down => Ok(Answer::Done),
    };
    done.unwrap_or_else(|Refusal { message, hint }| Answer::Refused { message, hint })
}

struct Refusal {
    message: String,
    hint: Option<String>,
}

impl From<LabError> for Refusal {
    fn from(error: LabError) -> Self {
        let hint = error.hint();
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            message.push_str(": ");
            message.push_str(&source.to_string());
            cause = source.source();
        }
        Self { message, hint }
    }
}

impl Refusal {
    fn no_node(node: &str) -> Self {
        Self {
            message: format!("there is no node `{node}`, or it is not the only one of that name"),
            hint: Some("`vmimage lab status` names them".to_owned()),
        }
    }
}

fn done(_: ()) -> Answer {
    Answer::Done
}

fn instance(shared: &Shared, node: &str) -> Result<String, Refusal> {
    status::find(shared, node).ok_or_else(|| Refusal::no_node(node))
}

fn part(shared: &Shared, part: &str) -> Result<Part, Refusal> {
    if shared.settings.regions.iter().any(|region| region == part) {
        return Ok(Part::Region(part.to_owned()));
    }
    Ok(Part::Node(instance(shared, part)?))
}

/// A node that is gone is known by its id alone.
fn console(shared: &Shared, node: &str) -> Result<Answer, Refusal> {
    let id = status::find(shared, node).unwrap_or_else(|| node.to_owned());
    let path = shared.lab.console_path(&id)?;
    if path.is_file() {
        Ok(Answer::Path(path))
    } else {
        Err(Refusal::no_node(node))
    }
}

fn add_fault(shared: &Shared, text: &str) -> Result<Answer, Refusal> {
    let refused = |message: String| Refusal {
        message,
        hint: Some(
            "for example: throttle service=ec2 action=DescribeInstances p=0.3 count=5".to_owned(),
        ),
    };
    let mut fault: Fault = text
        .parse()
        .map_err(|error: crate::fault::FaultError| refused(error.to_string()))?;
    if let Some(node) = &fault.node {
        fault.node = Some(instance(shared, node)?);
    }
    let now = shared.clock.moment().now;
    let added = shared.cloud().add_fault(fault, now);
    let id = added.map_err(|error| refused(error.to_string()))?;
    let mut all = faults(shared);
    all.retain(|entry| entry.id == id);
    Ok(Answer::Faults(all))
}

fn faults(shared: &Shared) -> Vec<FaultEntry> {
    let now = shared.clock.moment().now;
    let cloud = shared.cloud();
    let list = cloud.faults().list().iter();
    list.map(|active: &Active| FaultEntry {
        id: active.id,
        fault: active.fault.to_string(),
        on: active.is_on(now),
        struck: active.hits,
    })
    .collect()
}

fn clear_faults(shared: &Shared, id: Option<u32>) -> Result<Answer, Refusal> {
    let now = shared.clock.moment().now;
    let mut cloud = shared.cloud();
    let Some(id) = id else {
        cloud.clear_faults(now);
        return Ok(Answer::Done);
    };
    if cloud.clear_fault(id, now) {
        Ok(Answer::Done)
    } else {
        Err(Refusal {
            message: format!("there is no fault {id}"),
            hint: Some("`vmimage lab fault list` numbers them".to_owned()),
        })
    }
}
