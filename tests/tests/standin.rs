//! The stand-in vendor repositories: that they are built the same every time, that apt accepts them
//! with their key and refuses them with another, and that they say what they are. Needs apt,
//! dpkg-deb, gpg and gpgv on the host, and neither root nor a network.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use vmimage_tests::standin::{
    self, ARCHIVES, Archive, Deb, ORIGIN, StandinError, StandinRepository, Validity,
};

/// The key is made from a fixed text: another fingerprint would be another key, which every lock
/// that was made with stand-ins refuses.
const FINGERPRINT: &str = "11BADD009ACB8CC2A66E0D766D769A7CA6A0B7EA";

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn build() -> (TempDir, StandinRepository) {
    let directory = temporary();
    let built =
        StandinRepository::build(&standin::sources(), directory.path(), Validity::default())
            .expect("the repositories can be built");
    (directory, built)
}

fn archive(name: &str) -> Archive {
    *ARCHIVES
        .iter()
        .find(|archive| archive.name == name)
        .expect("the archive is known")
}

fn digests(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut digests = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = fs::read(&path).expect("the file can be read");
                let inside = path.strip_prefix(folder).expect("it is inside");
                digests.insert(inside.to_path_buf(), hex::encode(Sha256::digest(content)));
            }
        }
    }
    digests
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let text = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (status.code(), text.concat())
}

/// Runs a command that must succeed.
fn good(command: &mut Command) -> String {
    let (code, text) = run(command);
    assert_eq!(code, Some(0), "{command:?}: {text}");
    text
}

/// An apt that knows nothing but one stand-in archive and one key.
struct Apt(TempDir);

impl Apt {
    fn new(directory: &Path, archive: Archive, key: &Path) -> Self {
        let root = temporary();
        for folder in [
            "etc/apt.conf.d",
            "etc/preferences.d",
            "etc/sources.list.d",
            "state/lists/partial",
            "cache",
            "dpkg",
        ] {
            fs::create_dir_all(root.path().join(folder)).expect("a folder can be made");
        }
        let sources = format!(
            "Types: deb\nURIs: file://{}\nSuites: {}\nComponents: {}\nSigned-By: {}\n",
            directory.join(archive.name).display(),
            archive.suite,
            archive.component,
            key.display()
        );
        let configuration = format!(
            "Dir \"{0}\";\nDir::State \"{0}/state\";\nDir::State::status \"{0}/dpkg/status\";\n\
             Dir::Cache \"{0}/cache\";\nDir::Etc \"{0}/etc\";\n\
             APT::Architecture \"amd64\";\nAPT::Sandbox::User \"\";\n",
            root.path().display()
        );
        for (name, content) in [
            ("etc/sources.list.d/standin.sources", sources.as_str()),
            ("dpkg/status", ""),
            ("apt.conf", &configuration),
        ] {
            fs::write(root.path().join(name), content).expect("a file can be written");
        }
        Self(root)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("APT_CONFIG", self.0.path().join("apt.conf"))
            .current_dir(self.0.path());
        command
    }

    fn update(&self) -> (Option<i32>, String) {
        run(&mut self.command("apt-get", &["update", "--error-on=any"]))
    }
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    let (first, built) = build();
    let (second, _) = build();
    let first = digests(first.path());
    assert_eq!(first, digests(second.path()));
    // Per archive: three Release files, a key, and three indexes for each of two architectures.
    assert_eq!(first.len(), 3 * (3 + 1 + 6) + built.packages.len());
    assert_eq!(built.fingerprint, FINGERPRINT);
}

#[test]
fn apt_accepts_every_archive_with_its_key() {
    let (directory, built) = build();
    assert_eq!(
        built.packages,
        [
            "grafana/grafana_12.0.0+standin1",
            "virtualmin/procmail-wrapper_1.0+standin1",
            "virtualmin/virtualmin-config_8.1.6+standin1",
            "virtualmin/virtualmin-core_8.0.1+standin1",
            "virtualmin/virtualmin-lamp-stack_8.0.1+standin1",
            "virtualmin/webmin-virtual-server_8.1.0+standin1",
            "virtualmin/webmin-virtualmin-awstats_7.0.0+standin1",
            "virtualmin/webmin-virtualmin-htpasswd_7.0.0+standin1",
            "webmin/webmin_2.660+standin1",
        ]
    );
    for package in built.packages {
        let (from, file) = package.split_once('/').expect("an archive and a file");
        let (name, version) = file.split_once('_').expect("a name and a version");
        let key = directory.path().join(from).join("key.asc");
        let apt = Apt::new(directory.path(), archive(from), &key);
        let (code, problem) = apt.update();
        assert_eq!(code, Some(0), "{problem}");
        let shown = good(&mut apt.command("apt-cache", &["show", name]));
        for line in [
            format!("Version: {version}\n"),
            format!("Origin: {ORIGIN}\n"),
            ": stand-in for ".to_owned(),
        ] {
            assert!(shown.contains(&line), "`{line}` is not in {shown}");
        }
        good(&mut apt.command("apt-get", &["download", name]));
    }
}

