//! Disks of a small tree: valid, the same twice, and refused with the reason where they cannot be
//! made. Needs root, mmdebstrap and a Debian archive.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod content;
mod tables;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use vmimage_bake::disk::{
    DiskError, DiskReport, DiskRequest, digest_files, make_disk, make_qcow2, make_rootfs,
};
use vmimage_bake::sandbox::Sandbox;
use vmimage_bake::sandbox::overlay::{Attributes, Overlay, Upper};
use vmimage_bake::sandbox::worker::{Starter, command};
use vmimage_plan::definition::{Architecture, Boot, Disk, Image, Suite};

/// Later than every file of the packages, and earlier than now.
const EPOCH: i64 = 1_780_000_000;

/// Runs `body` as a worker: this test program again, alone in its namespaces, where it is process 1.
fn in_worker(test: &str, body: fn()) {
    if std::process::id() == 1 {
        return body();
    }
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", test, "--nocapture"].map(Into::into);
    let status = command(&Starter::Root, &program, &arguments)
        .status()
        .unwrap();
    assert!(status.success());
}

/// A tree on the host with a sandbox of the same content.
struct Place {
    directory: PathBuf,
    tools: Sandbox,
    _overlay: Overlay,
}

impl Place {
    fn new(parent: &Path, name: &str, fill: impl FnOnce(&Path)) -> Self {
        let directory = parent.join(name);
        for part in ["tree", "changes", "work", "tools", "out"] {
            fs::create_dir_all(directory.join(part)).unwrap();
        }
        fill(&directory.join("tree"));
        let upper = Upper {
            changes: &directory.join("changes"),
            work: &directory.join("work"),
        };
        let target = directory.join("tools");
        let tree = directory.join("tree");
        let overlay =
            Overlay::mount(&[tree.as_path()], Some(upper), &target, Attributes::Trusted).unwrap();
        Self {
            tools: Sandbox::new(&target, EPOCH).unwrap(),
            _overlay: overlay,
            directory,
        }
    }

    fn tree(&self) -> PathBuf {
        self.directory.join("tree")
    }

    fn make(&self, image: &Image) -> Result<DiskReport, DiskError> {
        make_disk(&DiskRequest {
            tree: &self.tree(),
            tools: &self.tools,
            image,
            architecture: Architecture::X86_64,
            seed: "00ff",
            out: &self.directory.join("out"),
        })
    }

    /// Makes all formats and returns their digests.
    fn make_all(&self, image: &Image) -> Vec<String> {
        self.make(image).unwrap();
        let out = self.directory.join("out");
        let files = ["disk.raw", "disk.qcow2", "rootfs.tar.zst"].map(|name| out.join(name));
        make_qcow2(&files[0], &files[1]).unwrap();
        make_rootfs(&self.tree(), &files[2], EPOCH).unwrap();
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let digests = digest_files(&files).unwrap();
        digests.into_iter().map(|digest| digest.sha256).collect()
    }
}

fn image() -> Image {
    Image {
        path: "images/small.toml".to_owned(),
        name: "small".to_owned(),
        description: String::new(),
        suite: Suite::Trixie,
        architectures: vec![Architecture::X86_64],
        recipes: vec![],
        disk: Disk {
            esp_mib: 64,
            root_mib: None,
            root_free_mib: 32,
        },
        boot: Boot {
            consoles: vec!["tty0".to_owned(), "ttyS0,115200".to_owned()],
            kernel_arguments: vec!["quiet".to_owned()],
            timeout_secs: 0,
        },
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}\n{text}");
    text
}

