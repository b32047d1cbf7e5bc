//! `recipes/firstboot-launch/files/launch` against a metadata service with every fault. Each case has a
//! network namespace of its own, in which the loopback interface has the service's address. Needs root.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test may panic as the test itself may"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use vmimage_lab::imds::{Connection, Imds, Instance};

const LAUNCH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../recipes/firstboot-launch/files/launch"
);
const SCRIPT: &[u8] = b"#!/bin/sh\necho \"ran $0\"\n";
const INSTANCE: &str = "i-0123456789abcdef0";

/// What the service does with one request.
#[derive(Clone, Debug)]
enum Answer {
    /// Answers as EC2 would.
    Right,
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends these bytes again and again, as long as the client takes them.
    Endless(&'static [u8]),
    /// Resets the connection.
    Reset,
    /// Says nothing until the client gives up.
    Silence,
}

/// An error such as EC2's, with a body that must never be taken for data.
fn status(code: u16) -> Answer {
    let body = "#!/bin/sh\necho the body of an error was run\n";
    answer(code, body.as_bytes())
}

fn answer(code: u16, body: &[u8]) -> Answer {
    let mut bytes = format!(
        "HTTP/1.1 {code} x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    Answer::Bytes(bytes)
}

/// What happens to the requests for a path, in order; after the last one all goes right.
type Faults = &'static [(&'static str, fn() -> Vec<Answer>)];

struct Outcome {
    code: i32,
    said: String,
    requests: Vec<String>,
    took: Duration,
    state: tempfile::TempDir,
}

/// A network namespace, gone when dropped.
struct Namespace(String);

impl Namespace {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let name = format!("vmimage-launch-{}-{number}", std::process::id());
        ip(&["netns", "add", &name]);
        let namespace = Self(name);
        // On the loopback interface, because not every kernel has dummy ones.
        namespace.ip(&["addr", "add", "169.254.169.254/32", "dev", "lo"]);
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    fn ip(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.0], arguments].concat());
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        Command::new("ip")
            .args(["netns", "del", &self.0])
            .status()
            .expect("ip is installed");
    }
}

#[track_caller]
fn ip(arguments: &[&str]) {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .expect("ip (iproute2) is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "ip {arguments:?} (this test needs root): {said}"
    );
}

/// Serves in the namespace, from a thread that stays there until the test process ends.
fn listen(namespace: &Namespace, instance: Instance, faults: Faults) -> Arc<Mutex<Vec<String>>> {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&requests);
    let path = format!("/run/netns/{}", namespace.0);
    let (ready, is_ready) = channel();
    std::thread::spawn(move || {
        let file = File::open(path).unwrap();
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        let listener = TcpListener::bind("169.254.169.254:80").unwrap();
        ready.send(()).unwrap();
        let mut imds = Imds::new(instance, 1);
        let mut pending: BTreeMap<_, _> = faults
            .iter()
            .map(|(path, answers)| (*path, answers().into_iter()))
            .collect();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(10)))
                .unwrap();
            let Some(line) = peek_request_line(&stream) else {
                continue;
            };
            log.lock().unwrap().push(line.clone());
            let path = line.split(' ').nth(1).unwrap().to_owned();
            let next = pending.get_mut(path.as_str()).and_then(Iterator::next);
            serve(&mut stream, &mut imds, next.unwrap_or(Answer::Right));
        }
    });
    is_ready.recv().unwrap();
    requests
}

fn peek_request_line(stream: &TcpStream) -> Option<String> {
    let mut buffer = [0_u8; 2_048];
    let read = stream.peek(&mut buffer).ok().filter(|read| *read > 0)?;
    let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
    Some(
        text.lines()
            .next()?
            .trim_end_matches(" HTTP/1.1")
            .to_owned(),
    )
}

/// Errors are the client's doing: it may go whenever it likes.
fn serve(stream: &mut TcpStream, imds: &mut Imds, answer: Answer) {
    let mut buffer = [0_u8; 4_096];
    let bytes = match answer {
        // What has not been read makes the kernel reset the connection.
        Answer::Reset => return,
        Answer::Right => {
            let read = stream.read(&mut buffer).unwrap_or(0);
            Connection::new().receive(&buffer[..read], imds, Duration::ZERO)
        }
        Answer::Bytes(bytes) => {
            let _request = stream.read(&mut buffer);
            bytes
        }
        Answer::Endless(bytes) => {
            let _request = stream.read(&mut buffer);
            while stream.write_all(bytes).is_ok() {}
            return;
        }
        Answer::Silence => {
            while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
            return;
        }
    };
    let _gone = stream.write_all(&bytes);
}

/// Runs the launcher in a namespace whose service has these faults.
fn launch(user_data: Option<&[u8]>, faults: Faults, deadline_secs: u32) -> Outcome {
    let instance = Instance {
        user_data: user_data.map(<[u8]>::to_vec),
        ..Instance::example()
    };
    let namespace = Namespace::new();
    let requests = listen(&namespace, instance, faults);
    let mut outcome = run(&namespace, deadline_secs);
    outcome.requests.clone_from(&requests.lock().unwrap());
    outcome
}

fn run(namespace: &Namespace, deadline_secs: u32) -> Outcome {
    let state = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let output = Command::new("ip")
        .args(["netns", "exec", &namespace.0, "sh", LAUNCH])
        .env("STATE_DIRECTORY", state.path().join("state"))
        .env("RUNTIME_DIRECTORY", state.path().join("run"))
        .env("VMIMAGE_LAUNCH_DEADLINE_SECS", deadline_secs.to_string())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "",
        "the launcher says what it says on stdout"
    );
    Outcome {
        code: output.status.code().unwrap(),
        said: String::from_utf8(output.stdout).unwrap(),
        requests: Vec::new(),
        took: started.elapsed(),
        state,
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `said` has `{}` for the seconds that the program took and `{program}` for its path.
#[track_caller]
fn check(user_data: Option<&[u8]>, faults: Faults, code: i32, said: &str) -> Outcome {
    let outcome = launch(user_data, faults, 20);
    let program = outcome
        .state
        .path()
        .join("state")
        .join(INSTANCE)
        .join("user-data");
    let said = said.replace("{program}", program.to_str().unwrap());
    let got = outcome
        .said
        .replace(" 0 s)", " {} s)")
        .replace(" 1 s)", " {} s)");
    assert_eq!((outcome.code, got.as_str()), (code, said.as_str()));
    outcome
}

const RAN: &str =
    "ran {program}\nran the user data of i-0123456789abcdef0 (script, 28 bytes, {} s)\n";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

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
