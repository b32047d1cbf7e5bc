//! A bake that ends badly leaves nothing behind, and the next one just works.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vmimage_tests::project::{Project, Ran, run};

/// Starts a bake and waits until it is at work on the base layer.
fn bake_until_busy(project: &Project) -> Child {
    let mut child = project
        .command(&["bake", "small", "--locked", "--out", "out"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("start a bake");
    let stderr = child.stderr.take().expect("standard error is a pipe");
    let mut lines = BufReader::new(stderr).lines();
    let busy = lines
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.starts_with("layer base: "));
    assert!(
        busy.is_some(),
        "the bake ended before it could be interrupted"
    );
    // Keep reading, so that the program never waits for its reader.
    drop(std::thread::spawn(move || lines.count()));
    child
}

/// Whether a process or mount of the project is still there.
fn traces(project: &Project) -> Vec<String> {
    let root = project.path("").display().to_string();
    let root = root.trim_end_matches('/');
    let mut traces = Vec::new();
    for entry in fs::read_dir("/proc").expect("list processes").flatten() {
        let own = entry.path();
        let link = |name: &str| fs::read_link(own.join(name)).unwrap_or_default();
        let mounts = fs::read_to_string(own.join("mountinfo")).unwrap_or_default();
        if link("root").starts_with(root) || mounts.contains(root) {
            traces.push(own.display().to_string());
        }
    }
    traces
}

/// The kernel ends the processes of a PID namespace in its own time, which is short.
fn wait_for_no_traces(project: &Project) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut left = traces(project);
    while !left.is_empty() && Instant::now() < deadline {
        pause();
        left = traces(project);
    }
    assert_eq!(
        left,
        Vec::<String>::new(),
        "processes that are still in the project's mounts"
    );
}

fn pause() {
    let status = Command::new("sleep").arg("0.1").status().expect("sleep");
    assert!(status.success());
}

fn send(signal: &str, child: &Child) {
    let ran = run(Command::new("kill").args([signal, &child.id().to_string()]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

/// What of an output there is in the project's folder.
fn outputs(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.path("")).expect("list the project");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("list the project").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.contains("out"))
        .collect();
    names.sort();
    names
}

#[test]
fn kill_and_interrupt_leave_nothing_and_the_next_bake_works() {
    let project = Project::new();
    project.done(&["lock", "small"]);

    let mut child = bake_until_busy(&project);
    child.kill().expect("kill -9");
    child.wait().expect("reap");
    wait_for_no_traces(&project);
    let left = outputs(&project);
    let [lock, unfinished] = left.as_slice() else {
        panic!("the lock that nobody holds, and the unfinished output: {left:?}")
    };
    assert_eq!(lock, ".out.lock");
    assert!(unfinished.starts_with(".out.unfinished-"), "{unfinished}");

    // The next one removes what the dead one left, and what it leaves itself.
    let mut child = bake_until_busy(&project);
    assert!(!project.path(unfinished).exists());
    send("-INT", &child);
    let status = child.wait().expect("reap");
    assert_eq!(status.code(), Some(1));
    assert_eq!(outputs(&project), Vec::<String>::new());
    wait_for_no_traces(&project);

    project.done(&["bake", "small", "--locked", "--out", "out"]);
    assert!(project.path("out/disk.raw").is_file());
    assert_eq!(outputs(&project), ["out"]);
    let store = project.path("cache/layers/unfinished");
    assert!(!store.exists(), "nothing unfinished is left in the store");
}

#[test]
fn two_bakes_do_not_share_a_cache_or_an_output_at_once() {
    let project = Project::new();
    project.done(&["lock", "small"]);
    let mut child = bake_until_busy(&project);
    let second = project.run(&["bake", "small", "--locked", "--out", "other"]);
    let third = project.run(&[
        "bake", "small", "--locked", "--out", "out", "--cache", "new",
    ]);
    let host = run(&mut Command::new("hostname")).stdout;
    assert_eq!(
        third.stderr,
        format!(
            "error: cannot put an image into `{}`: another bake is at work on it (process {} on {})\n\
             hint: wait for it to end, or name another directory with `--out`\nnothing was changed\n",
            project.path("out").display(),
            child.id(),
            host.trim()
        )
    );
    assert_eq!((third.code, project.path("new").exists()), (1, false));
    child.kill().expect("kill -9");
    child.wait().expect("reap");
    assert_eq!(second.code, 1);
    assert!(
        second.stderr.contains("another bake is using it"),
        "{}",
        second.stderr
    );
    assert!(
        second.stderr.ends_with("nothing was changed\n"),
        "{}",
        second.stderr
    );
}

/// A bake in a mount namespace of its own, in which `cache` is a small file system that has the
/// packages already.
fn bake_with_little_space(project: &Project, mib: u32) -> Ran {
    let cache = project.path("little");
    fs::create_dir_all(&cache).expect("make a folder");
    let script = format!(
        "mount -t tmpfs -o size={mib}m tmpfs {cache} && ln -s {debs} {cache}/debs && \
         exec \"$@\" --cache {cache}",
        cache = cache.display(),
        debs = project.path("cache/debs").display()
    );
    let inner = project.command(&["bake", "small", "--locked", "--out", "out"]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]);
    command.arg(inner.get_program()).args(inner.get_args());
    run(command.current_dir(project.path("")).env("NO_COLOR", "1"))
}

#[test]
fn a_full_disk_is_noticed_before_it_is_full() {
    let project = Project::new();
    project.done(&["lock", "small"]);
    let ran = bake_with_little_space(&project, 64);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let cache = project.path("little").display().to_string();
    let said = format!("error: cannot bake in `{cache}`: unpacking the layers needs about ");
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    assert!(
        ran.stderr.contains(" MiB and 64 MiB are free\n"),
        "{}",
        ran.stderr
    );
    let hint = "hint: free some space, or name other places with `--cache` and `--out`\n\
                nothing was changed\n";
    assert!(ran.stderr.ends_with(hint), "{}", ran.stderr);
    assert!(!Path::new(&project.path("out")).exists());
}
