//! Tests of manifests, and the samples that other modules' tests use.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use vmimage_plan::definition::{Architecture, Boot, Disk, Image, Recipe, Suite, Units};
use vmimage_plan::lock::{Asked, Lock, LockedPackage, LockedRepository, Target};

use super::{Manifest, ManifestInput, OutputEntry, load_manifest, make_manifest};
use crate::disk::FileDigest;
use crate::seal::SealedRow;

/// A small image with a stand-in.
pub(crate) fn sample_image() -> Image {
    let recipe = |name: &str, enable: &[&str]| Recipe {
        name: name.to_owned(),
        description: format!("The {name}."),
        repositories: vec![],
        packages: vec![],
        debconf: vec![],
        directories: vec![],
        files: vec![],
        links: vec![],
        commands: vec![],
        units: Units {
            enable: enable.iter().map(|unit| (*unit).to_owned()).collect(),
            disable: vec![],
            mask: vec!["apt-daily.timer".to_owned()],
        },
        seals: vec![],
        checks: vec![],
        boot_steps: vec![],
    };
    Image {
        path: "images/small.toml".to_owned(),
        name: "small".to_owned(),
        description: "A small image.".to_owned(),
        suite: Suite::Trixie,
        architectures: vec![Architecture::X86_64],
        recipes: vec![
            recipe("base", &["ssh.service"]),
            recipe("webmin", &["webmin.service"]),
        ],
        disk: Disk {
            esp_mib: 64,
            root_mib: None,
            root_free_mib: 64,
        },
        boot: Boot {
            consoles: vec!["tty0".to_owned(), "ttyS0,115200".to_owned()],
            kernel_arguments: vec!["quiet".to_owned()],
            timeout_secs: 0,
        },
    }
}

fn sample_lock() -> Lock {
    let package = |name: &str, version: &str, archive: &str, recipe: &str| LockedPackage {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: if name == "webmin" { "all" } else { "amd64" }.to_owned(),
        sha256: hex::encode([u8::try_from(name.len()).unwrap(); 32]),
        size: 1000,
        archive: archive.to_owned(),
        path: format!("pool/{name}.deb"),
        recipe: recipe.to_owned(),
        requested: name != "libstdc++6",
    };
    let repository = |archive: &str, stand_in| LockedRepository {
        archive: archive.to_owned(),
        suite: "trixie".to_owned(),
        release_sha256: hex::encode([1; 32]),
        release_names: None,
        date: "2026-11-20T00:00:00Z".to_owned(),
        valid_until: None,
        signed_by: "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8".to_owned(),
        accepted_key: None,
        stand_in,
    };
    Lock {
        format: 1,
        image: "small".to_owned(),
        inputs: hex::encode([2; 32]),
        asked: Asked::of(&sample_image()),
        source_date_epoch: 1_795_000_000,
        repositories: vec![repository("debian", false), repository("webmin", true)],
        targets: vec![Target {
            architecture: Architecture::X86_64,
            packages: vec![
                package("passwd", "1:4.17.4-2", "debian", "base"),
                package("libstdc++6", "14.2.0-19", "debian", "base"),
                package("webmin", "2.520+standin", "webmin", "webmin"),
            ],
        }],
    }
}

/// The manifest of the small image baked from a tree in a temporary directory.
pub(crate) fn sample_manifest() -> Manifest {
    let directory = tempfile::tempdir().unwrap();
    write_tree(directory.path());
    let output = FileDigest {
        path: PathBuf::from("/out/disk.raw"),
        size: 1 << 30,
        allocated: 1 << 29,
        sha256: hex::encode([3; 32]),
    };
    make_manifest(&ManifestInput {
        tree: directory.path(),
        image: &sample_image(),
        lock: &sample_lock(),
        lock_sha256: &hex::encode([4; 32]),
        architecture: Architecture::X86_64,
        fingerprint: &hex::encode([5; 32]),
        version: "0.1.0",
        sealed: &[SealedRow {
            recipe: "base".to_owned(),
            path: "/etc/ssh/ssh_host_*".to_owned(),
            action: "remove".to_owned(),
            reason: "two machines would share an identity".to_owned(),
            changed: vec!["/etc/ssh/ssh_host_rsa_key".to_owned()],
        }],
        disk: None,
        outputs: &[output],
    })
    .unwrap()
}

