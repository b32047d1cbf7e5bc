//! What a user reads when something is wrong. Every message names its object and the next step.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use vmimage_tests::project::{Project, Ran, run};

fn fails(ran: &Ran, code: i32, parts: &[&str]) {
    assert_eq!(ran.code, code, "{}", ran.stderr);
    for part in parts {
        assert!(ran.stderr.contains(part), "no `{part}` in:\n{}", ran.stderr);
    }
}

#[test]
fn without_a_lock_and_with_a_stale_one() {
    let project = Project::new();
    let locked = ["bake", "small", "--locked"];
    fails(
        &project.run(&locked),
        2,
        &[
            "error: cannot bake `small` with --locked: it has no lock `images/small.lock`\n",
            "hint: run `vmimage lock small`",
        ],
    );
    project.done(&["lock", "small"]);
    project.done(&["lock", "small", "--check"]);
    project.replace(
        "recipes/base/recipe.toml",
        "\"less\", ",
        "\"less\", \"tree\", ",
    );
    for arguments in [&locked[..], &["lock", "small", "--check"]] {
        fails(
            &project.run(arguments),
            2,
            &[
                "error: the lock `images/small.lock` is stale: ",
                "`tree`",
                "hint: run `vmimage lock small`",
            ],
        );
    }
}

#[test]
fn an_image_that_does_not_exist() {
    let ran = Project::new().run(&["bake", "smal"]);
    fails(
        &ran,
        2,
        &[
            "error: no image `images/smal.toml`\n",
            "hint: the images here are: small",
        ],
    );
}

#[test]
fn a_wrong_command_line() {
    let project = Project::new();
    fails(&project.run(&["bake"]), 2, &["required"]);
    fails(
        &project.run(&["bake", "small", "--mirror", "debian"]),
        2,
        &["NAME=URL"],
    );
    fails(
        &project.run(&["bake", "small", "--format", "vhd"]),
        2,
        &["vhd"],
    );
}

#[test]
fn outside_a_project() {
    let empty = tempfile::tempdir().expect("make a folder");
    let project = empty.path().display().to_string();
    let ran = Project::new().run(&["check", "--project", &project]);
    fails(
        &ran,
        2,
        &[
            "cannot find `images/` in ",
            "hint: run in the project's folder",
        ],
    );
}

#[test]
fn without_network() {
    let project = Project::new();
    let inner = project.command(&["lock", "small"]);
    let mut command = Command::new("unshare");
    command
        .arg("--net")
        .arg(inner.get_program())
        .args(inner.get_args());
    let ran = run(command
        .current_dir(project.path(""))
        .env("VMIMAGE_CACHE", project.path("cache")));
    fails(&ran, 1, &["debian", "hint: ", "nothing was changed\n"]);
    assert!(!project.path("images/small.lock").exists());
}

#[test]
fn a_repository_that_nobody_pinned_a_key_for() {
    let project = Project::new();
    let ran = project.run(&["lock", "virtualmin"]);
    // Either the vendor cannot be reached, or its key is shown and has to be accepted: never a lock.
    fails(&ran, 1, &["webmin"]);
    assert!(!project.path("images/virtualmin.lock").exists());
}

/// The base layer once, then one recipe after the other that cannot be baked on top of it.
#[test]
fn recipes_that_cannot_be_baked() {
    let project = Project::new();
    project.done(&["lock", "small"]);
    project.done(&["bake", "small", "--locked", "--out", "out"]);
    let recipe = "recipes/firstboot-launch/recipe.toml";
    let good = fs::read_to_string(project.path(recipe)).expect("read the recipe");
    let with = |text: &str| project.write(recipe, &format!("{good}\n{text}\n"));
    let bake = || project.run(&["bake", "small", "--locked", "--out", "out"]);

    with("[[command]]\nargv = [\"ls\", \"/nowhere\"]\nreason = \"a test\"");
    fails(
        &bake(),
        1,
        &[
            "command `ls /nowhere` of recipe `firstboot-launch` failed",
            "No such file",
        ],
    );

    with(
        "[[command]]\nargv = [\"install\", \"-D\", \"/etc/hosts\", \"/srv/.netrc\"]\nreason = \"a test\"",
    );
    fails(
        &bake(),
        1,
        &["cannot seal the image", "/srv/.netrc", "It holds passwords"],
    );

    with("[[check]]\npath = \"/etc/nonesuch\"\nstate = \"present\"\nreason = \"a test\"");
    fails(
        &bake(),
        1,
        &[
            "1 check of the finished image failed",
            "`/etc/nonesuch` is missing (a test)",
        ],
    );

    with("[[file]]\npath = \"/etc/x\"\ncontent = \"\"\nowner = \"nobodyhere\"");
    fails(&bake(), 1, &["the image has no such user"]);

    let grow =
        r#"["find", "/boot", "-name", "vmlinuz-*", "-exec", "truncate", "-s", "+80M", "{}", ";"]"#;
    with(&format!("[[command]]\nargv = {grow}\nreason = \"a test\""));
    project.replace("images/small.toml", "esp-mib = 128", "esp-mib = 64");
    fails(&bake(), 1, &["esp-mib", "MiB"]);

    project.write(recipe, &good);
    project.replace(
        "images/small.toml",
        "esp-mib = 64",
        "esp-mib = 128\nroot-mib = 256",
    );
    fails(&bake(), 1, &["root-mib", "MiB"]);

    // Whatever went wrong, the first output is still there, whole.
    project.replace("images/small.toml", "root-mib = 256\n", "");
    let ran = project.done(&["bake", "small", "--locked", "--out", "out"]);
    assert!(ran.stderr.starts_with("nothing to do: "), "{}", ran.stderr);
}

#[test]
fn a_package_that_is_not_what_the_lock_says() {
    let project = Project::new();
    project.done(&["lock", "small"]);
    // A cache of its own, with one file that has the right size and another content.
    fs::remove_file(project.path("cache/debs")).expect("leave the shared packages");
    let lock = fs::read_to_string(project.path("images/small.lock")).expect("read the lock");
    let (digest, size) = locked(&lock, "base-files");
    let path: PathBuf = project.path(&format!("cache/debs/{digest}.deb"));
    fs::create_dir_all(path.parent().expect("a folder")).expect("make the folder");
    fs::write(&path, vec![b'x'; size]).expect("write a wrong package");
    let ran = project.run(&["bake", "small", "--locked", "--out", "out"]);
    fails(&ran, 1, &["base-files"]);
    assert!(!project.path("out").exists());
}

/// Digest and size that a lock has for a package.
fn locked(lock: &str, name: &str) -> (String, usize) {
    let lock = vmimage_plan::lock::Lock::parse("images/small.lock", lock).expect("a lock");
    let package = lock
        .targets
        .iter()
        .flat_map(|target| &target.packages)
        .find(|package| package.name == name)
        .expect("the package is locked");
    (
        package.sha256.clone(),
        usize::try_from(package.size).expect("fits"),
    )
}
