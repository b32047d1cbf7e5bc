//! Tests of inspections and differences with what they print.

use std::fs;

use super::{diff, inspect, render_difference, render_inspection};
use crate::disk::digest_file;
use crate::manifest::tests::sample_manifest;
use crate::manifest::{Manifest, OutputEntry, OutsideFile};

#[test]
fn an_inspection_names_everything_in_the_image() {
    let inspection = super::Inspection {
        file: "out".into(),
        manifest: Some(sample_manifest()),
        partitions: vec![],
        verified: vec!["disk.raw".to_owned()],
    };
    insta::assert_snapshot!(render_inspection(&inspection), @r"
    image        small
    system       Debian trixie, x86_64
    fingerprint  0505050505050505050505050505050505050505050505050505050505050505
    kernel       none
    vmimage      0.1.0

    STAND-IN packages, not the vendor's: webmin

    files
      disk.raw  1.0 GiB  0303030303030303030303030303030303030303030303030303030303030303

    recipes
      base    2 packages  100.0 KiB  The base.
      webmin   1 package   20.0 KiB  The webmin.

    recipe base
      libstdc++6  14.2.0-19   amd64        0 B
      passwd      1:4.17.4-2  amd64  100.0 KiB
      units enabled: ssh.service
      units masked: apt-daily.timer

    recipe webmin
      webmin  2.520+standin  all  20.0 KiB  STAND-IN
      units enabled: webmin.service
      units masked: apt-daily.timer

    repositories
      debian  trixie  signed by B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8
      webmin  trixie  signed by B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8  STAND-IN

    seal
      remove /etc/ssh/ssh_host_*: two machines would share an identity (base, 1 changed)
        /etc/ssh/ssh_host_rsa_key

    4 files outside packages

    verified: disk.raw
    ");
}

#[test]
fn a_difference_lists_packages_files_units_and_sizes() {
    let before = sample_manifest();
    let mut after = before.clone();
    after.fingerprint = hex::encode([6; 32]);
    after.outputs[0].size += 3 << 20;
    after.recipes[0].packages[1].version = "1:4.18-1".to_owned();
    after.recipes[0].packages[1].installed += 10_240;
    after.recipes[0].installed += 10_240;
    after.recipes[0].packages.remove(0);
    after.recipes[1].enabled.clear();
    let mut added = after.recipes[1].packages[0].clone();
    added.name = "webmin-virtual-server".to_owned();
    after.recipes[1].packages.push(added);
    after.files.remove(0);
    after.files[2].mode = Some("0600".to_owned());
    after.files.push(OutsideFile {
        path: "/etc/new".to_owned(),
        mode: Some("0644".to_owned()),
        sha256: Some(hex::encode([9; 32])),
        link: None,
        package: None,
    });
    insta::assert_snapshot!(render_difference(&diff(&before, &after)), @r"
    packages added
      webmin-virtual-server  2.520+standin  20.0 KiB  recipe webmin  STAND-IN
    packages removed
      libstdc++6  14.2.0-19  0 B  recipe base
    packages changed
      passwd  1:4.17.4-2 -> 1:4.18-1  +10.0 KiB  recipe base
    files changed outside packages
      /etc/added       removed
      /etc/login.defs  mode changed  of package passwd
      /etc/new         added
    recipes
      base changed, +10.0 KiB
      webmin changed
        - enabled webmin.service
    sizes
      disk.raw  1.0 GiB -> 1.0 GiB  +3.0 MiB
    ");
    let same = render_difference(&diff(&before, &before));
    assert_eq!(same, "the images are the same\n");
}

fn write_output(directory: &std::path::Path, content: &[u8]) -> Manifest {
    let disk = directory.join("disk.qcow2");
    fs::write(&disk, content).unwrap();
    let digest = digest_file(&disk).unwrap();
    let mut manifest = sample_manifest();
    manifest.outputs = vec![OutputEntry {
        name: "disk.qcow2".to_owned(),
        size: digest.size,
        sha256: digest.sha256,
    }];
    fs::write(directory.join("manifest.json"), manifest.to_json().unwrap()).unwrap();
    manifest
}

#[test]
fn directories_manifests_and_files_lead_to_the_same_manifest() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = write_output(directory.path(), b"content");
    for (name, verified) in [("", 1), ("manifest.json", 0), ("disk.qcow2", 1)] {
        let found = inspect(&directory.path().join(name)).unwrap();
        assert_eq!(found.manifest.as_ref(), Some(&manifest), "{name}");
        assert_eq!(found.verified.len(), verified, "{name}");
    }
}

#[test]
fn a_file_that_was_changed_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    write_output(directory.path(), b"content");
    let disk = directory.path().join("disk.qcow2");
    let shown = disk.display();
    fs::write(&disk, "Content").unwrap();
    let error = inspect(directory.path()).unwrap_err().to_string();
    let start = format!("`{shown}` is not what its manifest says: its SHA-256 is ");
    assert!(error.starts_with(&start), "{error}");
    fs::write(&disk, "cont").unwrap();
    let error = inspect(&disk).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("`{shown}` is not what its manifest says: its size is 4, not 7")
    );
    assert!(error.hint().is_some());
}

