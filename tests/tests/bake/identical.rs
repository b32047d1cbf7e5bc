//! Two bakes of one lock are identical bit for bit, and a third does nothing.

use std::fs;

use vmimage_tests::project::{Project, is_full_run, sha256};

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

fn two_bakes_of(image: &str) {
    let first = Project::new();
    let standins = first.standins();
    first.done(&["lock", image, "--stand-in", &standins]);
    bake(&first, image, &standins);
    let second = Project::new();
    let lock = format!("images/{image}.lock");
    fs::copy(first.path(&lock), second.path(&lock)).expect("copy the lock");
    bake(&second, image, &standins);
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
    two_bakes_of("small");
}

#[test]
fn a_small_bookworm_image() {
    two_bakes_of("small-bookworm");
}

#[test]
fn the_large_image_where_asked_for() {
    // `make test-full` asks for it: it takes minutes.
    if is_full_run() {
        two_bakes_of("virtualmin");
    }
}
