//! Owns the tests of asking a target, against sockets of loopback.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use super::{ask, trusting};
use crate::aws::{Codes, Question, TargetCheck, TargetFailure};
use crate::wire::{CertificateAuthority, Clock, Cloud, Listener, serve};

fn listener() -> (TcpListener, SocketAddrV4) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
        panic!("an IPv4 address");
    };
    (listener, address)
}

/// Answers the first connection with `text`, and then waits until the client has gone.
fn server(text: &'static str) -> SocketAddrV4 {
    let (listener, address) = listener();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0_u8];
            if stream.read(&mut byte).unwrap() == 0 {
                return;
            }
            request.extend(byte);
        }
        let request = String::from_utf8(request).unwrap().to_ascii_lowercase();
        assert!(request.starts_with("get /ready?a=b http/1.1\r\n"));
        assert!(request.contains("\r\nuser-agent: elb-healthchecker/2.0\r\n"));
        assert!(request.contains(&format!("\r\nhost: {address}\r\n")));
        stream.write_all(text.as_bytes()).unwrap();
        let _gone = stream.read(&mut [0_u8]);
    });
    address
}

fn page(tls: bool, codes: &str) -> Question {
    Question::Http {
        tls,
        path: "/ready?a=b".to_owned(),
        codes: Codes::parse(codes).unwrap(),
    }
}

fn answer(
    address: SocketAddrV4,
    question: Question,
    timeout: Duration,
) -> Result<(), TargetFailure> {
    let check = TargetCheck {
        region: "eu-west-1".to_owned(),
        target_group: "arn".to_owned(),
        target: "i-1".to_owned(),
        port: address.port(),
        address,
        question,
        interval: Duration::from_secs(5),
        timeout,
        healthy: 2,
        unhealthy: 2,
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(ask(
        &check,
        Ipv4Addr::LOCALHOST.into(),
        &trusting().unwrap(),
    ))
}

/// Generous: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn what_a_target_answers_is_judged_by_its_status() {
    let table = [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nx",
            Ok(()),
        ),
        ("HTTP/1.0 204 No Content\r\n\r\n", Ok(())),
        (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            Err(TargetFailure::Code(503)),
        ),
        ("SSH-2.0-OpenSSH_10.0\r\n", Err(TargetFailure::Refused)),
        ("HTTP/1.1 what\r\n\r\n", Err(TargetFailure::Refused)),
    ];
    for (text, expected) in table {
        let found = answer(server(text), page(false, "200-299"), PATIENCE);
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn one_that_says_nothing_is_waited_for_no_longer_than_its_timeout() {
    let (silent, address) = listener();
    let begun = Instant::now();
    let timeout = Duration::from_millis(200);
    for tls in [false, true] {
        let found = answer(address, page(tls, "200"), timeout);
        assert_eq!(found, Err(TargetFailure::Timeout));
    }
    let half = server("HTTP/1.1 200 OK\r\ncontent-len");
    let found = answer(half, page(false, "200"), timeout);
    assert_eq!(found, Err(TargetFailure::Timeout));
    let took = begun.elapsed();
    assert!(took >= 3 * timeout && took < PATIENCE, "{took:?}");
    // A connection is all that is asked for otherwise.
    assert_eq!(answer(address, Question::Tcp, PATIENCE), Ok(()));
    drop(silent);
    for question in [Question::Tcp, page(false, "200"), page(true, "200")] {
        let found = answer(address, question, PATIENCE);
        assert_eq!(found, Err(TargetFailure::Refused));
    }
}

#[test]
fn certificates_that_nobody_signed_are_good_enough() {
    let (socket, address) = listener();
    let authority = CertificateAuthority::new().unwrap();
    let cloud = Arc::new(Mutex::new(Cloud::example(1)));
    let listeners = vec![Listener::Https(socket)];
    let server = serve(listeners, cloud, Clock::real(), &authority, Arc::new(|| {})).unwrap();
    let found = answer(address, page(true, "200"), PATIENCE);
    assert_eq!(found, Err(TargetFailure::Code(403)), "it is not signed");
    assert_eq!(answer(address, page(true, "200,403"), PATIENCE), Ok(()));
    // It speaks TLS only.
    let found = answer(address, page(false, "200"), PATIENCE);
    assert_eq!(found, Err(TargetFailure::Refused));
    server.stop();
}
