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

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha256};
use vmimage_plan::definition::Architecture;
use vmimage_plan::role::{carry, executable};
use vmimage_tests::project::{Project, Ran};

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

/// What `vmimage userdata` says of a role's user data, and its exit code.
fn vmimage(arguments: &[&str]) -> Ran {
    Project::new().run(&[&["userdata"], arguments].concat())
}

const ROLES: [&str; 5] = ["web", "api", "database", "storage", "monitoring"];

#[test]
fn every_role_leaves_room_and_its_bytes_are_always_the_same() {
    for role in ROLES {
        let report = vmimage(&["virtualmin", "--role", role, "--json"]);
        assert_eq!(report.code, 0, "{}", report.stderr);
        let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
        let left = report["left"].as_u64().unwrap();
        assert!(left >= 1_000, "{role} leaves {left} bytes");
        assert_eq!(report["whole"].as_u64().unwrap() + left, 16_384);
        // Another folder with the same project.
        let encoded = vmimage(&["virtualmin", "--role", role, "--base64"]);
        assert_eq!(encoded.code, 0, "{}", encoded.stderr);
        let project = Project::new();
        let out = project.path("user-data");
        let ran = project.run(&[
            "userdata",
            "virtualmin",
            "--role",
            role,
            "--out",
            out.to_str().unwrap(),
        ]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let bytes = fs::read(out).unwrap();
        assert_eq!(STANDARD.decode(encoded.stdout.trim_end()).unwrap(), bytes);
        assert_eq!(report["sha256"], hex::encode(Sha256::digest(&bytes)));
    }
}

#[test]
fn steps_are_explained_with_the_facts_of_an_instance() {
    let said = vmimage(&[
        "virtualmin",
        "--role",
        "database",
        "--explain",
        "--fact",
        "region=eu-west-1",
        "--fact",
        "cluster=shop",
    ]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    for wanted in [
        "writer's claim",
        "ask ec2 in eu-west-1: /",
        "/vmimage/shop/replication",
        "start mariadb.service",
    ] {
        assert!(said.stdout.contains(wanted), "{wanted}: {}", said.stdout);
    }
    // Secrets are named and never filled in.
    let secret = vmimage(&[
        "virtualmin",
        "--role",
        "database",
        "--explain",
        "--fact",
        "secret.replication=hunter2",
    ]);
    assert!(!secret.stdout.contains("hunter2"), "{}", secret.stdout);
}

#[test]
fn wrong_input_is_refused_by_name() {
    for (arguments, expected) in [
        (
            &["virtualmin", "--role", "webb"][..],
            "roles are web, api, database, storage, monitoring",
        ),
        (
            &["virtualmim", "--role", "web"],
            "no image definition `images/virtualmim.toml`",
        ),
        (
            &["virtualmin", "--role", "web", "--fleet", "nothing.toml"],
            "cannot read `nothing.toml`",
        ),
        (
            &["virtualmin", "--role", "web", "--explain", "--fact", "x=1"],
            "no step of a web node knows a fact `x`",
        ),
        (
            &["virtualmin", "--role", "web", "--explain", "--fact", "x"],
            "write it as NAME=VALUE",
        ),
        (&["virtualmin"], "--role"),
    ] {
        let ran = vmimage(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn what_ec2_would_not_take_is_refused() {
    let project = Project::new();
    // Letters by chance, which no packing makes small.
    let mut state = 1_u64;
    let noise: String = (0..9_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
        })
        .collect();
    let recipe = fs::read_to_string(project.path("recipes/base/recipe.toml")).unwrap();
    let step = format!(
        "{recipe}\n[[boot]]\nroles = [\"web\"]\nname = \"noise\"\nwrite = \"/etc/noise\"\ncontent = \"{noise}\"\n"
    );
    project.write("recipes/base/recipe.toml", &step);
    let ran = project.run(&["userdata", "virtualmin", "--role", "web", "--base64"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("EC2 takes 16384"), "{}", ran.stderr);
}
