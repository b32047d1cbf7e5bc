//! Owns virtual environments of Python with packages of its index, kept in the target directory.

#![expect(
    clippy::missing_panics_doc,
    reason = "everything here panics where a test has to fail"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

/// The interpreter of an environment below `place` that has `requirements`, in the form of a
/// requirements file; made on first use, and anew when they change.
pub fn environment(place: &Path, name: &str, requirements: &str) -> PathBuf {
    let digest = hex::encode(Sha256::digest(requirements));
    let key = digest.get(..12).unwrap_or(&digest);
    let folder = place.join(format!("{name}-{key}"));
    let (done, python) = (folder.join("done"), folder.join("bin/python"));
    if done.exists() {
        return python;
    }
    // What an interrupted run left is not complete.
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("remove an incomplete environment");
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    let list = folder.join("requirements.txt");
    fs::write(&list, requirements).expect("write the requirements");
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    run(Command::new(&python)
        .args(install)
        .arg("--requirement")
        .arg(&list));
    fs::write(done, "").expect("mark the environment");
    python
}

fn run(command: &mut Command) {
    let output = command.output().expect("start Python");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
