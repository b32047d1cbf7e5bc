//! Two bakes of one lock are identical bit for bit, and a third does nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Stdio};

use vmimage_tests::project::{Project, is_full_run, run, sha256};

const FILES: [&str; 6] = [
    "disk.raw",
    "disk.qcow2",
    "rootfs.tar.zst",
    "manifest.json",
    "sbom.spdx.json",
    "sbom.cdx.json",
];

fn arguments<'a>(image: &'a str, standins: &'a str) -> [&'a str; 8] {
    let formats = "--format=raw,qcow2,rootfs";
    [
        "bake",
        image,
        "--locked",
        formats,
        "--out",
        "out",
        "--stand-in",
        standins,
    ]
}

fn bake(project: &Project, image: &str, standins: &str) {
    project.done(&arguments(image, standins));
}

/// Bakes as on another machine: with a file mode mask of its own, and a cache in a place whose
/// set-group-id bit everything inherits.
fn bake_elsewhere(project: &Project, image: &str, standins: &str, umask: &str) {
    let cache = project.path("cache");
    chown(&cache, None, Some(4)).expect("give the cache to a group");
    fs::set_permissions(&cache, Permissions::from_mode(0o2770)).expect("set its mode");
    let command = project.command(&arguments(image, standins));
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "umask $0 && exec \"$@\"", umask])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(project.path(""))
        .stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    let ran = run(&mut shell);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

fn two_bakes_of(image: &str, umask: &str) {
    let first = Project::new();
    let standins = first.standins();
    first.done(&["lock", image, "--stand-in", &standins]);
    bake(&first, image, &standins);
    let second = Project::new();
    let lock = format!("images/{image}.lock");
    fs::copy(first.path(&lock), second.path(&lock)).expect("copy the lock");
    bake_elsewhere(&second, image, &standins, umask);
    for file in FILES {
        let name = format!("out/{file}");
        assert_eq!(
            sha256(&first.path(&name)),
            sha256(&second.path(&name)),
            "{file} differs between {} and {}",
            first.path(&name).display(),
            second.path(&name).display()
        );
    }
    nothing_changed(&first, image, &standins);
}

fn nothing_changed(project: &Project, image: &str, standins: &str) {
    let before = (project.fingerprints("out"), project.fingerprints("cache"));
    let ran = project.done(&arguments(image, standins));
    let out = project.path("out");
    assert_eq!(
        ran.stderr,
        format!("nothing to do: `{}` is up to date\n", out.display())
    );
    assert_eq!(
        before,
        (project.fingerprints("out"), project.fingerprints("cache"))
    );
}

#[test]
fn a_small_trixie_image() {
    two_bakes_of("small", "077");
}

#[test]
fn a_small_bookworm_image() {
    two_bakes_of("small-bookworm", "027");
}

#[test]
fn the_large_image_where_asked_for() {
    // `make test-full` asks for it: it takes minutes.
    if is_full_run() {
        two_bakes_of("virtualmin", "077");
    }
}
