//! User data on a stock Debian: cloud-init's own code, from Debian's package, takes it for a script and
//! writes it byte for byte. Needs root, for mounts.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test may panic as the test itself may"
)]

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use vmimage_plan::definition::Architecture;
use vmimage_plan::role::{carry, executable};
use vmimage_tests::python;

const PROGRAM: &[u8] = b"a program that is none";

/// What cloud-init imports and Debian packages by itself.
const REQUIREMENTS: &str = "configobj==5.0.9\nJinja2==3.1.6\njsonpatch==1.33\njsonschema==4.23.0\noauthlib==3.2.2\nPyYAML==6.0.2\nrequests==2.32.5\n";

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{complained}");
    said
}

/// The folder with cloud-init's code, as Debian's package has it.
fn cloud_init(folder: &Path) -> PathBuf {
    run(Command::new("apt-get")
        .args(["download", "--quiet", "--quiet", "cloud-init"])
        .args(["--option", "APT::Sandbox::User=root"])
        .current_dir(folder));
    let mut entries = fs::read_dir(folder).unwrap();
    let package = entries.next().unwrap().unwrap().path();
    run(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder));
    folder.join("usr/lib/python3/dist-packages")
}

#[test]
fn cloud_init_writes_the_script_that_unpacks_the_engine() {
    let carrier = carry(Architecture::X86_64, PROGRAM).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [data, state, package] = ["data", "state", "package"].map(|name| folder.path().join(name));
    fs::write(&data, &carrier.bytes).unwrap();
    fs::create_dir_all(&package).unwrap();
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let said = run(
        Command::new(python::environment(place, "cloud-init", REQUIREMENTS))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/cloud-init/handle.py"))
            .args([&cloud_init(&package), &data, &state]),
    );
    assert_eq!(said, "text/x-shellscript part-001\n");
    let script = state.join("scripts/part-001");
    let mut expected = Vec::new();
    GzDecoder::new(&carrier.bytes[..])
        .read_to_end(&mut expected)
        .unwrap();
    assert_eq!(fs::read(&script).unwrap(), expected);
    assert_eq!(
        fs::metadata(&script).unwrap().permissions().mode() & 0o7777,
        0o700
    );
    // Run as cloud-init runs it, where nothing that it unpacks can be run.
    let engine = folder.path().join("engine");
    let ran = Command::new("unshare")
        .args(["--mount", "--net", "sh", "-c"])
        .arg("mount -t tmpfs -o noexec none /var/lib && \"$1\"; cp /var/lib/vmimage/firstboot \"$2\"")
        .args([Path::new("sh"), &script, &engine])
        .status();
    assert!(ran.unwrap().success());
    assert_eq!(
        fs::read(engine).unwrap(),
        executable(Architecture::X86_64, PROGRAM).unwrap()
    );
}
