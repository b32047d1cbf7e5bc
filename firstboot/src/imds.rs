//! Owns the client of EC2's instance metadata service, version 2. It never takes the body of an error
//! or an empty answer for data, and knows the service's two addresses.

use crate::bytes::{Fault, Result, Text, find, parse_number, split};
use crate::clock::{self, Tries};
use crate::console;
use crate::sys::{self, Address, Fd};

/// How long the service may take as a whole to give one answer, in seconds; two minutes outlast every
/// outage that was reported.
const DEADLINE_SECS: u64 = 120;

/// How long a connection may take, in milliseconds.
const CONNECT_MS: u64 = 1_000;

/// How long an answer may take, in milliseconds.
const ANSWER_MS: u64 = 2_000;

const ADDRESSES: [Address; 2] = [
    Address::v4([169, 254, 169, 254], 80),
    Address::metadata_v6(),
];

/// In place of a status: no answer, or none that is whole.
const NO_ANSWER: u64 = 0;

/// The service, its token and its last answer.
#[derive(Debug)]
pub struct Imds {
    token: Text,
    request: Text,
    answer: Text,
    /// The address that answered.
    family: Option<usize>,
}

impl Default for Imds {
    fn default() -> Self {
        Self {
            token: Text::new(1 << 12),
            request: Text::new(1 << 13),
            answer: Text::new(1 << 15),
            family: None,
        }
    }
}

impl Imds {
    /// The data at a path below `latest/`; `None` if there is none.
    pub fn get(&mut self, path: &[u8]) -> Result<Option<&[u8]>> {
        let mut tries = Tries::for_secs(DEADLINE_SECS);
        loop {
            let is_renewal = self.token.get().is_empty();
            let what = if is_renewal { b"api/token" } else { path };
            self.request
                .clear()
                .push(if is_renewal { b"PUT" } else { b"GET" })
                .push(b" /latest/")
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
                .number(status)
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
        Ok(body(self.answer.get()))
    }

    /// Sends the request and reads the answer; gives its status. What is said without words, or with
    /// a page meant for people, is no answer.
    fn ask(&mut self) -> u64 {
        self.answer.clear();
        let Some(socket) = self.connect() else {
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

    /// Connects to the address that answered before, or to whichever is faster.
    fn connect(&mut self) -> Option<Fd> {
        let mut sockets = [-1; 2];
        for (index, socket) in sockets.iter_mut().enumerate() {
            if self.family.is_none_or(|known| known == index) {
                *socket = sys::connect(&ADDRESSES[index]).unwrap_or(-1);
            }
        }
        let mut found = None;
        let until = clock::now_ms() + CONNECT_MS;
        while found.is_none() && sockets != [-1; 2] {
            let left = until.saturating_sub(clock::now_ms());
            let ready = sys::wait_for(sockets, true, left);
            if ready == [false; 2] {
                break;
            }
            for index in 0..2 {
                if ready[index] && found.is_none() {
                    if sys::connected(sockets[index]).is_ok() {
                        (found, self.family) = (Some(sockets[index]), Some(index));
                    } else {
                        sys::close(sockets[index]);
                    }
                    sockets[index] = -1;
                }
            }
        }
        for socket in sockets.into_iter().filter(|socket| *socket >= 0) {
            sys::close(socket);
        }
        if found.is_none() {
            self.family = None;
        }
        found
    }

    /// Reads until the answer is complete; false if it never is.
    fn receive(&mut self, socket: Fd) -> bool {
        let until = clock::now_ms() + ANSWER_MS;
        let mut part = [0; 2048];
        loop {
            let left = until.saturating_sub(clock::now_ms());
            if left == 0 || !sys::wait_for([socket, -1], false, left)[0] {
                return false;
            }
            let Ok(read) = sys::read(socket, &mut part) else {
                return false;
            };
            self.answer.push(&part[..read]);
            let Ok(answer) = self.answer.whole() else {
                return false;
            };
            match announced(answer) {
                Some(length) if body(answer).len() >= length => return true,
                // The connection was closed within the body.
                Some(_) if read == 0 => return false,
                None if read == 0 => return find(answer, b"\r\n\r\n").is_some(),
                _ => {}
            }
        }
    }
}

/// The status of an HTTP answer.
fn status(answer: &[u8]) -> Option<u64> {
    let version = answer.strip_prefix(b"HTTP/1.")?;
    parse_number(version.get(2..5)?)
}

fn body(answer: &[u8]) -> &[u8] {
    split(answer, b"\r\n\r\n").1
}

/// How long the body will be, once the head is there; an encoding that is not understood counts as
/// longer than anything.
fn announced(answer: &[u8]) -> Option<usize> {
    let head = &answer[..find(answer, b"\r\n\r\n")?];
    for line in head.split(|byte| *byte == b'\n') {
        let (name, value) = split(line, b":");
        if name.eq_ignore_ascii_case(b"content-length") {
            return parse_number(value.trim_ascii()).map(|length| length as usize);
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Some(usize::MAX);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{announced, body, status};

    #[test]
    fn answers_are_taken_apart() {
        let answer = b"HTTP/1.1 404 Not Found\r\ncontent-LENGTH: 12\r\n\r\n<html></html>";
        assert_eq!((status(answer), announced(answer)), (Some(404), Some(12)));
        assert_eq!(body(answer), b"<html></html>");
        let open = b"HTTP/1.0 200 OK\r\nX: y\r\n\r\ni-1";
        assert_eq!(
            (status(open), announced(open), body(open)),
            (Some(200), None, &b"i-1"[..])
        );
        assert_eq!(
            announced(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Some(usize::MAX)
        );
        assert_eq!(announced(b"HTTP/1.1 200 OK\r\nContent-Length: 1"), None);
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
