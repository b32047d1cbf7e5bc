//! Boots as data, and the findings about them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{judge, verdict};
use crate::boot_test::disk::DiskFormat;
use crate::boot_test::machine::Accelerator;
use crate::boot_test::report::{Boot, BootTestReport, Ending, Outcome, Stages};

const DISK: u64 = 4_850 << 20;

/// A boot of which everything was seen and all was well.
fn boot(number: u32) -> Boot {
    let facts = [
        ("system-state", "running"),
        ("multi-user", "active"),
        ("launch", "success"),
        ("finish-micros", "41200000"),
        ("kernel", "6.12.118+deb13-cloud-amd64"),
        ("machine-id", "ec2214db8f6142ae8bf9062e6996b167"),
        ("machine-id-new", if number == 1 { "yes" } else { "no" }),
        (
            "host-key",
            if number == 1 {
                "SHA256:abc yes"
            } else {
                "SHA256:abc no"
            },
        ),
        ("disk-bytes", "5085593600"),
        ("partition-end-bytes", "5085573120"),
        ("partition-bytes", "4874809344"),
        ("filesystem-bytes", "4721545216"),
        ("dpkg-audit-lines", "0"),
    ];
    let facts: BTreeMap<String, BTreeSet<String>> = facts
        .map(|(key, value)| (key.to_owned(), BTreeSet::from([value.to_owned()])))
        .into();
    let stages = Stages {
        firmware: Some(2_345),
        kernel: Some(8_000),
        multi_user: None,
        login: Some(45_678),
        report: Some(50_000),
        end: Some(58_900),
    };
    Boot {
        number,
        console_log: PathBuf::from(format!("out/boot-{number}.console.log")),
        stages,
        failed_on_console: BTreeSet::new(),
        facts,
        ending: Ending::PoweredOff,
    }
}

fn set(boot: &mut Boot, key: &str, values: &[&str]) {
    let values: BTreeSet<String> = values.iter().map(|value| (*value).to_owned()).collect();
    boot.facts.insert(key.to_owned(), values);
}

/// The findings that are no pass, as text.
fn complaints(first: &Boot, second: Option<&Boot>) -> Vec<String> {
    let checks = judge(first, second, DISK);
    let complaints = checks
        .iter()
        .filter(|check| check.outcome != Outcome::Passed);
    complaints
        .map(|check| {
            format!(
                "{}: {}: {}",
                check.outcome.as_str(),
                check.name,
                check.detail
            )
        })
        .collect()
}

#[track_caller]
fn check(change: impl Fn(&mut Boot, &mut Boot), expected: &[&str]) {
    let (mut first, mut second) = (boot(1), boot(2));
    change(&mut first, &mut second);
    assert_eq!(complaints(&first, Some(&second)), expected);
}

#[test]
fn a_good_image_passes() {
    check(|_, _| {}, &[]);
    assert_eq!(
        verdict(&judge(&boot(1), Some(&boot(2)), DISK)),
        Outcome::Passed
    );
}

#[test]
fn each_fault_is_named() {
    check(
        |first, second| {
            set(first, "failed-unit", &["b.service", "a.service"]);
            set(second, "failed-unit", &["c.service"]);
        },
        &[
            "FAIL: no unit failed: a.service, b.service",
            "FAIL: no unit failed in the second boot: c.service",
        ],
    );
    check(
        |first, _| set(first, "multi-user", &["inactive"]),
        &["FAIL: multi-user.target is reached: reported as inactive, 41.2 s after the kernel"],
    );
    check(
        |first, _| set(first, "launch", &["exit-code"]),
        &["FAIL: user data was run at launch: exit-code"],
    );
    check(
        |first, _| set(first, "machine-id-new", &["no"]),
        &[
            "FAIL: the first boot makes a machine id: ec2214db8f6142ae8bf9062e6996b167 was in the image",
        ],
    );
    check(
        |first, second| {
            set(first, "machine-id", &["uninitialized"]);
            set(second, "machine-id", &["uninitialized"]);
        },
        &["FAIL: the first boot makes a machine id: `uninitialized` is no machine id"],
    );
    check(
        |first, _| set(first, "host-key", &["SHA256:abc no"]),
        &["FAIL: the first boot makes SSH host keys: SHA256:abc was in the image"],
    );
    check(
        |_, second| set(second, "host-key", &["SHA256:xyz yes"]),
        &["FAIL: the second boot keeps the SSH host keys: SHA256:abc became SHA256:xyz"],
    );
    check(
        |_, second| set(second, "machine-id", &["0123"]),
        &[
            "FAIL: the second boot keeps the machine id: ec2214db8f6142ae8bf9062e6996b167 became 0123",
        ],
    );
    check(
        |first, _| {
            set(first, "dpkg-audit-lines", &["5"]);
            set(first, "dpkg-audit", &["spamassassin"]);
        },
        &["FAIL: dpkg finds every package whole: dpkg --audit names spamassassin"],
    );
}

