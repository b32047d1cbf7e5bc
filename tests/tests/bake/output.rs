//! Where an image may be put, and what a bake replaces there. The layers are built once; what follows
//! makes the disk anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use vmimage_tests::project::{Project, Ran, run};

const BAKE: [&str; 3] = ["bake", "small", "--locked"];

/// Runs `vmimage` in a mount namespace of its own, after a script has mounted something in it.
fn after_mounting(project: &Project, script: &str, arguments: &[&str]) -> Ran {
    let inner = project.command(arguments);
    let mut command = Command::new("unshare");
    let script = format!("{script} && exec \"$@\"");
    command.args(["--mount", "sh", "-c", &script, "sh"]);
    command.arg(inner.get_program()).args(inner.get_args());
    command
        .current_dir(project.path(""))
        .env("VMIMAGE_CACHE", project.path("cache"))
        .env("NO_COLOR", "1");
    run(&mut command)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("list a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("list a folder").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Gives the image another fingerprint with the same layers.
fn change(project: &Project, from: &str, to: &str) {
    let (from, to) = (format!("panic={from}\""), format!("panic={to}\""));
    project.replace("images/small.toml", &from, &to);
    project.done(&["lock", "small"]);
}

const FILES: [&str; 6] = [
    ".vmimage-output.json",
    "disk.raw",
    "manifest.json",
    "report.json",
    "sbom.cdx.json",
    "sbom.spdx.json",
];

#[test]
fn an_output_is_replaced_where_it_lies_and_nothing_else_is() {
    let project = Project::new();
    project.done(&["lock", "small"]);
    a_cache_that_cannot_hold_layers_is_refused_first(&project);
    project.done(&[&BAKE[..], &["--out", "out"]].concat());
    a_file_of_somebody_is_kept(&project);
    change(&project, "10", "11");
    a_mount_point_is_written_into(&project);
    change(&project, "11", "12");
    a_place_without_room_names_what_is_large(&project);
    let left = names(&project.path(""));
    let hidden: Vec<_> = left.iter().filter(|name| name.starts_with('.')).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

fn a_cache_that_cannot_hold_layers_is_refused_first(project: &Project) {
    for folder in ["low", "up", "work", "over"] {
        fs::create_dir(project.path(folder)).expect("make a folder");
    }
    let mount = "mount -t overlay overlay -o lowerdir=low,upperdir=up,workdir=work over";
    let ran = after_mounting(
        project,
        mount,
        &[&BAKE[..], &["--cache", "over/new/cache"]].concat(),
    );
    assert_eq!(ran.code, 1);
    let expected = format!(
        "error: cannot keep layers in `{}`: its file system (overlay) cannot hold the upper layer of an \
         overlay\n  caused by: Invalid argument (os error 22)\n\
         hint: name a directory on another file system (ext4, xfs, btrfs or tmpfs) with `--cache`; in \
         a container, one on a volume\nnothing was changed\n",
        project.path("over/new/cache").display()
    );
    assert_eq!(ran.stderr, expected);
    assert!(names(&project.path("up")).is_empty());
    assert!(!project.path("out").exists());
}

fn a_file_of_somebody_is_kept(project: &Project) {
    let out = project.path("out");
    project.write("out/ami-ids.json", "{}");
    project.write("out/boot-test/boot-1.console.log", "log");
    let again = project.done(&[&BAKE[..], &["--out", "out"]].concat());
    assert!(
        again.stderr.starts_with("nothing to do: "),
        "{}",
        again.stderr
    );
    project.replace("images/small.toml", "panic=10", "panic=9");
    let ran = project.run(&["bake", "small", "--out", "out"]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.stderr,
        format!(
            "error: refusing to replace `{}`: no bake wrote `ami-ids.json` in it\n\
             hint: a bake replaces only what a bake wrote: move the rest elsewhere, or name another \
             directory with `--out`\nnothing was changed\n",
            out.display()
        )
    );
    project.replace("images/small.toml", "panic=9", "panic=10");
    fs::remove_file(out.join("ami-ids.json")).expect("move the rest elsewhere");
}

fn a_mount_point_is_written_into(project: &Project) {
    // The old output lies in the mount point; it is replaced there, file by file.
    let script = "mkdir host && mv out/* out/.vmimage-output.json host && mount --bind host out";
    let ran = after_mounting(project, script, &[&BAKE[..], &["--out", "out"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let host = project.path("host");
    assert_eq!(names(&host), FILES);
    assert!(names(&project.path("out")).is_empty());
    let host = host.display().to_string();
    let inspected = project.done(&["inspect", &host, "--json"]);
    let inspection: Value = serde_json::from_str(&inspected.stdout).expect("it is JSON");
    assert_eq!(inspection["verified"][0], "disk.raw");
    let script = "mount --bind host out";
    let ran = after_mounting(project, script, &[&BAKE[..], &["--out", "out"]].concat());
    assert!(ran.stderr.starts_with("nothing to do: "), "{}", ran.stderr);
}

fn a_place_without_room_names_what_is_large(project: &Project) {
    let recipe = "recipes/firstboot-launch/recipe.toml";
    let good = fs::read_to_string(project.path(recipe)).expect("read the recipe");
    // A file that holds nothing is as large as it likes; one of data is named.
    let commands = r#"
[[command]]
argv = ["truncate", "--size=5G", "/srv/sparse.mdb"]
reason = "a test"

[[command]]
argv = ["dd", "if=/dev/zero", "of=/srv/sparse.mdb", "bs=1M", "count=1", "seek=2000", "conv=notrunc"]
reason = "a test"

[[command]]
argv = ["sh", "-c", "yes 0123456789 | head --bytes=300M > /srv/dump.sql"]
reason = "a test"
"#;
    project.write(recipe, &format!("{good}{commands}"));
    project.done(&["lock", "small"]);
    let script = "mount -t tmpfs -o size=64M tmpfs out";
    let ran = after_mounting(project, script, &[&BAKE[..], &["--out", "out"]].concat());
    assert_eq!(ran.code, 1);
    let out = project.path("out").display().to_string();
    let said = format!("  caused by: not enough space for disk.raw in `{out}`: it needs ");
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    let largest = " the largest in the image: `/srv/dump.sql` 300 MiB, ";
    assert!(ran.stderr.contains(largest), "{}", ran.stderr);
    assert!(!ran.stderr.contains("sparse.mdb"), "{}", ran.stderr);
    assert!(
        ran.stderr.ends_with("\nnothing was changed\n"),
        "{}",
        ran.stderr
    );

    let formats = ["--format=raw,rootfs", "--json", "--out", "big"];
    let ran = project.done(&[&BAKE[..], &formats].concat());
    let report: Value = serde_json::from_str(&ran.stdout).expect("the report is JSON");
    let peak = report["peak-memory-kib"].as_u64().expect("a number");
    assert!(peak < 200 << 10, "{peak} KiB");
    let disk = fs::metadata(project.path("big/disk.raw")).expect("a disk");
    assert!(disk.len() < 2 << 30, "{}", disk.len());
    project.write(recipe, &good);
}