#[test]
fn apt_refuses_another_key() {
    let (directory, _) = build();
    let key = temporary();
    let key = key.path().join("other.asc");
    let other = "../recipes/base/keys/debian-security-trixie.asc";
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(other), &key).expect("the key is there");
    let (code, problem) = Apt::new(directory.path(), archive("webmin"), &key).update();
    assert_eq!(code, Some(100), "{problem}");
    // apt with gpgv, and apt with sqv.
    let words = ["NO_PUBKEY", "Missing key"];
    assert!(words.iter().any(|word| problem.contains(word)), "{problem}");
}

#[test]
fn apt_refuses_what_was_changed() {
    let (directory, _) = build();
    let grafana = directory.path().join("grafana");
    let deb = grafana.join("pool/main/grafana_12.0.0+standin1_all.deb");
    let mut bytes = fs::read(&deb).expect("the package can be read");
    bytes[200] ^= 1;
    fs::write(&deb, bytes).expect("the package can be written");
    let apt = Apt::new(
        directory.path(),
        archive("grafana"),
        &grafana.join("key.asc"),
    );
    assert_eq!(apt.update().0, Some(0));
    let (code, problem) = run(&mut apt.command("apt-get", &["download", "grafana"]));
    assert_eq!(code, Some(100), "{problem}");

    let release = grafana.join("dists/stable/InRelease");
    let text = fs::read_to_string(&release).expect("the Release file can be read");
    let changed = text.replace("Label: vmimage stand-in", "Label: not a stand-in");
    assert_ne!(text, changed);
    fs::write(&release, changed).expect("the Release file can be written");
    let apt = Apt::new(
        directory.path(),
        archive("grafana"),
        &grafana.join("key.asc"),
    );
    let (code, problem) = apt.update();
    assert_eq!(code, Some(100), "{problem}");
}

#[test]
fn apt_refuses_an_expired_release() {
    let directory = temporary();
    // 2025-01-01 and a day later.
    let validity = Validity {
        date: 1_735_732_800,
        valid_until: 1_735_819_200,
    };
    StandinRepository::build(&standin::sources(), directory.path(), validity)
        .expect("the repositories can be built");
    let key = directory.path().join("grafana/key.asc");
    let (code, problem) = Apt::new(directory.path(), archive("grafana"), &key).update();
    assert_eq!(code, Some(100), "{problem}");
    assert!(problem.contains("expired"), "{problem}");
}

#[test]
fn gpgv_accepts_the_detached_signature_of_a_key_that_is_not_secret() {
    let (directory, _) = build();
    for archive in ARCHIVES {
        let repository = directory.path().join(archive.name);
        let keyring = repository.join("keyring.gpg");
        let home = temporary();
        let gpg = || {
            let mut gpg = Command::new("gpg");
            gpg.arg("--batch").env("GNUPGHOME", home.path());
            gpg
        };
        let key = repository.join("key.asc");
        good(
            gpg()
                .arg("--output")
                .arg(&keyring)
                .arg("--dearmor")
                .arg(&key),
        );
        let suite = repository.join("dists").join(archive.suite);
        good(
            Command::new("gpgv")
                .arg("--keyring")
                .arg(&keyring)
                .arg(suite.join("Release.gpg"))
                .arg(suite.join("Release")),
        );
        let shown = good(gpg().arg("--show-keys").arg(&key));
        assert!(shown.contains("vmimage test key, not secret"), "{shown}");
    }
}

#[test]
fn dpkg_reads_every_package() {
    let (directory, built) = build();
    for package in built.packages {
        let (from, file) = package.split_once('/').expect("an archive and a file");
        let component = archive(from).component;
        let path = format!("{from}/pool/{component}/{file}_all.deb");
        let deb = directory.path().join(path);
        let listing = good(Command::new("dpkg-deb").arg("--contents").arg(&deb));
        for line in listing.lines() {
            assert!(line.contains(" root/root "), "{line}");
            assert!(line.contains("2025-01-01"), "{line}");
        }
        let fields = good(Command::new("dpkg-deb").arg("--field").arg(&deb));
        assert!(fields.contains("\nInstalled-Size: "), "{fields}");
    }
}

#[test]
fn a_package_that_does_not_say_what_it_is_is_refused() {
    let folder = temporary();
    let control = folder.path().join("control");
    for (text, expected) in [
        (
            "Package: webmin\nVersion: 1\nOrigin: webmin\nDescription: Webmin\n",
            "`PATH` does not say `Origin: vmimage-standin`",
        ),
        (
            "Package: webmin\nVersion: 1\nDescription: Webmin\n",
            "`PATH` has no field `Origin`",
        ),
        (
            "Package: webmin\nOrigin: vmimage-standin\nDescription: Webmin\n",
            "`PATH` has no field `Version`",
        ),
    ] {
        fs::write(&control, text).expect("a file can be written");
        let error = Deb::build(folder.path(), 0).expect_err("it is refused");
        let expected = expected.replace("PATH", &control.display().to_string());
        assert_eq!(error.to_string(), expected);
    }
    fs::remove_file(&control).expect("the file can be removed");
    let error = Deb::build(folder.path(), 0).expect_err("it is refused");
    assert!(
        matches!(error, StandinError::File { action: "read", .. }),
        "{error}"
    );
}
