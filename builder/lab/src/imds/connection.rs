//! Owns one client connection: bytes in, responses out, and a driver over any stream. Must not open
//! sockets: who listens where is the caller's business.

use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Imds;
use super::http::{MAX_HEAD_BYTES, Request, Response, head_end};

/// No request of this service has a body worth more.
const MAX_BODY_BYTES: u64 = 65_536;

/// What a client has sent so far. Requests may arrive in pieces and one after the other.
#[derive(Debug, Default)]
pub struct Connection {
    pending: Vec<u8>,
    skip: u64,
    closed: bool,
}

impl Connection {
    /// A connection that has just been accepted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the client and returns what to send back, which may be nothing yet.
    pub fn receive(&mut self, bytes: &[u8], imds: &mut Imds, now: Duration) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        let mut out = Vec::new();
        while let Some(answer) = self.next_answer(imds, now) {
            out.extend_from_slice(&answer);
        }
        out
    }

    /// The client sends no more: the answer to a request that was cut off.
    pub fn finish(&mut self) -> Vec<u8> {
        if self.closed || self.pending.is_empty() {
            return Vec::new();
        }
        self.refuse(400)
    }

    /// Whether the connection ends once everything has been sent.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn next_answer(&mut self, imds: &mut Imds, now: Duration) -> Option<Vec<u8>> {
        self.skip_body();
        if self.closed {
            return None;
        }
        let Some(end) = head_end(&self.pending) else {
            return (self.pending.len() > MAX_HEAD_BYTES).then(|| self.refuse(431));
        };
        let request = match Request::parse(&self.pending) {
            Ok(request) if request.body_bytes > MAX_BODY_BYTES => return Some(self.refuse(413)),
            Ok(request) => request,
            Err(status) => return Some(self.refuse(status)),
        };
        self.closed = request.close;
        self.skip = request.body_bytes;
        let answer = imds.answer(&request, now).to_bytes(request.head_only());
        self.pending.drain(..end);
        Some(answer)
    }

    /// After a request that was not understood, nothing that follows can be.
    fn refuse(&mut self, status: u16) -> Vec<u8> {
        self.closed = true;
        self.pending.clear();
        Response::error(status).to_bytes(false)
    }

    fn skip_body(&mut self) {
        let skipped = usize::try_from(self.skip)
            .unwrap_or(usize::MAX)
            .min(self.pending.len());
        self.pending.drain(..skipped);
        self.skip -= skipped as u64;
    }
}

/// Serves one client until it closes the connection. Reads block as long as the stream's own timeout
/// lets them; a stream without one waits for its client.
pub fn serve<S: Read + Write>(
    stream: &mut S,
    imds: &Mutex<Imds>,
    now: &dyn Fn() -> Duration,
) -> io::Result<()> {
    let mut connection = Connection::new();
    let mut buffer = [0_u8; 4_096];
    loop {
        let read = match stream.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let answer = if read == 0 {
            connection.finish()
        } else {
            let mut imds = imds.lock().unwrap_or_else(PoisonError::into_inner);
            connection.receive(buffer.get(..read).unwrap_or(&buffer), &mut imds, now())
        };
        stream.write_all(&answer)?;
        stream.flush()?;
        if read == 0 || connection.is_closed() {
            return Ok(());
        }
    }
}