#[test]
fn a_root_that_did_not_grow_is_found() {
    let grown = "FAIL: the root file system grows to the disk: disk 4850 MiB, root partition";
    check(
        |first, _| set(first, "partition-end-bytes", &["2938109952"]),
        &[&format!("{grown} 4648 MiB, its file system 4502 MiB")],
    );
    check(
        |first, _| set(first, "filesystem-bytes", &["2600000000"]),
        &[&format!("{grown} 4648 MiB, its file system 2479 MiB")],
    );
    check(
        |first, _| set(first, "filesystem-bytes", &["many"]),
        &["not observed: the root file system grows to the disk: the guest did not report it"],
    );
}

#[test]
fn what_was_not_seen_is_not_passed() {
    let mut first = boot(1);
    first.facts.clear();
    first.stages.report = None;
    first.failed_on_console.insert("chrony.service".to_owned());
    let got = complaints(
        &first,
        Some(&Boot {
            facts: BTreeMap::new(),
            ..boot(2)
        }),
    );
    assert_eq!(
        got,
        [
            "not observed: multi-user.target is reached: the guest did not report it",
            "FAIL: no unit failed: chrony.service",
            "not observed: user data was run at launch: the guest did not report it",
            "not observed: the first boot makes a machine id: the guest did not report it",
            "not observed: the first boot makes SSH host keys: the guest did not report it",
            "not observed: the root file system grows to the disk: the guest did not report it",
            "not observed: dpkg finds every package whole: the guest did not report it",
            "not observed: the second boot keeps the machine id: the guest did not report it",
            "not observed: the second boot keeps the SSH host keys: the guest did not report it",
        ]
    );
}

#[test]
fn a_boot_that_ended_early_fails_and_a_cancelled_one_is_open() {
    let mut first = boot(1);
    first.facts.clear();
    first.stages = Stages::default();
    first.ending = Ending::TimedOut {
        waiting_for: "the kernel".to_owned(),
    };
    let got = complaints(&first, None);
    assert_eq!(got[0], "FAIL: the kernel starts: not seen on the console");
    assert_eq!(
        got[1],
        "FAIL: multi-user.target is reached: not seen on the console"
    );
    assert!(
        got.contains(&"FAIL: it powers off: timed out waiting for the kernel".to_owned()),
        "{got:?}"
    );
    assert_eq!(verdict(&judge(&first, None, DISK)), Outcome::Failed);
    first.ending = Ending::Cancelled;
    assert_eq!(verdict(&judge(&first, None, DISK)), Outcome::NotObserved);
}

#[test]
fn the_report_is_a_table_for_people() {
    let mut second = boot(2);
    set(&mut second, "failed-unit", &["c.service"]);
    let checks = judge(&boot(1), Some(&second), DISK);
    let report = BootTestReport {
        format: 1,
        disk: PathBuf::from("out/disk.raw"),
        disk_format: DiskFormat::Raw,
        disk_bytes: 2_802 << 20,
        grown_bytes: DISK,
        accelerator: Accelerator::Kvm,
        accelerator_reason: "KVM works here".to_owned(),
        firmware: PathBuf::from("/usr/share/OVMF/OVMF_CODE_4M.fd"),
        verdict: verdict(&checks),
        checks,
        boots: vec![boot(1), second],
    };
    assert!(!report.is_passed());
    insta::assert_snapshot!(report.render_text(), @r"
        disk      out/disk.raw (raw, 2802 MiB)
        machine   UEFI, NVMe 4850 MiB, KVM: KVM works here
        boot 1    firmware 2.3 s, kernel 8.0 s, login 45.6 s, report 50.0 s, powered off 58.9 s
                  console: out/boot-1.console.log
        boot 2    firmware 2.3 s, kernel 8.0 s, login 45.6 s, report 50.0 s, powered off 58.9 s
                  console: out/boot-2.console.log
        pass          the kernel starts                        6.12.118+deb13-cloud-amd64
        pass          multi-user.target is reached             reported as active, 41.2 s after the kernel
        pass          a login prompt is shown
        pass          no unit failed                           system is running
        pass          user data was run at launch              success
        pass          the first boot makes a machine id        ec2214db8f6142ae8bf9062e6996b167
        pass          the first boot makes SSH host keys       SHA256:abc
        pass          the root file system grows to the disk   disk 4850 MiB, root partition 4648 MiB, its file system 4502 MiB
        pass          dpkg finds every package whole
        pass          it powers off
        pass          the second boot keeps the machine id     ec2214db8f6142ae8bf9062e6996b167
        pass          the second boot keeps the SSH host keys  SHA256:abc
        FAIL          no unit failed in the second boot        c.service
        pass          it powers off again
        13 of 14 checks passed, 1 failed, 0 not observed
        ");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdict"], "failed");
    assert_eq!(json["boots"][0]["ending"]["how"], "powered-off");
    assert_eq!(json["boots"][0]["facts"]["launch"][0], "success");
    assert_eq!(json["boots"][1]["stages"]["login"], 45_678);
}
