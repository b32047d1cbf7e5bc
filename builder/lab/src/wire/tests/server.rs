//! The server on loopback: connections that stay, that break, that are not HTTP.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Ask, signed};
use crate::wire::{CertificateAuthority, Clock, Cloud, Listener, Server, serve};

struct Running {
    _server: Server,
    cloud: Arc<Mutex<Cloud>>,
    clock: Clock,
    address: std::net::SocketAddr,
    activity: Arc<AtomicUsize>,
}

fn start() -> Running {
    let clock = Clock::virtual_time();
    let cloud = Arc::new(Mutex::new(Cloud::example(1)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let activity = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&activity);
    let server = serve(
        vec![Listener::Http(listener)],
        Arc::clone(&cloud),
        clock.clone(),
        &CertificateAuthority::new().unwrap(),
        Arc::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        }),
    )
    .unwrap();
    Running {
        _server: server,
        cloud,
        clock,
        address,
        activity,
    }
}

impl Running {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// The bytes of a signed request.
    fn request(&self) -> Vec<u8> {
        let ask = Ask {
            body: b"Action=DescribeRegions&Version=2016-11-15",
            ..Ask::default()
        };
        let cloud = self.cloud.lock().unwrap();
        let head = signed(&cloud, &ask, self.clock.moment().wall).unwrap();
        let mut text = format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n", ask.body.len());
        for (name, value) in &head.headers {
            write!(text, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
        }
        let mut bytes = format!("{text}\r\n").into_bytes();
        bytes.extend_from_slice(ask.body);
        bytes
    }

    fn fault(&self, text: &str) {
        let fault = text.parse().unwrap();
        self.cloud
            .lock()
            .unwrap()
            .add_fault(fault, self.clock.moment().now)
            .unwrap();
    }
}

/// Head and body of one response; what follows stays unread.
fn read_response(stream: &mut TcpStream) -> (String, usize) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse::<usize>().unwrap());
    let mut body = Vec::new();
    stream.take(length as u64).read_to_end(&mut body).unwrap();
    (head, body.len())
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let running = start();
    let mut stream = running.connect();
    for _ in 0..3 {
        stream.write_all(&running.request()).unwrap();
        let (head, body) = read_response(&mut stream);
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        assert!(body > 100);
    }
    assert!(running.activity.load(Ordering::Relaxed) >= 3);
}

#[test]
fn faults_close_and_cut_connections() {
    let running = start();
    running.fault("down count=1");
    let mut stream = running.connect();
    stream.write_all(&running.request()).unwrap();
    assert_eq!(read_response(&mut stream), (String::new(), 0));

    running.fault("cut at=10 count=1");
    let mut stream = running.connect();
    stream.write_all(&running.request()).unwrap();
    let (head, body) = read_response(&mut stream);
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    assert_eq!(body, 10, "the rest never comes");
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let running = start();
    let mut stream = running.connect();
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\nexpect: 100-continue\r\n\
                x-amz-target: AmazonSSM.PutParameter\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let (head, _) = read_response(&mut stream);
    assert!(head.starts_with("http/1.1 413 "), "{head}");
}

#[test]
fn stopping_closes_the_sockets() {
    let Running {
        _server: server,
        address,
        ..
    } = start();
    server.stop();
    assert!(TcpStream::connect(address).is_err());
}