fn write_tree(tree: &Path) {
    let info = tree.join("var/lib/dpkg/info");
    fs::create_dir_all(&info).unwrap();
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::create_dir_all(tree.join("usr/lib")).unwrap();
    fs::write(
        tree.join("var/lib/dpkg/status"),
        "Package: passwd\nInstalled-Size: 100\nArchitecture: amd64\nConffiles:\n \
         /etc/login.defs 900150983cd24fb0d6963f7d28e17f72\n /etc/same \
         900150983cd24fb0d6963f7d28e17f72\n\nPackage: webmin\nInstalled-Size: 20\n\
         Architecture: all\n",
    )
    .unwrap();
    fs::write(
        info.join("passwd.list"),
        b"/.\n/etc\n/etc/login.defs\n/etc/same\n/lib/owned\n/etc/caf\xe9\n",
    )
    .unwrap();
    // MD5 of `abc` is what the conffiles should have.
    fs::write(tree.join("etc/same"), "abc").unwrap();
    fs::write(tree.join("etc/login.defs"), "changed").unwrap();
    fs::write(tree.join("usr/lib/owned"), "owned").unwrap();
    fs::write(tree.join("etc/added"), "abc").unwrap();
    // Latin-1: two names that would be one as text.
    for name in [b"etc/caf\xe8", b"etc/caf\xe9"] {
        fs::write(tree.join(std::ffi::OsStr::from_bytes(name)), "abc").unwrap();
    }
    std::os::unix::fs::symlink("/etc/added", tree.join("etc/link")).unwrap();
    for path in ["etc/same", "etc/login.defs", "usr/lib/owned"] {
        let file = fs::File::options()
            .write(true)
            .open(tree.join(path))
            .unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_000_000);
        file.set_modified(time).unwrap();
    }
}

#[test]
fn a_manifest_names_packages_sizes_and_stand_ins() {
    let manifest = sample_manifest();
    let packages: Vec<(&str, &str, u64, bool)> = manifest
        .packages()
        .map(|(recipe, package)| {
            (
                recipe.name.as_str(),
                package.name.as_str(),
                package.installed,
                package.stand_in,
            )
        })
        .collect();
    assert_eq!(
        packages,
        [
            ("base", "libstdc++6", 0, false),
            ("base", "passwd", 102_400, false),
            ("webmin", "webmin", 20_480, true),
        ]
    );
    let installed: Vec<u64> = manifest
        .recipes
        .iter()
        .map(|recipe| recipe.installed)
        .collect();
    assert_eq!(installed, [102_400, 20_480]);
    assert_eq!(
        manifest.outputs,
        [OutputEntry {
            name: "disk.raw".to_owned(),
            size: 1 << 30,
            sha256: hex::encode([3; 32]),
        }]
    );
}

#[test]
fn only_files_outside_packages_are_listed() {
    let manifest = sample_manifest();
    let files: Vec<(&str, Option<&str>, Option<&str>)> = manifest
        .files
        .iter()
        .map(|file| {
            (
                file.path.as_str(),
                file.package.as_deref(),
                file.link.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        files,
        [
            ("/etc/added", None, None),
            ("/etc/caf\\xE8", None, None),
            ("/etc/link", None, Some("/etc/added")),
            ("/etc/login.defs", Some("passwd"), None),
        ]
    );
    assert_eq!(
        manifest.files[0].sha256.as_deref(),
        Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    );
}

#[test]
fn a_manifest_survives_being_written_and_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("manifest.json");
    let manifest = sample_manifest();
    let text = manifest.to_json().unwrap();
    assert!(text.starts_with("{\n  \"format\": 1,\n  \"image\": \"small\",\n"));
    fs::write(&path, &text).unwrap();
    assert_eq!(load_manifest(&path).unwrap(), manifest);
}

#[test]
fn other_formats_and_unknown_keys_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("manifest.json");
    let shown = path.display().to_string();
    let error = |text: &str| {
        fs::write(&path, text).unwrap();
        load_manifest(&path).unwrap_err()
    };
    assert_eq!(
        error("{\"format\": 2, \"new\": true}").to_string(),
        format!("cannot read `{shown}`: it has format 2, this vmimage reads format 1")
    );
    assert_eq!(
        error("not json").to_string(),
        format!("cannot read `{shown}` as a manifest")
    );
    let text = sample_manifest()
        .to_json()
        .unwrap()
        .replacen('{', "{ \"extra\": 1,", 1);
    let source = std::error::Error::source(&error(&text))
        .unwrap()
        .to_string();
    assert!(source.starts_with("unknown field `extra`"), "{source}");
    fs::remove_file(&path).unwrap();
    assert_eq!(
        load_manifest(&path).unwrap_err().to_string(),
        format!("cannot read `{shown}`")
    );
}
