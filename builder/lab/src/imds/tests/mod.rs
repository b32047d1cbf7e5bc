//! Tables of requests and their exact answers; every transcript is also fed in pieces.

mod connection;
mod interference;
mod tree;

use std::time::Duration;

use super::{Imds, Instance, InstanceRole, PublicKey};

fn full() -> Instance {
    let tags = [
        ("vmimage:role", "web"),
        ("vmimage:cluster", "shop"),
        ("Name", "web 1"),
    ];
    Instance {
        tags: Some(
            tags.map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ),
        user_data: Some(b"#!/bin/sh\n\x00\xff".to_vec()),
        public_keys: vec![PublicKey {
            name: "ops".to_owned(),
            openssh: "ssh-ed25519 AAAA ops".to_owned(),
        }],
        role: Some(InstanceRole {
            name: "node".to_owned(),
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: "s3cret".to_owned(),
            token: "t0ken".to_owned(),
            last_updated: "2025-01-01T00:00:00Z".to_owned(),
            expiration: "2025-01-01T06:00:00Z".to_owned(),
        }),
        target_lifecycle_state: Some("InService".to_owned()),
        ..Instance::example()
    }
}

/// Status and body of a response, whose announced length must be right.
fn split(response: &[u8]) -> (u16, Vec<u8>) {
    let end = response
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let head = str::from_utf8(&response[..end]).unwrap();
    let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3]
        .parse()
        .unwrap();
    assert!(
        head.contains(&format!("\r\nContent-Length: {}\r\n", response.len() - end)),
        "{head}"
    );
    (status, response[end..].to_vec())
}

fn token(imds: &mut Imds, ttl: &str, now: Duration) -> String {
    let put = format!(
        "PUT /latest/api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: {ttl}\r\n\r\n"
    );
    let (status, body) = split(&imds.respond(put.as_bytes(), now));
    assert_eq!(status, 200);
    String::from_utf8(body).unwrap()
}

