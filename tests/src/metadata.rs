//! A metadata service with faults, in a network namespace of its own. Needs root.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "helpers of a test may panic as the test itself may"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use vmimage_lab::imds::{Connection, Imds, Instance};

/// What the service does with one request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Answers as EC2 would.
    Right,
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends these bytes again and again, as long as the client takes them.
    Endless(&'static [u8]),
    /// Resets the connection.
    Reset,
    /// Says nothing until the client gives up.
    Silence,
}

/// An error such as EC2's, with a body that must never be taken for data.
pub fn status(code: u16) -> Answer {
    let body = "#!/bin/sh\necho the body of an error was run\n";
    answer(code, body.as_bytes())
}

/// An answer of this status with this body.
pub fn answer(code: u16, body: &[u8]) -> Answer {
    let mut bytes = format!(
        "HTTP/1.1 {code} x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    Answer::Bytes(bytes)
}

/// What happens to the requests for a path, in order; after the last one all goes right.
pub type Faults = &'static [(&'static str, fn() -> Vec<Answer>)];

/// A network namespace, gone when dropped.
#[derive(Debug)]
pub struct Namespace(pub String);

impl Namespace {
    /// Listens in the namespace; the listener works from any thread.
    pub fn bind(&self, address: &'static str) -> TcpListener {
        let file = File::open(format!("/run/netns/{}", self.0)).unwrap();
        let bound = std::thread::spawn(move || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            TcpListener::bind(address).unwrap()
        });
        bound.join().unwrap()
    }

    /// A new one, in which loopback has the service's address.
    #[expect(
        clippy::new_without_default,
        reason = "it makes something outside of this process"
    )]
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let name = format!("vmimage-launch-{}-{number}", std::process::id());
        ip(&["netns", "add", &name]);
        let namespace = Self(name);
        // On the loopback interface, because not every kernel has dummy ones.
        namespace.ip(&["addr", "add", "169.254.169.254/32", "dev", "lo"]);
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// Runs `ip` in it.
    pub fn ip(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.0], arguments].concat());
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        Command::new("ip")
            .args(["netns", "del", &self.0])
            .status()
            .expect("ip is installed");
    }
}

/// Runs `ip`, which must succeed.
#[track_caller]
pub fn ip(arguments: &[&str]) {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .expect("ip (iproute2) is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "ip {arguments:?} (this test needs root): {said}"
    );
}

/// Serves in the namespace, from a thread that stays there until the test process ends.
pub fn listen(
    namespace: &Namespace,
    instance: Instance,
    faults: Faults,
) -> Arc<Mutex<Vec<String>>> {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&requests);
    let listener = namespace.bind("169.254.169.254:80");
    std::thread::spawn(move || {
        let mut imds = Imds::new(instance, 1);
        let mut pending: BTreeMap<_, _> = faults
            .iter()
            .map(|(path, answers)| (*path, answers().into_iter()))
            .collect();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(10)))
                .unwrap();
            let Some(line) = peek_request_line(&stream) else {
                continue;
            };
            log.lock().unwrap().push(line.clone());
            let path = line.split(' ').nth(1).unwrap().to_owned();
            let next = pending.get_mut(path.as_str()).and_then(Iterator::next);
            serve(&mut stream, &mut imds, next.unwrap_or(Answer::Right));
        }
    });
    requests
}

/// The request line without the version, without taking it.
pub fn peek_request_line(stream: &TcpStream) -> Option<String> {
    let mut buffer = [0_u8; 2_048];
    let read = stream.peek(&mut buffer).ok().filter(|read| *read > 0)?;
    let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
    Some(
        text.lines()
            .next()?
            .trim_end_matches(" HTTP/1.1")
            .to_owned(),
    )
}

/// Errors are the client's doing: it may go whenever it likes.
pub fn serve(stream: &mut TcpStream, imds: &mut Imds, answer: Answer) {
    let mut buffer = [0_u8; 4_096];
    let bytes = match answer {
        // What has not been read makes the kernel reset the connection.
        Answer::Reset => return,
        Answer::Right => {
            let read = stream.read(&mut buffer).unwrap_or(0);
            Connection::new().receive(&buffer[..read], imds, Duration::ZERO)
        }
        Answer::Bytes(bytes) => {
            let _request = stream.read(&mut buffer);
            bytes
        }
        Answer::Endless(bytes) => {
            let _request = stream.read(&mut buffer);
            while stream.write_all(bytes).is_ok() {}
            return;
        }
        Answer::Silence => {
            while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
            return;
        }
    };
    let _gone = stream.write_all(&bytes);
}
