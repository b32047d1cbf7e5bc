//! The metadata service with faults, in a network namespace of its own, and a run of the launcher.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use vmimage_lab::imds::Instance;
pub(crate) use vmimage_tests::metadata::{Answer, Faults, Namespace, answer, listen, status};

pub(crate) const LAUNCH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../recipes/firstboot-launch/files/launch"
);
/// The path of a file of a recipe.
pub(crate) fn recipe(file: &str) -> String {
    format!("{}/../recipes/{file}", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) const SCRIPT: &[u8] = b"#!/bin/sh\necho \"ran $0\"\n";
pub(crate) const INSTANCE: &str = "i-0123456789abcdef0";

pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) said: String,
    pub(crate) requests: Vec<String>,
    pub(crate) took: Duration,
    pub(crate) state: tempfile::TempDir,
}

/// Runs the launcher in a namespace whose service has these faults.
pub(crate) fn launch(user_data: Option<&[u8]>, faults: Faults, deadline_secs: u32) -> Outcome {
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

pub(crate) fn run(namespace: &Namespace, deadline_secs: u32) -> Outcome {
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

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `said` has `{}` for the seconds that the program took and `{program}` for its path.
#[track_caller]
pub(crate) fn check(user_data: Option<&[u8]>, faults: Faults, code: i32, said: &str) -> Outcome {
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

pub(crate) const RAN: &str =
    "ran {program}\nran the user data of i-0123456789abcdef0 (script, 28 bytes, {} s)\n";

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
