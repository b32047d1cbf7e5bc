//! Runs the contract suite of `tests/contract/`: botocore, the `aws` command and moto, each in the version
//! that `requirements.txt` names, against the simulator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use vmimage_tests::python;

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contract")
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the program starts");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The interpreter of an environment with the clients; made once for each version of the requirements.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let requirements = fs::read_to_string(suite().join("requirements.txt"));
        let requirements = requirements.expect("the requirements can be read");
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        python::environment(place, "contract", &requirements)
    })
}

/// Runs one file of the suite; a test of it that fails fails here, with what it printed.
fn check(module: &str, tests: usize) {
    let output = run(Command::new(python())
        .args([
            "-W",
            "error::ResourceWarning",
            "-m",
            "unittest",
            "--verbose",
            module,
        ])
        .current_dir(suite())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("LAB_ENDPOINT", env!("CARGO_BIN_EXE_lab-endpoint"))
        // Nothing of the machine's own configuration may reach the clients.
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nonexistent")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        .env_remove("AWS_CA_BUNDLE")
        .env_remove("AWS_ENDPOINT_URL")
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy"));
    let text = String::from_utf8_lossy(&output.stderr);
    let ran = text.lines().filter(|line| line.ends_with("... ok")).count();
    assert_eq!(ran, tests, "all tests of {module} ran:\n{text}");
}

#[test]
fn signatures_and_protocols() {
    check("test_signatures", 14);
}

#[test]
fn parameter_store() {
    check("test_ssm", 12);
}

#[test]
fn s3() {
    check("test_s3", 15);
}

#[test]
fn uploads_in_parts() {
    check("test_uploads", 6);
}

#[test]
fn compute_scaling_and_balancing() {
    check("test_compute", 11);
}

#[test]
fn faults() {
    check("test_faults", 7);
}

#[test]
fn the_aws_command() {
    check("test_command", 6);
}

#[test]
fn where_moto_is_right_the_answers_are_the_same() {
    check("test_moto", 2);
    check("test_moto_compute", 3);
}
