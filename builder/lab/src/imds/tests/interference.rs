//! What a node sees when its metadata service is made to misbehave.

use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::time::Duration;

use super::full;
use crate::imds::{Connection, Ending, Imds, Interference, serve_with};

const PUT: &[u8] =
    b"PUT /latest/api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n";

/// What comes back for two requests of which the first meets this.
fn receive(interference: Interference) -> (Connection, String) {
    let mut first = Some(interference);
    let mut connection = Connection::new();
    let mut imds = Imds::new(full(), 7);
    let out = connection.receive_with(
        &[PUT, PUT].concat(),
        &mut imds,
        Duration::ZERO,
        &mut |path| {
            assert_eq!(path, "/latest/api/token");
            first.take()
        },
    );
    (connection, String::from_utf8(out).unwrap())
}

#[test]
fn each_interference_is_what_it_says() {
    for status in [401, 404, 503] {
        let (connection, out) = receive(Interference::Status(status));
        assert!(out.starts_with(&format!("HTTP/1.1 {status} ")), "{out}");
        assert_eq!(
            out.matches("HTTP/1.1 200 OK").count(),
            1,
            "the second is answered as ever"
        );
        assert!(!connection.is_closed());
    }
    let (_, out) = receive(Interference::Html);
    assert!(
        out.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"),
        "{out}"
    );

    let (connection, out) = receive(Interference::Reset);
    assert_eq!(
        (out.as_str(), connection.is_closed(), connection.is_reset()),
        ("", true, true)
    );

    let (connection, out) = receive(Interference::Truncate);
    let body = out.split_once("\r\n\r\n").unwrap().1;
    assert!(out.contains("Content-Length: 39\r\n"), "{out}");
    assert_eq!(
        (body.len(), connection.is_closed(), connection.is_reset()),
        (19, true, false)
    );
}

/// A client that has sent its request and reads what comes.
struct Client {
    sent: io::Cursor<Vec<u8>>,
    received: Vec<u8>,
}

impl Read for Client {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.sent.read(buffer)
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.received.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_driver_says_how_it_ended() {
    let run = |interference| {
        let mut client = Client {
            sent: io::Cursor::new(PUT.to_vec()),
            received: Vec::new(),
        };
        let imds = Mutex::new(Imds::new(full(), 7));
        serve_with(&mut client, &imds, &|| Duration::ZERO, &mut |_| {
            interference
        })
        .unwrap()
    };
    assert_eq!(run(None), Ending::Closed);
    assert_eq!(run(Some(Interference::Truncate)), Ending::Closed);
    assert_eq!(run(Some(Interference::Reset)), Ending::Reset);
}
