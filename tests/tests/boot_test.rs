//! The boot test from outside: what it refuses, what it leaves behind, and what happens to QEMU when it
//! is killed. Booting a real image is part of the bake's own tests.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test may panic as the test itself may"
)]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use vmimage_bake::boot_test::{BootTestError, BootTestRequest, Host, boot_test};
use vmimage_tests::project::program;

/// A disk that looks bootable until the firmware reads it.
fn empty_disk(folder: &Path) -> PathBuf {
    let path = folder.join("empty disk, raw.img");
    let file = File::create_new(&path).unwrap();
    file.set_len(64 << 20).unwrap();
    let mut sfdisk = Command::new("sfdisk")
        .args(["--quiet", "--label", "gpt"])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut table = sfdisk.stdin.take().unwrap();
    table.write_all(b"start=2048, size=2048\n").unwrap();
    drop(table);
    assert!(sfdisk.wait().unwrap().success());
    path
}

#[test]
fn a_disk_that_ends_early_is_not_booted() {
    let folder = tempfile::tempdir().unwrap();
    let disk = empty_disk(folder.path());
    let file = File::options().write(true).open(&disk).unwrap();
    file.set_len(63 << 20).unwrap();
    let (code, stdout, stderr) = text(&start(&disk, folder.path()).wait_with_output().unwrap());
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert_eq!(
        stderr,
        format!(
            "error: the disk `{}` ends before its partition tables do: it has 66060288 bytes, the \
             second ends at byte 67108864\n\
             hint: it was copied incompletely or changed: copy it again, or bake again\n\
             nothing was changed\n",
            disk.canonicalize().unwrap().display()
        )
    );
}

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The command lines of the processes that name `path`, without the test's own.
fn processes_naming(path: &Path) -> Vec<String> {
    let needle = path.to_str().unwrap();
    let numbered = fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        });
    // A process may end between the listing and the reading.
    numbered
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
        .filter(|line| line.contains(needle) && line.starts_with("/usr/bin/qemu-system"))
        .collect()
}

fn scratch_folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_scratch = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("vmimage-boot-test.")
    };
    entries.filter(is_scratch).collect()
}

/// Waits for a condition of another process.
#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let (_never, tick) = channel::<()>();
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "waited in vain until {what}"
        );
        let _timeout = tick.recv_timeout(Duration::from_millis(50));
    }
}

fn start(disk: &Path, folder: &Path) -> Child {
    Command::new(program())
        .arg("boot-test")
        .arg(disk)
        .arg("--logs")
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_disk_without_a_boot_loader_fails_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let disk = empty_disk(folder.path());
    let before = fs::read(&disk).unwrap();
    let (code, stdout, stderr) = text(&start(&disk, folder.path()).wait_with_output().unwrap());
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(
        stdout.contains("given up: the firmware found nothing to boot"),
        "{stdout}"
    );
    assert!(
        stdout.contains("FAIL          the kernel starts "),
        "{stdout}"
    );
    assert!(
        stdout.ends_with("0 of 14 checks passed, 4 failed, 10 not observed\n"),
        "{stdout}"
    );
    let log = fs::read(folder.path().join("boot-1.console.log")).unwrap();
    assert!(String::from_utf8_lossy(&log).contains("BdsDxe: "));
    assert!(
        fs::read(&disk).unwrap() == before,
        "the disk was written to"
    );
    assert_eq!(scratch_folders(folder.path()), <[PathBuf; 0]>::default());
    assert_eq!(processes_naming(folder.path()), <[String; 0]>::default());
}

#[test]
fn a_kill_leaves_no_qemu_and_the_next_test_removes_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let disk = empty_disk(folder.path());
    let mut killed = start(&disk, folder.path());
    wait_until("QEMU runs", || processes_naming(folder.path()).len() == 1);
    killed.kill().unwrap();
    killed.wait().unwrap();
    wait_until("QEMU has gone", || {
        processes_naming(folder.path()).is_empty()
    });
    let [left] = scratch_folders(folder.path()).try_into().unwrap();
    let mut next = start(&disk, folder.path());
    wait_until("the abandoned folder has gone", || !left.exists());
    next.kill().unwrap();
    next.wait().unwrap();
    wait_until("QEMU has gone again", || {
        processes_naming(folder.path()).is_empty()
    });
}

