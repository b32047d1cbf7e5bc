//! Owns one client connection: bytes in, responses out, and a driver over any stream. Must not open
//! sockets: who listens where is the caller's business.

use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Imds;
use super::Interference;
use super::http::{MAX_HEAD_BYTES, Request, Response, head_end};

/// No request of this service has a body worth more.
const MAX_BODY_BYTES: u64 = 65_536;

/// What a client has sent so far. Requests may arrive in pieces and one after the other.
#[derive(Debug, Default)]
pub struct Connection {
    pending: Vec<u8>,
    skip: u64,
    closed: bool,
    reset: bool,
}

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// One of the two closed it.
    Closed,
    /// It is to be reset: whoever owns the socket closes it without lingering.
    Reset,
}

impl Connection {
    /// A connection that has just been accepted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the client and returns what to send back, which may be nothing yet.
    pub fn receive(&mut self, bytes: &[u8], imds: &mut Imds, now: Duration) -> Vec<u8> {
        self.receive_with(bytes, imds, now, &mut |_path| None)
    }

    /// The same, where `interfere` says for each request, by its path, what goes wrong with it.
    pub fn receive_with(
        &mut self,
        bytes: &[u8],
        imds: &mut Imds,
        now: Duration,
        interfere: &mut dyn FnMut(&str) -> Option<Interference>,
    ) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        let mut out = Vec::new();
        while let Some(answer) = self.next_answer(imds, now, interfere) {
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

    /// Whether it ends by a reset.
    pub fn is_reset(&self) -> bool {
        self.reset
    }

    fn next_answer(
        &mut self,
        imds: &mut Imds,
        now: Duration,
        interfere: &mut dyn FnMut(&str) -> Option<Interference>,
    ) -> Option<Vec<u8>> {
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
        let response = imds.answer(&request, now);
        let answer = response.to_bytes(request.head_only());
        let interference = interfere(request.path);
        self.pending.drain(..end);
        let Some(interference) = interference else {
            return Some(answer);
        };
        if interference.ends_connection() {
            self.closed = true;
            self.reset = interference == Interference::Reset;
            self.pending.clear();
        }
        Some(interference.apply(answer, response.body_bytes()))
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
    serve_with(stream, imds, now, &mut |_path| None).map(drop)
}

/// The same, where `interfere` says for each request, by its path, what goes wrong with it.
pub fn serve_with<S: Read + Write>(
    stream: &mut S,
    imds: &Mutex<Imds>,
    now: &dyn Fn() -> Duration,
    interfere: &mut dyn FnMut(&str) -> Option<Interference>,
) -> io::Result<Ending> {
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
            let bytes = buffer.get(..read).unwrap_or(&buffer);
            let mut imds = imds.lock().unwrap_or_else(PoisonError::into_inner);
            connection.receive_with(bytes, &mut imds, now(), interfere)
        };
        stream.write_all(&answer)?;
        stream.flush()?;
        if connection.is_reset() {
            return Ok(Ending::Reset);
        }
        if read == 0 || connection.is_closed() {
            return Ok(Ending::Closed);
        }
    }
}
