//! `recipes/firstboot-launch/files/launch` against a metadata service with every fault. Each case has a
//! network namespace of its own, in which the loopback interface has the service's address. Needs root.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test may panic as the test itself may"
)]

mod backup;
mod harness;
mod secrets;

use std::fs;
use std::time::Duration;

use harness::*;

#[test]
fn a_script_is_run_from_a_private_folder() {
    let outcome = check(
        Some(SCRIPT),
        &[],
        0,
        &RAN.replace("28", &SCRIPT.len().to_string()),
    );
    let folder = outcome.state.path().join("state");
    let program = folder.join(INSTANCE).join("user-data");
    assert_eq!(
        (mode(&folder), mode(&folder.join(INSTANCE)), mode(&program)),
        (0o700, 0o700, 0o700)
    );
    assert_eq!(fs::read(&program).unwrap(), SCRIPT);
    assert_eq!(
        outcome.requests,
        [
            "PUT /latest/api/token",
            "GET /latest/meta-data/instance-id",
            "GET /latest/user-data"
        ]
    );
    let left: Vec<_> = fs::read_dir(outcome.state.path().join("run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        left,
        ["instance-id"],
        "neither token nor user data stays in /run"
    );
}

#[test]
fn gzip_once_or_twice_is_inflated() {
    let ran = RAN.replace("28", &SCRIPT.len().to_string());
    check(Some(&gzip(SCRIPT)), &[], 0, &ran);
    check(Some(&gzip(&gzip(SCRIPT))), &[], 0, &ran);
}

/// A static x86-64 program that exits with 3.
fn elf() -> Vec<u8> {
    let code = [0xbf, 3, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    for word in [0x40_0078_u64, 0x40, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(b"\0\0\0\0\x40\0\x38\0\x01\0\0\0\0\0\0\0");
    bytes.extend(b"\x01\0\0\0\x05\0\0\0");
    for word in [0_u64, 0x40_0000, 0x40_0000, 0x84, 0x84, 0x1000] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(code);
    bytes
}

#[test]
fn an_elf_program_is_run_and_its_failure_fails_the_unit() {
    check(
        Some(&elf()),
        &[],
        1,
        "user data of i-0123456789abcdef0 (ELF, 132 bytes) failed with exit status 3 after {} s\n"
            .replace("{} s\n", "0 s\n")
            .as_str(),
    );
}

#[test]
fn no_user_data_is_no_failure() {
    check(None, &[], 0, "no user data for i-0123456789abcdef0\n");
}

#[test]
fn faults_that_pass_are_waited_out() {
    let table: &[(Faults, usize)] = &[
        (
            &[("/latest/api/token", || {
                vec![status(503), status(404), status(429)]
            })],
            6,
        ),
        (
            &[("/latest/api/token", || {
                vec![answer(200, b""), answer(200, b"<html>")]
            })],
            5,
        ),
        // 401: the token expired; a new one is made.
        (&[("/latest/user-data", || vec![status(401)])], 5),
        (
            &[("/latest/meta-data/instance-id", || {
                vec![status(401), status(404)]
            })],
            6,
        ),
        (
            &[("/latest/user-data", || {
                vec![status(500), status(429), answer(200, b"")]
            })],
            6,
        ),
        (&[("/latest/user-data", || vec![Answer::Reset])], 4),
        (&[("/latest/api/token", || vec![Answer::Reset])], 4),
    ];
    for (faults, requests) in table {
        let outcome = check(
            Some(SCRIPT),
            faults,
            0,
            &RAN.replace("28", &SCRIPT.len().to_string()),
        );
        assert_eq!(outcome.requests.len(), *requests, "{:?}", outcome.requests);
    }
}

#[test]
fn a_body_that_breaks_off_is_fetched_again() {
    let faults: Faults = &[("/latest/user-data", || {
        vec![Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n#!/bin/sh\necho half\n".to_vec(),
        )]
    })];
    let outcome = check(
        Some(SCRIPT),
        faults,
        0,
        &RAN.replace("28", &SCRIPT.len().to_string()),
    );
    assert_eq!(outcome.requests.len(), 4);
}

#[test]
fn a_service_that_stalls_is_asked_again() {
    // The second family has no route here, so the third attempt comes at once.
    let faults: Faults = &[("/latest/api/token", || vec![Answer::Silence])];
    let outcome = check(
        Some(SCRIPT),
        faults,
        0,
        &RAN.replace("28", &SCRIPT.len().to_string()),
    );
    assert!(
        outcome.took > Duration::from_secs(3) && outcome.took < Duration::from_secs(15),
        "{:?}",
        outcome.took
    );
}

#[test]
fn faults_that_stay_end_at_once() {
    let disabled = "answers 403: the metadata service is disabled for this instance\n";
    let table: &[(Faults, String)] = &[
        (
            &[("/latest/api/token", || vec![status(403)])],
            format!("PUT latest/api/token {disabled}"),
        ),
        (
            &[("/latest/api/token", || vec![status(400)])],
            "PUT latest/api/token answers 400\n".to_owned(),
        ),
        (
            &[("/latest/user-data", || vec![status(403)])],
            format!("GET latest/user-data {disabled}"),
        ),
        (
            &[("/latest/user-data", || vec![status(400)])],
            "GET latest/user-data answers 400\n".to_owned(),
        ),
        (
            &[("/latest/meta-data/instance-id", || {
                vec![answer(200, b"../../etc")]
            })],
            "GET latest/meta-data/instance-id answers 200 without an instance id\n".to_owned(),
        ),
    ];
    for (faults, said) in table {
        let outcome = check(Some(SCRIPT), faults, 1, said);
        assert!(!outcome.state.path().join("state").join(INSTANCE).exists());
    }
}

#[test]
fn what_cannot_run_is_refused_by_name() {
    let table: &[(&[u8], &str)] = &[
        (
            b"#cloud-config\npackages: []\n",
            "cloud-init configuration (#cloud-config)",
        ),
        (b"#cloud-boothook\n#!/bin/sh\n", "a cloud-init boothook"),
        (
            b"#include\nhttp://example.com/\n",
            "a cloud-init include file",
        ),
        (
            b"## template: jinja\n#cloud-config\n",
            "a cloud-init template",
        ),
        (
            b"Content-Type: multipart/mixed; boundary=\"x\"\nMIME-Version: 1.0\n",
            "a MIME message for cloud-init",
        ),
        (
            b"From: x\nMime-Version: 1.0\n",
            "a MIME message for cloud-init",
        ),
        (
            b"<html><h1>Please log in</h1></html>",
            "an HTML or XML document",
        ),
        (b"\0\0\0\0", "of an unknown kind"),
        (b"echo no first line", "of an unknown kind"),
    ];
    for (data, kind) in table {
        let said = format!(
            "user data of {INSTANCE} is {kind}: only a #! script or an ELF program, plain or in gzip, can run\n"
        );
        check(Some(data), &[], 1, &said);
    }
    let said = format!(
        "user data of {INSTANCE} is gzip: only a #! script or an ELF program, plain or in gzip, can run\n"
    );
    check(Some(&gzip(&gzip(&gzip(SCRIPT)))), &[], 1, &said);
}

#[test]
fn what_is_too_large_or_damaged_is_refused() {
    let mut large = SCRIPT.to_vec();
    large.resize(16_384, b'\n');
    let ran = RAN.replace("28", "16384");
    check(Some(&large), &[], 0, &ran);
    large.push(b'\n');
    let too_large = "GET latest/user-data: more than 16384 bytes\n";
    check(Some(&large), &[], 1, too_large);
    let endless: Faults = &[("/latest/user-data", || {
        vec![
            Answer::Bytes(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
            Answer::Right,
        ]
    })];
    check(
        Some(SCRIPT),
        endless,
        0,
        &RAN.replace("28", &SCRIPT.len().to_string()),
    );
    let endless: Faults = &[("/latest/user-data", || {
        vec![Answer::Endless(
            b"HTTP/1.1 200 OK\r\n\r\n#!/bin/sh\n################################################",
        )]
    })];
    check(Some(SCRIPT), endless, 1, too_large);
    let bomb = gzip(&vec![b'#'; (1 << 20) + 1]);
    let said = format!("user data of {INSTANCE}: more than 1048576 bytes when inflated\n");
    check(Some(&bomb), &[], 1, &said);
    let mut damaged = gzip(SCRIPT);
    damaged.truncate(damaged.len() - 5);
    check(
        Some(&damaged),
        &[],
        1,
        &format!("user data of {INSTANCE}: damaged gzip data\n"),
    );
}

#[test]
fn the_deadline_ends_the_wait_and_names_the_last_fault() {
    let outcome = launch(
        Some(SCRIPT),
        &[("/latest/api/token", || vec![status(503); 200])],
        2,
    );
    assert_eq!(
        outcome.said,
        "no user data after 2 s: PUT latest/api/token answers 503\n"
    );
    assert_eq!(outcome.code, 1);
    // Exponential: not as many as there is time for.
    assert!(
        (4..40).contains(&outcome.requests.len()),
        "{}",
        outcome.requests.len()
    );
    assert!(outcome.took < Duration::from_secs(10), "{:?}", outcome.took);
    let nobody = run(&Namespace::new(), 2);
    assert_eq!(
        nobody.said,
        "no user data after 2 s: the metadata service does not answer\n"
    );
    assert_eq!(nobody.code, 1);
}
