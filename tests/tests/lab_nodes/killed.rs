//! Nothing of a lab outlives the process that runs it, however that ends.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use vmimage_lab::node::{Lab, LabError, Trace};

use crate::harness::{image, settings, state_root, wait_until};

/// The test's helper, which `cargo test` builds before the tests.
fn holder(name: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_lab-holder"))
        .arg(name)
        .arg(state_root())
        .arg(image())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_ready(child: &mut Child) {
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
}

/// The control group of a lab, as the host sees it.
fn group(name: &str) -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    let point = line.unwrap().split(' ').nth(4).unwrap();
    Path::new(point).join("vmimage-lab").join(name)
}

/// Every process in a control group and below.
fn processes(group: &Path) -> Vec<u32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut found: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(processes(&entry.path()));
        }
    }
    found
}

/// The namespaces of these processes.
fn namespaces(pids: &[u32]) -> Vec<PathBuf> {
    let of = |pid: &u32| {
        let links = ["net", "mnt", "pid"].map(|kind| format!("/proc/{pid}/ns/{kind}"));
        links
            .into_iter()
            .filter_map(|link| fs::read_link(link).ok())
    };
    pids.iter().flat_map(of).collect()
}

fn all_processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

#[test]
fn a_killed_lab_leaves_no_process_mount_or_namespace() {
    let name = "killed";
    let own: Vec<PathBuf> = namespaces(&[std::process::id()]);
    drop(Lab::clean(&state_root(), name));
    let mut child = holder(name);
    wait_ready(&mut child);
    let group = group(name);
    let lived = processes(&group);
    // systemd, journald, networkd, resolved, sshd and more; systemd-nspawn; the holder.
    assert!(lived.len() > 8, "{lived:?}");
    let mut theirs = namespaces(&lived);
    theirs.retain(|namespace| !own.contains(namespace));
    theirs.sort();
    theirs.dedup();
    assert!(theirs.len() >= 6, "two of each kind: {theirs:?}");

    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("no process is left", || processes(&group).is_empty());
    // A process that has ended keeps its namespaces until it has been reaped.
    wait_until("no namespace is left", || {
        let alive = namespaces(&all_processes());
        theirs.iter().all(|namespace| !alive.contains(namespace))
    });
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(state_root().to_str().unwrap()), "{mounts}");

    let left = Trace {
        name: name.to_owned(),
        running: false,
    };
    assert!(Lab::traces(&state_root()).contains(&left));
    let stale = Lab::start(settings(name)).unwrap_err();
    assert!(matches!(stale, LabError::Stale { .. }), "{stale}");
    assert_eq!(
        stale.hint().as_deref(),
        Some("clean it: `vmimage lab down --name killed`")
    );
    Lab::clean(&state_root(), name).unwrap();
    assert!(!group.exists());
    assert!(!state_root().join("labs/killed").exists());
    assert!(!Lab::traces(&state_root()).contains(&left));
}

#[test]
fn an_interrupted_helper_takes_its_lab_down() {
    let name = "ended";
    drop(Lab::clean(&state_root(), name));
    let mut child = holder(name);
    wait_ready(&mut child);
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!group(name).exists());
    assert!(!state_root().join("labs/ended").exists());
}