fn display(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Unpacks the tools that a disk needs, and adds what is hard to keep: links, holes, capabilities.
fn unpack(tree: &Path) {
    let include = "--include=base-files,dash,e2fsprogs,systemd-boot-efi";
    run(
        "mmdebstrap",
        &[
            "--quiet",
            "--mode=root",
            "--variant=extract",
            include,
            "trixie",
            display(tree),
        ],
    );
    let boot = tree.join("boot");
    fs::create_dir_all(&boot).unwrap();
    for (version, size) in [("6.12.9-amd64", 1), ("6.12.118-amd64", 3)] {
        fs::write(boot.join(format!("vmlinuz-{version}")), vec![size; 70_000]).unwrap();
        fs::write(
            boot.join(format!("initrd.img-{version}")),
            vec![size; 5_000_000],
        )
        .unwrap();
    }
    let odd = tree.join("srv/odd");
    fs::create_dir_all(&odd).unwrap();
    fs::write(odd.join("first"), "linked").unwrap();
    fs::hard_link(odd.join("first"), odd.join("second")).unwrap();
    symlink("n".repeat(200), odd.join("link")).unwrap();
    for number in 0..300 {
        fs::write(odd.join(format!("{}-{number}", "long".repeat(30))), "x").unwrap();
    }
    fs::File::create(odd.join("hole"))
        .unwrap()
        .set_len(8 << 20)
        .unwrap();
    run("setcap", &["cap_net_raw+ep", display(&odd.join("first"))]);
    content::add(tree);
}

/// Copies the tree so that directories list their entries in another order, and that some of its files
/// were last read long ago.
fn copy_backwards(from: &Path, to: &Path) {
    let archive = to.with_file_name("copy.tar");
    let script = format!(
        "cd '{}' && find . -print0 | LC_ALL=C sort -zr | tar --sparse --xattrs --xattrs-include='*' \
         --no-recursion --null -T - -cf '{}' && tar --xattrs --xattrs-include='*' -xpf '{1}' -C '{}'",
        display(from),
        display(&archive),
        display(to)
    );
    run("sh", &["-c", &script]);
    run(
        "find",
        &[
            display(to),
            "-name",
            "vmlinuz*",
            "-exec",
            "touch",
            "-a",
            "--date=@1700000000",
            "{}",
            "+",
        ],
    );
    fs::remove_file(archive).unwrap();
}

#[test]
fn disks_are_valid_and_the_same_twice() {
    in_worker("disks_are_valid_and_the_same_twice", || {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let image = image();
        let first = Place::new(directory.path(), "first", unpack);
        let digests = first.make_all(&image);
        let second = Place::new(directory.path(), "second", |tree| {
            copy_backwards(&first.tree(), tree);
        });
        assert_eq!(second.make_all(&image), digests);
        content::check_archive(&first.tree(), &first.directory.join("out/rootfs.tar.zst"));
        check_disk(&first);
    });
}

/// Looks at the disk with the tools of others.
fn check_disk(place: &Place) {
    let report = place.make(&image()).unwrap();
    assert_eq!(report.kernel, "6.12.118-amd64");
    assert!(report.root_free >= 32 << 20, "{}", report.root_free);
    let out = place.directory.join("out");
    let disk = out.join("disk.raw");
    let table = run("sfdisk", &["--dump", display(&disk)]);
    assert!(
        table.contains("type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B"),
        "{table}"
    );
    let root = table.lines().last().unwrap();
    assert!(
        root.contains("type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"),
        "{table}"
    );
    assert!(root.ends_with("attrs=\"GUID:59\""), "{table}");
    assert!(run("sfdisk", &["--verify", display(&disk)]).contains("No errors detected"));

    check_partitions(&report, &out);
    content::check_root(&place.tree(), &out.join("root.img"), &report);
    tables::check(&report, &disk, &out);
    let qcow2 = out.join("disk.qcow2");
    run("qemu-img", &["check", display(&qcow2)]);
    run("qemu-img", &["compare", display(&disk), display(&qcow2)]);
}

fn check_partitions(report: &DiskReport, out: &Path) {
    let disk = out.join("disk.raw");
    for (partition, name) in report.partitions.iter().zip(["esp.img", "root.img"]) {
        let part = out.join(name);
        let arguments = [
            format!("if={}", display(&disk)),
            format!("of={}", display(&part)),
            "bs=1M".to_owned(),
            format!("skip={}", partition.offset >> 20),
            format!("count={}", partition.size >> 20),
            "conv=sparse".to_owned(),
        ];
        run(
            "dd",
            &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }
    let esp = out.join("esp.img");
    run("fsck.fat", &["-n", display(&esp)]);
    let entry = run(
        "mtype",
        &["-i", display(&esp), "::loader/entries/small.conf"],
    );
    let options = format!(
        "options root=PARTUUID={} ro console=tty0 console=ttyS0,115200 quiet",
        report.partitions[1].guid
    );
    assert_eq!(
        entry.lines().collect::<Vec<_>>(),
        [
            "title small",
            "version 6.12.118-amd64",
            "linux /small/linux",
            "initrd /small/initrd",
            &options,
        ]
    );
    let root = out.join("root.img");
    run("e2fsck", &["-fn", display(&root)]);
    let capability = run(
        "debugfs",
        &["-R", "ea_list /srv/odd/second", display(&root)],
    );
    assert!(capability.contains("security.capability"), "{capability}");
}

#[test]
fn partitions_that_are_too_small_say_what_they_need() {
    in_worker("partitions_that_are_too_small_say_what_they_need", || {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let place = Place::new(directory.path(), "tree", unpack);
        let mut small = image();
        small.disk.root_mib = Some(100);
        let error = place.make(&small).unwrap_err().to_string();
        let start = "the root of `small` is too small: it has 100 MiB, the tree and its free \
                     space need ";
        assert!(error.starts_with(start), "{error}");
        let mut tiny = image();
        tiny.disk.esp_mib = 33;
        for kernel in ["vmlinuz-6.12.118-amd64", "initrd.img-6.12.118-amd64"] {
            fs::write(place.tree().join("boot").join(kernel), vec![1; 20 << 20]).unwrap();
        }
        assert_eq!(
            place.make(&tiny).unwrap_err().to_string(),
            "the EFI system partition of `small` is too small: it has 33 MiB, its files need \
             41 MiB"
        );
    });
}

#[test]
fn a_mke2fs_that_is_old_or_fails_is_refused() {
    in_worker("a_mke2fs_that_is_old_or_fails_is_refused", || {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let place = Place::new(directory.path(), "tree", unpack);
        let fake = place.tools.root().join("usr/local/sbin/mke2fs");
        let fail_with = |script: &str| {
            fs::create_dir_all(fake.parent().unwrap()).unwrap();
            fs::write(&fake, format!("#!/bin/sh\n{script}\n")).unwrap();
            run("chmod", &["0755", display(&fake)]);
            place.make(&image()).unwrap_err().to_string()
        };
        assert_eq!(
            fail_with("echo 'mke2fs 1.47.0 (5-Feb-2023)' >&2"),
            "the image's own mke2fs 1.47.0 does not give the same file system twice; 1.47.1 does"
        );
        assert_eq!(
            fail_with(
                "test \"$1\" = -V && echo 'mke2fs 1.47.2 (x)' && exit\n\
                 echo no luck >&2; exit 7"
            ),
            "mke2fs failed with exit code 7; its last output was:\nno luck"
        );
    });
}

#[test]
fn a_missing_boot_file_is_named_with_its_package() {
    in_worker("a_missing_boot_file_is_named_with_its_package", || {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let place = Place::new(directory.path(), "tree", unpack);
        let missing = |path: &str| {
            fs::remove_file(place.tree().join(path)).unwrap();
            let error = place.make(&image()).unwrap_err();
            (error.to_string(), error.hint().unwrap())
        };
        let (initrd, _) = missing("boot/initrd.img-6.12.118-amd64");
        assert_eq!(
            initrd,
            "cannot make a bootable disk of `small`: an initrd is not in the image at \
             `/boot/initrd.img-6.12.118-amd64`"
        );
        fs::remove_file(place.tree().join("boot/vmlinuz-6.12.118-amd64")).unwrap();
        for (path, package) in [
            ("boot/vmlinuz-6.12.9-amd64", "linux-image-cloud-amd64"),
            (
                "usr/lib/systemd/boot/efi/systemd-bootx64.efi",
                "systemd-boot-efi",
            ),
        ] {
            let hint = format!("add the package `{package}` to one of the image's recipes");
            assert_eq!(missing(path).1, hint);
        }
    });
}
