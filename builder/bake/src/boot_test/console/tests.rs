//! Transcripts of consoles, whole, byte by byte and cut at every place.

use super::{Console, ConsoleEvent};

fn events(bytes: &[u8]) -> Vec<ConsoleEvent> {
    Console::new().feed(bytes)
}

#[track_caller]
fn check(transcript: &[u8], expected: &[ConsoleEvent]) {
    assert_eq!(events(transcript), expected);
    for cut in 0..=transcript.len() {
        let mut console = Console::new();
        let mut got = console.feed(&transcript[..cut]);
        got.extend(console.feed(&transcript[cut..]));
        assert_eq!(got, expected, "cut at {cut}");
    }
    let mut console = Console::new();
    let got: Vec<_> = transcript
        .chunks(1)
        .flat_map(|byte| console.feed(byte))
        .collect();
    assert_eq!(got, expected, "byte by byte");
}

fn fact(key: &str, value: &str) -> ConsoleEvent {
    ConsoleEvent::Fact {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// Recorded from Debian trixie in QEMU, shortened.
const BOOT: &[u8] = b"\x1b[2J\x1b[01;01H\x1b[=3h\x1b[2JBdsDxe: starting Boot0001 \"UEFI QEMU NVMe Ctrl\"\r\n\
EFI stub: Loaded initrd from LINUX_EFI_INITRD_MEDIA_GUID device path\r\n\
[    0.000000] Linux version 6.12.118+deb13-cloud-amd64 (debian-kernel@lists.debian.org)\r\n\
[    7.236385] systemd[1]: Initializing machine ID from SMBIOS/DMI UUID.\r\n\
[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mgetty.target\x1b[0m - Login Prompts.\r\n\
\r\x1b[KM[ \x1b[0;31m*\x1b[0m ] (2 of 6) Job systemd-logind.service/start running (21s / 1min 47s)\r\
M[ ** ] (2 of 6) Job systemd-logind.service/start running (22s / 1min 47s)\r\n\
[\x1b[0;1;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mchrony.service\x1b[0m - chrony, an NTP client/server.\r\n\
[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mmulti-user.target\x1b[0m - Multi-User System.\r\n\
\x1b[!p\x1b]104\x07\x1b[?7h\x1b[6n\x1b[32766;32766H\x1b[6n[   43.853227] AES CTR mode by8 optimization enabled\r\n\
\r\r\nDebian GNU/Linux 13 vm ttyS0\r\n\r\nvm login: [   48.338694] kvm_amd: Nested Paging enabled\r\n\
VMIMAGE-REPORT 37f25ec3 system-state=running\r\n\
VMIMAGE-REPORT 6dfe1247 host-key=SHA256:98nqBqgd5CsMY6SeXMP6kcs37baE1GBO0zYvmwhrbww yes\r\n\
[  132.733372] reboot: Power down\r\n";

#[test]
fn a_boot_from_firmware_to_power_off() {
    check(
        BOOT,
        &[
            ConsoleEvent::Kernel {
                release: "6.12.118+deb13-cloud-amd64".to_owned(),
            },
            ConsoleEvent::FailedUnit {
                unit: "chrony.service".to_owned(),
            },
            ConsoleEvent::MultiUser,
            ConsoleEvent::Login,
            fact("system-state", "running"),
            fact(
                "host-key",
                "SHA256:98nqBqgd5CsMY6SeXMP6kcs37baE1GBO0zYvmwhrbww yes",
            ),
            ConsoleEvent::PowerDown,
        ],
    );
}

#[test]
fn single_lines() {
    let table: &[(&str, Option<ConsoleEvent>)] = &[
        (
            "BdsDxe: No bootable option or device was found.",
            Some(ConsoleEvent::NothingToBoot),
        ),
        (
            "[    3.1] Kernel panic - not syncing: VFS: Unable to mount root fs",
            Some(ConsoleEvent::Panic {
                line: "not syncing: VFS: Unable to mount root fs".to_owned(),
            }),
        ),
        (
            "You are in emergency mode. After logging in, type \"journalctl -xb\"",
            Some(ConsoleEvent::Emergency),
        ),
        (
            "[  OK  ] Reached target Multi-User System.",
            Some(ConsoleEvent::MultiUser),
        ),
        (
            "[  OK  ] Stopped target multi-user.target - Multi-User System.",
            None,
        ),
        (
            "[FAILED] Failed to start Some Daemon.",
            Some(ConsoleEvent::FailedUnit {
                unit: "Some Daemon".to_owned(),
            }),
        ),
        (
            "[FAILED] Failed to start a-very-long-na\u{2026}escription of a unit.",
            Some(ConsoleEvent::FailedUnit {
                unit: "a-very-long-na\u{2026}escription of a unit".to_owned(),
            }),
        ),
        // Written into by the kernel: the check sum is wrong.
        ("VMIMAGE-REPORT 37f25ec3 system-st[    1.0] hello", None),
        ("VMIMAGE-REPORT 37f25ec3 system-state=degraded", None),
        ("VMIMAGE-REPORT 37f25ec", None),
        ("VMIMAGE-REPORT ", None),
        ("VMIMAGE-REPORT \u{2026}\u{2026}\u{2026} a=b", None),
        (
            "vm login: VMIMAGE-REPORT 37f25ec3 system-state=running",
            Some(fact("system-state", "running")),
        ),
        ("nothing of interest", None),
    ];
    for (line, expected) in table {
        let mut got = events(format!("{line}\r\n").as_bytes());
        got.retain(|event| *event != ConsoleEvent::Login);
        assert_eq!(got, expected.iter().cloned().collect::<Vec<_>>(), "{line}");
    }
}

#[test]
fn a_line_without_end_and_a_broken_escape_do_no_harm() {
    let mut console = Console::new();
    assert_eq!(console.feed(&vec![b'x'; 1 << 20]), []);
    assert!(console.line.len() <= super::MAX_LINE_BYTES);
    check(
        b"\x1b[12;\r\n[    0.0] Linux version 6.1 x\n",
        &[ConsoleEvent::Kernel {
            release: "6.1".to_owned(),
        }],
    );
    check(
        b"\x1b]never ends\n\x1b\x1b[mvm login: ",
        &[ConsoleEvent::Login],
    );
}

#[test]
fn garbage_never_panics() {
    let mut random = 0x2545_f491_u32;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random
    };
    for _ in 0..2_000 {
        let mut bytes = BOOT.to_vec();
        for _ in 0..8 {
            let at = next() as usize % bytes.len();
            bytes[at] = next().to_le_bytes()[0];
        }
        assert!(events(&bytes).len() <= 16);
    }
}