#[test]
fn what_is_no_image_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let shown = directory.path().display();
    assert_eq!(
        inspect(directory.path()).unwrap_err().to_string(),
        format!(
            "cannot inspect `{shown}`: it is neither a disk, nor a manifest, nor a directory with one"
        )
    );
    let text = directory.path().join("text");
    fs::write(&text, "text").unwrap();
    assert!(
        inspect(&text)
            .unwrap_err()
            .to_string()
            .starts_with("cannot inspect")
    );
    let missing = directory.path().join("missing");
    assert_eq!(
        inspect(&missing).unwrap_err().to_string(),
        format!("cannot read `{}`", missing.display())
    );
    write_output(directory.path(), b"content");
    assert_eq!(
        inspect(&text).unwrap_err().to_string(),
        format!("the manifest beside `{}` does not name it", text.display())
    );
}

/// Without a manifest the disk itself has to show that it is all there; its tables are tested where
/// they are read.
#[test]
fn disks_that_are_not_all_there_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let refusal = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        let error = inspect(&path).unwrap_err();
        let text = error.to_string().replace(&path.display().to_string(), name);
        (text, error.hint().unwrap_or_default())
    };
    let mut protective = vec![0; 512];
    protective[450] = 0xee;
    protective[510..].copy_from_slice(&[0x55, 0xaa]);
    let mut table = vec![0; 4096];
    table[512..520].copy_from_slice(b"EFI PART");
    for (name, content, expected) in [
        ("empty.raw", &b""[..], "it is empty"),
        (
            "first-sector.raw",
            &protective,
            "its partition table cannot be used: the disk has 512 bytes, its header ends at byte 1024",
        ),
        (
            "garbage.raw",
            &table,
            "its partition table cannot be used: invalid revision",
        ),
        (
            "cut.qcow2",
            b"QFI\xfb\0\0\0\x03",
            "it ends within its header, after 8 bytes",
        ),
    ] {
        let hint = "it was copied incompletely or changed: copy it again, or bake again";
        assert_eq!(
            refusal(name, content),
            (
                format!("the disk `{name}` is damaged: {expected}"),
                hint.to_owned()
            )
        );
    }
    let manifest = sample_manifest().to_json().unwrap();
    assert_eq!(
        refusal("manifest.json", &manifest.as_bytes()[..100]),
        (
            "cannot read `manifest.json` as a manifest".to_owned(),
            "it was copied incompletely or changed: copy it again, or bake again".to_owned()
        )
    );
    assert_eq!(
        refusal("manifest.json", br#"{"format": 9}"#),
        (
            "cannot read `manifest.json`: it has format 9, this vmimage reads format 1".to_owned(),
            "inspect it with the vmimage that baked it, or bake again".to_owned()
        )
    );
}
