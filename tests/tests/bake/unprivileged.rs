//! Baking as an ordinary user: with subordinate ids it works, without them it says so.

use std::fs;
use std::path::Path;
use std::process::Command;

use vmimage_tests::project::{Project, Ran, program, run};

const USER: &str = "vmimage-test";

/// Makes a user who has subordinate ids, as `useradd` gives them on Debian.
fn user_with_ids() {
    if run(Command::new("id").arg(USER)).code != 0 {
        let added =
            run(Command::new("useradd").args(["--system", "--add-subids-for-system", USER]));
        if added.code != 0 {
            let added = run(Command::new("useradd").args(["--create-home", USER]));
            assert_eq!(added.code, 0, "{}", added.stderr);
        }
    }
    let ids = fs::read_to_string("/etc/subuid").unwrap_or_default();
    assert!(ids.contains(USER), "useradd gave no subordinate ids");
}

fn as_user(user: &str, project: &Project, arguments: &[&str]) -> Ran {
    // The user cannot look into root's target directory.
    let own = project.path("vmimage");
    fs::copy(program(), &own).expect("copy the program");
    let mut command = Command::new("setpriv");
    let group = run(Command::new("id").args(["--group", user]));
    let group = group.stdout.trim();
    command
        .args(["--reuid", user, "--regid", group, "--init-groups", "--"])
        .arg(own);
    command.args(arguments).current_dir(project.path(""));
    command
        .env("VMIMAGE_CACHE", project.path("cache"))
        .env("USER", user)
        .env("NO_COLOR", "1");
    run(&mut command)
}

fn give(path: &Path, user: &str) {
    let owner = format!("{user}:");
    let ran = run(Command::new("chown")
        .args(["-R", "--no-dereference", &owner])
        .arg(path));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn with_subordinate_ids_the_disk_is_the_same_as_root_s() {
    user_with_ids();
    let project = Project::new();
    project.done(&["lock", "small"]);
    project.done(&[
        "bake",
        "small",
        "--locked",
        "--out",
        "root",
        "--cache",
        "cache-of-root",
    ]);
    give(&project.path(""), USER);
    let ran = as_user(
        USER,
        &project,
        &["bake", "small", "--locked", "--out", "out"],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let digest = |name: &str| vmimage_tests::project::sha256(&project.path(name));
    assert_eq!(digest("out/disk.raw"), digest("root/disk.raw"));
    // What a user namespace made belongs to subordinate ids; let root remove it.
    give(&project.path(""), "root");
}

#[test]
fn without_them_a_user_is_told_what_to_do() {
    let project = Project::new();
    let lock = project.path("images/small.lock");
    fs::write(lock, "").expect("write");
    give(&project.path(""), "nobody");
    let ran = as_user("nobody", &project, &["bake", "small"]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.stderr,
        "error: cannot bake as user `nobody`: no subordinate ids in `/etc/subuid`\n\
         hint: run as root, or give yourself ids: `usermod --add-subuids 100000-165535 \
         --add-subgids 100000-165535 nobody`\nnothing was changed\n"
    );
}
