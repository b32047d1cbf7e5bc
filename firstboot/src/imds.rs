//! Owns the client of EC2's instance metadata service, version 2. It never takes the body of an error
//! or an empty answer for data, and knows the service's two addresses.

use crate::bytes::{Fault, Result, Text, find, parse_number, split};
use crate::clock::{self, Tries};
use crate::console;
use crate::sys::{self, Address, Fd};

/// How long the service may take as a whole to give one answer; two minutes outlast every outage
/// that was reported.
const DEADLINE_SECS: u64 = 120;

/// How long a connection may take, in milliseconds.
const CONNECT_MS: u64 = 1_000;

/// How long an answer may take, in milliseconds.
const ANSWER_MS: u64 = 2_000;

const ADDRESSES: [Address; 2] = [
    Address::v4([169, 254, 169, 254], 80),
    Address::metadata_v6(),
];

const NO_ANSWER: Fault = Fault("the metadata service does not answer");
const NO_ACCESS: Fault = Fault("the metadata service is disabled for this instance");

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

/// What one request came to.
enum Said<'a> {
    Data(&'a [u8]),
    Nothing,
    /// The token is not valid (any more).
    Stale,
    Refused,
    /// Worth another try; the status, or 0 if there was none.
    Trouble(u64),
}

impl Imds {
    /// The data at a path below `latest/`; `None` if there is none.
    pub fn get(&mut self, path: &[u8]) -> Result<Option<&[u8]>> {
        let mut tries = Tries::for_secs(DEADLINE_SECS);
        loop {
            if self.token.get().is_empty() {
                self.renew(&mut tries)?;
            }
            self.request.clear().push_all(&[
                b"GET /latest/",
                path,
                b" HTTP/1.1\r\nX-aws-ec2-metadata-token: ",
                self.token.get(),
            ]);
            match self.ask() {
                // The borrow checker cannot see that the loop ends here.
                Said::Data(_) => break,
                Said::Nothing => return Ok(None),
                Said::Refused => return Err(NO_ACCESS),
                Said::Stale => drop(self.token.clear()),
                Said::Trouble(status) => trouble(path, status),
            }
            if !tries.again() {
                return Err(NO_ANSWER);
            }
        }
        Ok(Some(body(self.answer.get())))
    }

    /// The data at a path that every instance has: 404 is waited out as well.
    pub fn must(&mut self, path: &[u8]) -> Result<&[u8]> {
        let mut tries = Tries::for_secs(DEADLINE_SECS);
        while self.get(path)?.is_none() {
            if !tries.again() {
                return Err(Fault("the metadata service does not have"));
            }
        }
        Ok(body(self.answer.get()))
    }

    fn renew(&mut self, tries: &mut Tries) -> Result<()> {
        loop {
            // Long enough for a launch; 401 renews it in any case.
            self.request.clear().push(
                b"PUT /latest/api/token HTTP/1.1\r\nContent-Length: 0\r\nX-aws-ec2-metadata-token-ttl-seconds: 21600",
            );
            match self.ask() {
                Said::Data(token) if token.iter().all(u8::is_ascii_graphic) => {
                    break;
                }
                Said::Refused => return Err(NO_ACCESS),
                Said::Data(_) => trouble(b"api/token", 200),
                // 404 is seen while an instance comes up.
                Said::Nothing | Said::Stale => trouble(b"api/token", 404),
                Said::Trouble(status) => trouble(b"api/token", status),
            }
            if !tries.again() {
                return Err(NO_ANSWER);
            }
        }
        let token = body(self.answer.get());
        self.token.clear().push(token).whole().map(drop)
    }

    /// Sends the request that is written, up to its last header, and reads the answer.
    fn ask(&mut self) -> Said<'_> {
        self.request
            .push(b"\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n");
        self.answer.clear();
        let Some(socket) = self.connect() else {
            return Said::Trouble(0);
        };
        let is_complete =
            sys::write_all(socket, self.request.get()).is_ok() && self.receive(socket);
        sys::close(socket);
        if !is_complete {
            return Said::Trouble(0);
        }
        match status(self.answer.get()) {
            // What is said without words, or with a page meant for people, is no data.
            Some(200) => match body(self.answer.get()) {
                [] | [b'<', ..] => Said::Trouble(200),
                data => Said::Data(data),
            },
            Some(401) => Said::Stale,
            Some(400 | 403) => Said::Refused,
            Some(404) => Said::Nothing,
            other => Said::Trouble(other.unwrap_or(0)),
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

fn trouble(path: &[u8], status: u64) {
    let mut line = console::Line::new();
    line.text(b"metadata service: latest/").text(path);
    match status {
        0 => line.text(b" is not answered"),
        _ => line.text(b" is answered with ").number(status),
    };
    line.text(b", trying again");
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