fn get(imds: &mut Imds, path: &str) -> (u16, String) {
    let token = token(imds, "60", Duration::ZERO);
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-AWS-EC2-Metadata-Token: {token}\r\n\r\n");
    let (status, body) = split(&imds.respond(request.as_bytes(), Duration::ZERO));
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[track_caller]
fn check(instance: Instance, table: &[(&str, &str)]) {
    let mut imds = Imds::new(instance, 7);
    for (path, expected) in table {
        assert_eq!(
            get(&mut imds, path),
            (200, (*expected).to_owned()),
            "{path}"
        );
    }
}

#[track_caller]
fn check_absent(instance: Instance, paths: &[&str]) {
    let mut imds = Imds::new(instance, 7);
    for path in paths {
        let (status, body) = get(&mut imds, path);
        assert_eq!(status, 404, "{path}");
        assert!(body.contains("404 - Not Found"), "{path}: {body}");
    }
}

const PLAIN: &[(&str, u16)] = &[
    ("GET /latest/meta-data/ HTTP/1.1\r\n\r\n", 401),
    (
        "GET /latest/meta-data/ HTTP/1.1\r\nX-aws-ec2-metadata-token: wrong\r\n\r\n",
        401,
    ),
    (
        "HEAD /latest/meta-data/ HTTP/1.1\r\nX-aws-ec2-metadata-token:\r\n\r\n",
        401,
    ),
    ("POST /latest/meta-data/ HTTP/1.1\r\n\r\n", 405),
    ("DELETE /latest/api/token HTTP/1.1\r\n\r\n", 405),
    ("GET /latest/meta-data/ HTTP/2.0\r\n\r\n", 505),
    ("GET /latest/meta-data/ FTP\r\n\r\n", 400),
    ("GET latest/meta-data/ HTTP/1.1\r\n\r\n", 400),
    ("GET  /latest HTTP/1.1\r\n\r\n", 400),
    ("get /latest HTTP/1.1\r\n\r\n", 400),
    ("GET /latest\r\n\r\n", 400),
    ("GET /latest HTTP/1.1\r\nno colon\r\n\r\n", 400),
    ("GET /latest HTTP/1.1\r\n: empty\r\n\r\n", 400),
    ("GET /latest HTTP/1.1\r\nA: b\u{0}\r\n\r\n", 400),
    (
        "GET /latest HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    ("PUT /latest HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
    (
        "PUT /latest HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        413,
    ),
    ("GET /latest HTTP/1.1\r\n", 400),
    ("\r\n\r\n", 400),
    ("", 400),
];

/// Requests without a valid token, and the status of each.
fn refusals() -> Vec<(String, u16)> {
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(9_000));
    let put = |path: &str, headers: &str| format!("PUT {path} HTTP/1.1\r\n{headers}\r\n");
    let ttl = |ttl: &str| {
        put(
            "/latest/api/token",
            &format!("X-aws-ec2-metadata-token-ttl-seconds: {ttl}\r\n"),
        )
    };
    let mut all: Vec<_> = PLAIN
        .iter()
        .map(|(request, status)| ((*request).to_owned(), *status))
        .collect();
    all.extend([
        (ttl("1"), 200),
        (ttl("21600"), 200),
        (ttl("0"), 400),
        (ttl("21601"), 400),
        (ttl("+60"), 400),
        (ttl("-1"), 400),
        (ttl(""), 400),
        (ttl("99999999999999999999"), 400),
        (put("/latest/api/token", ""), 400),
        (
            put(
                "/latest/api/token",
                "x-aws-ec2-metadata-token-ttl-seconds: 60\r\nx-forwarded-for: 10.0.0.1\r\n",
            ),
            403,
        ),
        (
            put(
                "/2021-07-15/api/token",
                "x-aws-ec2-metadata-token-ttl-seconds: 60\r\n",
            ),
            403,
        ),
        (put("/latest/user-data", ""), 405),
        (long, 431),
    ]);
    all
}

#[test]
fn requests_that_are_refused() {
    for (request, expected) in refusals() {
        let mut imds = Imds::new(full(), 7);
        let response = imds.respond(request.as_bytes(), Duration::ZERO);
        let status: u16 = str::from_utf8(&response[9..12]).unwrap().parse().unwrap();
        assert_eq!(status, expected, "{request:?}");
    }
}

#[test]
fn tokens_expire_and_say_how_long_they_last() {
    let mut imds = Imds::new(full(), 7);
    let token = token(&mut imds, "60", Duration::from_secs(100));
    let request =
        format!("GET /latest/meta-data/mac HTTP/1.1\r\nX-aws-ec2-metadata-token: {token}\r\n\r\n");
    for (millis, status, left) in [
        (100_000, 200, Some(60)),
        (159_001, 200, Some(1)),
        (160_000, 401, None),
    ] {
        let response = imds.respond(request.as_bytes(), Duration::from_millis(millis));
        assert_eq!(split(&response).0, status, "{millis}");
        let text = String::from_utf8(response).unwrap();
        let ttl = text.split("X-Aws-Ec2-Metadata-Token-Ttl-Seconds: ").nth(1);
        assert_eq!(
            ttl.map(|rest| rest.lines().next().unwrap().parse::<u64>().unwrap()),
            left,
            "{millis}"
        );
    }
    assert_eq!(get(&mut imds, "/latest/api/token").0, 405);
}

#[test]
fn a_client_that_asks_for_tokens_for_ever_does_not_fill_the_memory() {
    let mut imds = Imds::new(full(), 7);
    let first = token(&mut imds, "60", Duration::ZERO);
    for _ in 0..5_000 {
        token(&mut imds, "21600", Duration::ZERO);
    }
    let request =
        format!("GET /latest/meta-data/mac HTTP/1.1\r\nX-aws-ec2-metadata-token: {first}\r\n\r\n");
    assert_eq!(
        split(&imds.respond(request.as_bytes(), Duration::ZERO)).0,
        401
    );
    assert_eq!(get(&mut imds, "/latest/meta-data/mac").0, 200);
}

#[test]
fn garbage_is_answered_and_never_panics() {
    let seed =
        b"PUT /latest/api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n";
    let mut random = 0x1234_5678_u32;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random
    };
    for _ in 0..20_000 {
        let mut bytes = seed.to_vec();
        for _ in 0..=next() % 4 {
            let at = next() as usize % bytes.len();
            match next() % 3 {
                0 => bytes[at] = next().to_le_bytes()[0],
                1 => bytes.insert(at, next().to_le_bytes()[0]),
                _ => bytes.truncate(at + 1),
            }
        }
        let response = Imds::new(full(), 7).respond(&bytes, Duration::ZERO);
        assert!(
            [200, 400, 403, 405, 413, 505, 401].contains(&split(&response).0),
            "{bytes:?}"
        );
    }
}