#[test]
fn cancelling_ends_the_boot_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let disk = empty_disk(folder.path());
    let report = boot_test(
        &BootTestRequest {
            cancel: &AtomicBool::new(true),
            ..request(&disk, folder.path())
        },
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(report.boots.len(), 1);
    assert_eq!(
        report.boots[0].ending,
        vmimage_bake::boot_test::Ending::Cancelled
    );
    assert_eq!(
        report.verdict,
        vmimage_bake::boot_test::Outcome::NotObserved
    );
    assert_eq!(scratch_folders(folder.path()), <[PathBuf; 0]>::default());
    assert_eq!(processes_naming(folder.path()), <[String; 0]>::default());
}

static NEVER: AtomicBool = AtomicBool::new(false);

fn request(disk: &Path, folder: &Path) -> BootTestRequest<'static> {
    BootTestRequest {
        disk: disk.to_owned(),
        log_dir: folder.to_owned(),
        work_dir: folder.to_owned(),
        accelerator: Some(vmimage_bake::boot_test::Accelerator::Tcg),
        boot_timeout: Duration::from_secs(30),
        metadata: None,
        cancel: &NEVER,
        host: Host::default(),
    }
}

#[track_caller]
fn check_refused(request: &BootTestRequest<'_>, said: &str, hint: Option<&str>) -> BootTestError {
    let error = boot_test(request, &mut |event| panic!("began: {event:?}")).unwrap_err();
    assert_eq!(error.to_string(), said);
    assert_eq!(error.hint().as_deref(), hint);
    error
}

#[test]
fn what_cannot_be_booted_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent.raw");
    let error = check_refused(
        &request(&absent, folder.path()),
        &format!("cannot read the disk `{}`", absent.display()),
        None,
    );
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "No such file or directory (os error 2)"
    );
    let hint = Some("give the `disk.raw` or `disk.qcow2` that `vmimage bake` wrote");
    let said =
        |path: &Path, reason| format!("`{}` is not a bootable disk: {reason}", path.display());
    check_refused(
        &request(folder.path(), folder.path()),
        &said(folder.path(), "it is a folder"),
        hint,
    );
    let text = folder.path().join("text");
    fs::write(&text, "no disk").unwrap();
    check_refused(
        &request(&text, folder.path()),
        &said(&text, "it has no GUID partition table"),
        hint,
    );
    let damaged = folder.path().join("damaged.qcow2");
    fs::write(&damaged, b"QFI\xfb\0\0\0\x03").unwrap();
    check_refused(
        &request(&damaged, folder.path()),
        &said(&damaged, "its qcow2 header is damaged"),
        hint,
    );
}

#[test]
fn a_machine_that_lacks_something_is_told_what() {
    let folder = tempfile::tempdir().unwrap();
    let disk = empty_disk(folder.path());
    let nothing = folder.path().join("nothing");
    let without = |programs, firmware| BootTestRequest {
        host: Host {
            programs,
            firmware,
            ..Host::default()
        },
        ..request(&disk, folder.path())
    };
    let all = Host::default();
    check_refused(
        &without(vec![nothing.clone()], all.firmware.clone()),
        "cannot find the program `qemu-system-x86_64`",
        Some("run `apt-get install qemu-system-x86`"),
    );
    check_refused(
        &without(all.programs.clone(), vec![nothing.clone()]),
        &format!("cannot find UEFI firmware in `{}`", nothing.display()),
        Some("run `apt-get install ovmf`"),
    );
    let some = folder.path().join("some");
    fs::create_dir(&some).unwrap();
    File::create_new(some.join("qemu-system-x86_64")).unwrap();
    check_refused(
        &without(vec![some], all.firmware),
        "cannot find the program `qemu-img`",
        Some("run `apt-get install qemu-utils`"),
    );
    let file = folder.path().join("file");
    File::create_new(&file).unwrap();
    check_refused(
        &BootTestRequest {
            work_dir: file.clone(),
            ..request(&disk, folder.path())
        },
        &format!("cannot write `{}`", file.display()),
        None,
    );
}

/// In a mount namespace of its own, with a file system of 64 MiB. Needs root.
#[test]
fn too_little_space_is_said_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let disk = empty_disk(folder.path());
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let script = "mount -t tmpfs -o size=64m small \"$2\" && \
                  exec \"$0\" boot-test \"$1\" --logs \"$2\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(program())
        .args([&disk, &small])
        .output()
        .unwrap();
    let (code, stdout, stderr) = text(&output);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    let small = small.display();
    assert_eq!(
        stderr,
        format!(
            "error: cannot boot in `{small}`: 1073741824 bytes are needed and 67108864 are free\n\
             hint: free space in `{small}`, or name another work folder\n\
             nothing was changed\n"
        )
    );
}
