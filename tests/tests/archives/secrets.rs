//! A password in a URL reaches the server that it is for, and is shown and kept nowhere.

use std::path::Path;
use std::process::{Command, Stdio};

use vmimage_tests::project::{Ran, program, run};
use vmimage_tests::standin::TestKey;

use super::named::{archive, holds};
use super::server::Server;

const PASSWORD: &str = "hunter2";
/// `user:hunter2` as it is sent.
const SENT: &str = "Basic dXNlcjpodW50ZXIy";

/// `other:hunter2`, which a redirect names and which is sent to where it leads.
const OTHER: &str = "Basic b3RoZXI6aHVudGVyMg==";

/// A project of one image whose only archive is to be found by a mirror.
fn project(folder: &Path, key: &TestKey, url: &str) {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("recipes/base/key.asc", &key.public_armored().unwrap());
    write(
        "recipes/base/recipe.toml",
        &format!(
            "format = 1\nname = \"base\"\ndescription = \"Base\"\npackages = [\"base-files\"]\n\n\
             [[repository]]\narchive = \"debian\"\nurl = \"{url}\"\nsuites = [\"stable\"]\n\
             components = [\"main\"]\nkey = \"key.asc\"\nfingerprints = [\"{}\"]\n",
            key.fingerprint()
        ),
    );
    write(
        "images/test.toml",
        "format = 1\nname = \"test\"\ndescription = \"Test\"\nsuite = \"trixie\"\n\
         architectures = [\"x86_64\"]\nrecipes = [\"base\"]\n",
    );
}

fn vmimage(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("VMIMAGE_CACHE", folder.join("cache"))
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    let ran = run(&mut command);
    let shown = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!shown.contains(PASSWORD), "{arguments:?}: {shown}");
    assert!(
        !shown.contains("dXNlcjpodW50ZXIy"),
        "{arguments:?}: {shown}"
    );
    assert!(!holds(folder, PASSWORD), "{arguments:?}");
    ran
}

#[test]
fn the_password_of_a_mirror_is_sent_to_it_alone_and_kept_nowhere() {
    let (files, key) = (tempfile::tempdir().unwrap(), TestKey::new().unwrap());
    archive().write(&files.path().join("debian"), &key);
    let elsewhere = Server::start(files.path(), 404, None);
    let moved = format!(
        "http://other:{PASSWORD}@localhost:{}/debian",
        elsewhere.address.port()
    );
    let server = Server::start(files.path(), 404, Some(moved));
    let url = |path: &str| format!("http://user:{PASSWORD}@{}/{path}", server.address);
    for (path, variable) in [("debian", false), ("debian/", true), ("moved", true)] {
        let folder = tempfile::tempdir().unwrap();
        project(folder.path(), &key, "http://debian.example");
        let mirror = format!("debian={}", url(path));
        let ran = if variable {
            vmimage(
                folder.path(),
                &["lock", "test"],
                &[("VMIMAGE_MIRRORS", &mirror)],
            )
        } else {
            vmimage(folder.path(), &["lock", "test", "--mirror", &mirror], &[])
        };
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let warned = ran.stderr.contains(
            "warning: everybody on this machine can read the password of `--mirror debian=...`",
        );
        assert_eq!(warned, !variable, "{}", ran.stderr);
        assert!(folder.path().join("images/test.lock").is_file());
    }
    let requests = server.requests.lock().unwrap();
    assert!(requests.len() >= 6, "{requests:?}");
    for request in requests.iter() {
        assert_eq!(request.authorization.as_deref(), Some(SENT), "{request:?}");
    }
    let requests = elsewhere.requests.lock().unwrap();
    assert!(requests.len() >= 2, "{requests:?}");
    for request in requests.iter() {
        assert_eq!(request.authorization.as_deref(), Some(OTHER), "{request:?}");
    }
}

#[test]
fn no_refusal_shows_a_password() {
    let (folder, key) = (tempfile::tempdir().unwrap(), TestKey::new().unwrap());
    project(folder.path(), &key, "http://debian.example");
    let files = tempfile::tempdir().unwrap();
    let server = Server::start(files.path(), 404, None);
    let forbidden = Server::start(files.path(), 403, None);
    let there = format!("debian=http://user:{PASSWORD}@{}/debian", server.address);
    let refused = format!("debian=http://user:{PASSWORD}@{}/debian", forbidden.address);
    let unescaped = format!("debian=http://user:{PASSWORD}/x@{}/debian", server.address);
    let nowhere = format!("debian=http://user:{PASSWORD}@127.0.0.1:9/debian");
    let lone = format!("debian=https://{PASSWORD}@127.0.0.1:9");
    let scheme = format!("debian=ftp://user:{PASSWORD}@host");
    let nameless = format!("http://user:{PASSWORD}@host");
    for (mirror, code, words) in [
        (&there, 1, "/debian/dists/stable/Release` does not exist"),
        (
            &refused,
            1,
            "/debian/dists/stable/InRelease` with status 403",
        ),
        (&unescaped, 1, "http://user:***@127.0.0.1"),
        (
            &nowhere,
            1,
            "cannot reach `http://user:***@127.0.0.1:9/debian/dists/stable/InRelease`",
        ),
        (
            &lone,
            1,
            "cannot reach `https://***@127.0.0.1:9/dists/stable/InRelease`",
        ),
        (
            &scheme,
            2,
            "is not NAME=URL with an http, https or file URL",
        ),
        (
            &nameless,
            2,
            "is not NAME=URL with an http, https or file URL",
        ),
    ] {
        for arguments in [
            vec!["lock", "test", "--mirror", mirror],
            vec!["lock", "test"],
        ] {
            let variable = [("VMIMAGE_MIRRORS", mirror.as_str())];
            let environment = if arguments.len() == 2 {
                &variable[..]
            } else {
                &[]
            };
            let ran = vmimage(folder.path(), &arguments, environment);
            assert_eq!(ran.code, code, "{mirror}: {}", ran.stderr);
            assert!(ran.stderr.contains(words), "{mirror}: {}", ran.stderr);
        }
    }
    no_proxy_and_no_image_s_name_shows_it(folder.path(), &nameless);
}

fn no_proxy_and_no_image_s_name_shows_it(folder: &Path, nameless: &str) {
    let proxy = format!("http://user:{PASSWORD}@127.0.0.1:9");
    let ran = vmimage(folder, &["lock", "test"], &[("http_proxy", &proxy)]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let ran = vmimage(folder, &["lock", "test", nameless], &[]);
    assert!(
        ran.stderr.contains("http://user:***@host"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_password_in_a_recipe_is_refused_and_not_repeated() {
    let key = TestKey::new().unwrap();
    // The project itself holds the password, so that it is looked for in what is shown alone.
    let folder = tempfile::tempdir().unwrap();
    project(
        folder.path(),
        &key,
        &format!("http://user:{PASSWORD}@debian.example"),
    );
    for arguments in [
        &["check"][..],
        &["check", "--json"],
        &["lock", "test"],
        &["lock", "test", "--check"],
    ] {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null());
        let ran = run(&mut command);
        let shown = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, 2, "{arguments:?}: {shown}");
        assert!(shown.contains("the URL holds credentials"), "{shown}");
        assert!(!shown.contains(PASSWORD), "{arguments:?}: {shown}");
    }
}
