//! User data as a node unpacks it. Each case has mounts of its own, and no network: nothing of the
//! engine runs. Needs root.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test may panic as the test itself may"
)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use flate2::read::GzDecoder;
use vmimage_plan::definition::Architecture;
use vmimage_plan::role::{carry, executable};

const PROGRAM: &[u8] = b"a program that is none";

/// The script inside user data.
fn script() -> Vec<u8> {
    let carrier = carry(Architecture::X86_64, PROGRAM).unwrap();
    let mut script = Vec::new();
    GzDecoder::new(&carrier.bytes[..])
        .read_to_end(&mut script)
        .unwrap();
    script
}

/// Runs the script with `/var/lib` as `options` say, which can run nothing, then `after`.
fn unpack(options: &str, path: &str, after: &str) -> Output {
    let mut child = Command::new("unshare")
        .args(["--mount", "--net", "/bin/sh", "-c"])
        .arg(
            "mount -t tmpfs -o noexec,$1 none /var/lib || exit 99; \
             (PATH=$2 exec /bin/sh) 2>&1; code=$?; eval \"$3\"; exit $code",
        )
        .args(["sh", options, path, after])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&script()).unwrap();
    child.wait_with_output().unwrap()
}

const PATH: &str = "/usr/bin:/bin";

#[test]
fn a_node_unpacks_the_engine_with_the_program_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    let after = format!(
        "stat -c '%n %a' /var/lib/vmimage /var/lib/vmimage/*; cp /var/lib/vmimage/firstboot {}",
        copy.display()
    );
    let output = unpack("size=1m", PATH, &after);
    let said = String::from_utf8(output.stdout).unwrap();
    let (error, modes) = said.split_once('\n').unwrap();
    assert!(
        error.ends_with("/var/lib/vmimage/firstboot: Permission denied"),
        "the folder is one that nothing can be run from: {error}"
    );
    assert_eq!(
        modes,
        "/var/lib/vmimage 700\n/var/lib/vmimage/firstboot 700\n"
    );
    assert_eq!(output.status.code(), Some(126));
    assert_eq!(
        fs::read(copy).unwrap(),
        executable(Architecture::X86_64, PROGRAM).unwrap()
    );
}

/// A folder with the programs of `names`.
fn path_of(folder: &Path, names: &[&str]) -> String {
    for name in names {
        let found = ["/usr/bin", "/bin"].map(|bin| Path::new(bin).join(name));
        let program = found.iter().find(|path| path.exists()).unwrap();
        std::os::unix::fs::symlink(program, folder.join(name)).unwrap();
    }
    folder.to_str().unwrap().to_owned()
}

#[track_caller]
fn refused(options: &str, path: &str, expected: &str) {
    let output = unpack(options, path, "ls /var/lib/vmimage/firstboot 2>/dev/null");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!((said.as_str(), output.status.code()), (expected, Some(1)));
}

#[test]
fn what_is_missing_is_said_on_one_line() {
    let all = ["mkdir", "base64", "xz", "sync", "chmod", "mv"];
    for (missing, more) in [
        ("xz", ""),
        ("base64", " xz: (stdin): File format not recognized"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<&str> = all.into_iter().filter(|name| *name != missing).collect();
        refused(
            "size=1m",
            &path_of(folder.path(), &names),
            &format!("vmimage: cannot unpack firstboot: /bin/sh: 6: {missing}: not found{more}\n"),
        );
    }
}

#[test]
fn a_full_disk_is_said_on_one_line() {
    refused(
        "size=8k",
        PATH,
        "vmimage: cannot unpack firstboot: xz: (stdout): Write error: No space left on device\n",
    );
}
