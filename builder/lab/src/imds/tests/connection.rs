//! Bytes in pieces, and when a connection ends.

use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::time::Duration;

use super::{full, split};
use crate::imds::{Connection, Imds, serve};

/// Two requests one after the other, the first with a body, cut at every place.
#[test]
fn a_connection_answers_alike_however_the_bytes_arrive() {
    let bytes = b"PUT /latest/api/token HTTP/1.1\r\nContent-Length: 4\r\n\
        X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\nbodyGET /latest/user-data HTTP/1.1\r\n\r\n";
    let whole = Connection::new().receive(bytes, &mut Imds::new(full(), 7), Duration::ZERO);
    let text = String::from_utf8(whole.clone()).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 1);
    assert_eq!(text.matches("HTTP/1.1 401 Unauthorized").count(), 1);
    for cut in 0..=bytes.len() {
        let (mut imds, mut connection) = (Imds::new(full(), 7), Connection::new());
        let mut out = connection.receive(&bytes[..cut], &mut imds, Duration::ZERO);
        out.extend(connection.receive(&bytes[cut..], &mut imds, Duration::ZERO));
        assert_eq!(out, whole, "cut at {cut}");
        assert!(!connection.is_closed());
        assert_eq!(connection.finish(), b"");
    }
    let (mut imds, mut connection) = (Imds::new(full(), 7), Connection::new());
    let out: Vec<u8> = bytes
        .chunks(1)
        .flat_map(|byte| connection.receive(byte, &mut imds, Duration::ZERO))
        .collect();
    assert_eq!(out, whole);
}

#[test]
fn a_connection_ends_when_the_client_says_so_or_cannot_be_understood() {
    for (bytes, status, closed) in [
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 401, true),
        ("GET / HTTP/1.0\r\n\r\n", 401, true),
        (
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            401,
            false,
        ),
        ("garbage\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400, true),
        ("PUT / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", 413, true),
    ] {
        let mut connection = Connection::new();
        let out = connection.receive(bytes.as_bytes(), &mut Imds::new(full(), 7), Duration::ZERO);
        assert_eq!(split(&out).0, status, "{bytes:?}");
        assert_eq!(connection.is_closed(), closed, "{bytes:?}");
    }
    let mut connection = Connection::new();
    let out = connection.receive(&[b'a'; 8_193], &mut Imds::new(full(), 7), Duration::ZERO);
    assert_eq!(split(&out).0, 431);
    let mut connection = Connection::new();
    assert_eq!(
        connection.receive(b"GET / HT", &mut Imds::new(full(), 7), Duration::ZERO),
        b""
    );
    assert_eq!(split(&connection.finish()).0, 400);
    assert_eq!(connection.finish(), b"");
}

/// A stream that gives its input one byte at a time.
struct Script {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Ok(0);
        }
        buffer[0] = self.input.remove(0);
        Ok(1)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_driver_serves_a_stream_to_its_end() {
    let input = b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\nGET /".to_vec();
    let mut stream = Script {
        input,
        output: Vec::new(),
    };
    serve(&mut stream, &Mutex::new(Imds::new(full(), 7)), &|| {
        Duration::ZERO
    })
    .unwrap();
    let text = String::from_utf8(stream.output).unwrap();
    assert_eq!(text.matches("HTTP/1.1 401 ").count(), 2);
    assert_eq!(text.matches("HTTP/1.1 400 ").count(), 1);
}
