//! Owns the client of EC2's instance metadata service, version 2. It never takes the body of an error
//! or an empty answer for data, and knows the service's two addresses.

use crate::bytes::{Fault, Result, Text, between, parse_number, split};
use crate::clock::{self, Tries};
use crate::console;
use crate::sys::{self, Address, Fd};

/// How long the service may take as a whole to give one answer, in seconds; two minutes outlast every
/// outage that was reported.
const DEADLINE_SECS: u64 = 120;

/// How long a connection, and each part of an answer, may take, in seconds.
const ANSWER_SECS: u64 = 2;

const ADDRESSES: [Address; 2] = [
    Address::v4([169, 254, 169, 254], 80),
    Address::metadata_v6(),
];

/// In place of a status: no answer, or none that is whole.
const NO_ANSWER: u32 = 0;

/// The service, its token and its last answer.
#[derive(Debug, Default)]
pub struct Imds {
    token: Text,
    request: Text,
    answer: Text,
    /// Which of the addresses is asked.
    family: usize,
}

impl Imds {
    /// The data at a path below `latest/meta-data/`; `None` if there is none.
    pub fn get(&mut self, path: &[u8]) -> Result<Option<&[u8]>> {
        let mut tries = Tries::for_secs(DEADLINE_SECS);
        loop {
            let is_renewal = self.token.get().is_empty();
            let what = if is_renewal { b"api/token" } else { path };
            self.request
                .clear()
                .push(if is_renewal { b"PUT" } else { b"GET" })
                .push(b" /latest/")
                .push(if is_renewal { b"" } else { b"meta-data/" })
                .push(what);
            // As long as tokens live at most; 401 renews it in any case.
            self.request
                .push(b" HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\nContent-Length: 0\r\nX-aws-ec2-metadata-token")
                .push(if is_renewal { b"-ttl-seconds: 21600" } else { b": " })
                .push(self.token.get())
                .push(b"\r\n\r\n");
            let status = self.ask();
            match status {
                200 if is_renewal => {
                    let token = body(self.answer.get()).trim_ascii();
                    self.token.push(token);
                    continue;
                }
                200 => return Ok(Some(body(self.answer.get()))),
                // While an instance comes up there are no tokens.
                404 if !is_renewal => return Ok(None),
                400 | 403 => return Err(Fault::NoAccess),
                401 => drop(self.token.clear()),
                _ => {}
            }
            self.request.clear().push(b"metadata service: ").push(what);
            self.request
                .push(b" is answered with ")
                .number(status.into())
                .push(b", trying again");
            console::say(self.request.get());
            if !tries.again() {
                return Err(Fault::NoMetadata);
            }
        }
    }

    /// The data at a path that every instance has: 404 is waited out as well.
    pub fn must(&mut self, path: &[u8]) -> Result<&[u8]> {
        let mut tries = Tries::for_secs(DEADLINE_SECS);
        while self.get(path)?.is_none() {
            if !tries.again() {
                return Err(Fault::NoMetadata);
            }
        }
        Ok(self.last())
    }

    /// The data of the last answer.
    pub fn last(&self) -> &[u8] {
        body(self.answer.get())
    }

    /// Sends the request and reads the answer; gives its status. What is said without words, or with
    /// a page meant for people, is no answer.
    fn ask(&mut self) -> u32 {
        self.answer.clear();
        let Ok(socket) = sys::connect(&ADDRESSES[self.family], ANSWER_SECS) else {
            // Where there is one address only, the other answers next time.
            self.family ^= 1;
            return NO_ANSWER;
        };
        let is_whole = sys::write_all(socket, self.request.get()).is_ok() && self.receive(socket);
        sys::close(socket);
        let answer = self.answer.get();
        match status(answer) {
            Some(200) if matches!(body(answer), [] | [b'<', ..]) => NO_ANSWER,
            Some(status) if is_whole => status,
            _ => NO_ANSWER,
        }
    }

    /// Reads until the connection is closed; false if that was within the body.
    fn receive(&mut self, socket: Fd) -> bool {
        let until = clock::now_ms() + ANSWER_SECS * 1_000;
        let mut part = [0; 2048];
        while clock::now_ms() < until {
            match sys::read(socket, &mut part) {
                Ok(0) => {
                    return announced(self.answer.get())
                        .is_none_or(|length| body(self.answer.get()).len() == length);
                }
                Ok(read) => drop(self.answer.push(&part[..read])),
                Err(_) => break,
            }
        }
        false
    }
}

/// The status of an HTTP answer.
fn status(answer: &[u8]) -> Option<u32> {
    let version = answer.strip_prefix(b"HTTP/1.")?;
    parse_number(version.get(2..5)?)
}

fn body(answer: &[u8]) -> &[u8] {
    split(answer, b"\r\n\r\n").1
}

/// How long the head says that the body is. (RFC 9110 lets letters be of either case; EC2 and
/// everybody who stands in for it writes one of these.)
fn announced(answer: &[u8]) -> Option<usize> {
    let head = split(answer, b"\r\n\r\n").0;
    let value =
        between(head, b"ontent-Length:", b"\r").or_else(|| between(head, b"ontent-length:", b"\r"));
    value
        .and_then(|value| parse_number(value.trim_ascii()))
        .map(|length| length as usize)
}

/// Reads an answer in every way, for the fuzz test.
#[cfg(test)]
pub(crate) fn taken_apart(answer: &[u8]) {
    let _taken = (status(answer), body(answer), announced(answer));
}

#[cfg(test)]
mod tests {
    use super::{announced, body, status};

    #[test]
    fn answers_are_taken_apart() {
        let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\nX: y\r\n\r\n<html></html>";
        assert_eq!((status(answer), announced(answer)), (Some(404), Some(12)));
        assert_eq!(body(answer), b"<html></html>");
        let open = b"HTTP/1.0 200 OK\r\nX: y\r\n\r\ni-1";
        assert_eq!(
            (status(open), announced(open), body(open)),
            (Some(200), None, &b"i-1"[..])
        );
        for broken in [
            &b""[..],
            b"HTTP/1.1",
            b"HTTP/2 200",
            b"<html>",
            b"HTTP/1.1 2x0 OK",
        ] {
            assert_eq!(status(broken), None, "{broken:?}");
        }
    }
}
