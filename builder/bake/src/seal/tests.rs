//! Tests of sealing on a small tree; no root needed.

use std::fs;

use vmimage_plan::definition::{Seal, SealAction};

use super::{Finding, check_seal, seal};

fn row(path: &str, action: SealAction) -> Seal {
    Seal {
        path: path.to_owned(),
        action,
        reason: format!("reason of {path}"),
    }
}

fn table() -> Vec<Seal> {
    vec![
        row(
            "/etc/machine-id",
            SealAction::Write {
                content: "uninitialized\n".to_owned(),
            },
        ),
        row("/etc/ssh/ssh_host_*", SealAction::Remove),
        row("/var/log", SealAction::EmptyDirectory),
        row("/var/lib/cloud", SealAction::Remove),
        row("/etc/resolv.conf", SealAction::Truncate),
        row("/**/authorized_keys", SealAction::Forbid { contains: None }),
        row(
            "/etc/**",
            SealAction::Forbid {
                contains: Some("PRIVATE KEY".to_owned()),
            },
        ),
    ]
}

fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("temporary directory");
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("has a parent")).expect("mkdir");
        fs::write(path, text).expect("write");
    };
    write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    write(
        "etc/ssh/ssh_host_rsa_key",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n",
    );
    write("etc/ssh/sshd_config", "Port 22\n");
    write("var/log/apt/history.log", "x");
    write("var/log/dpkg.log", "x");
    write("var/lib/cloud/instance/id", "i-1");
    root
}

#[test]
fn sealing_does_what_each_row_says_and_the_check_agrees() {
    let root = tree();
    let table = table();
    let rows: Vec<_> = table.iter().map(|row| ("base", row)).collect();
    let report = seal(root.path(), &rows).expect("seal");
    let changed: Vec<_> = report.iter().map(|row| row.changed.clone()).collect();
    assert_eq!(
        changed,
        [
            vec!["/etc/machine-id".to_owned()],
            vec!["/etc/ssh/ssh_host_rsa_key".to_owned()],
            vec!["/var/log/apt".to_owned(), "/var/log/dpkg.log".to_owned()],
            vec!["/var/lib/cloud".to_owned()],
            vec!["/etc/resolv.conf".to_owned()],
            vec![],
            vec![],
        ]
    );
    assert_eq!(check_seal(root.path(), &rows).expect("check"), []);
    assert_eq!(
        fs::read_to_string(root.path().join("etc/machine-id")).expect("read"),
        "uninitialized\n"
    );
    assert!(root.path().join("etc/ssh/sshd_config").exists());
    let again = seal(root.path(), &rows).expect("seal again");
    assert!(
        again.iter().all(|row| row.changed.is_empty()),
        "sealing twice changes nothing"
    );
}

#[test]
fn an_unsealed_tree_fails_with_all_its_findings() {
    let root = tree();
    fs::create_dir_all(root.path().join("root/.ssh")).expect("mkdir");
    fs::write(
        root.path().join("root/.ssh/authorized_keys"),
        "ssh-ed25519 AAAA",
    )
    .expect("write");
    let table = table();
    let rows: Vec<_> = table.iter().map(|row| ("base", row)).collect();
    let finding = |path: &str, problem: &str, row: &str| Finding {
        path: path.to_owned(),
        problem: problem.to_owned(),
        reason: format!("reason of {row}"),
    };
    assert_eq!(
        check_seal(root.path(), &rows).expect("check"),
        [
            finding(
                "/etc/machine-id",
                "must have its sealed content",
                "/etc/machine-id"
            ),
            finding("/etc/resolv.conf", "must be there", "/etc/resolv.conf"),
            finding(
                "/etc/ssh/ssh_host_rsa_key",
                "must not be there",
                "/etc/ssh/ssh_host_*"
            ),
            finding(
                "/etc/ssh/ssh_host_rsa_key",
                "must not contain `PRIVATE KEY`",
                "/etc/**"
            ),
            finding(
                "/root/.ssh/authorized_keys",
                "must not be there",
                "/**/authorized_keys"
            ),
            finding("/var/lib/cloud", "must not be there", "/var/lib/cloud"),
            finding("/var/log", "must be empty", "/var/log"),
        ]
    );
}

#[test]
fn a_bad_glob_is_an_error() {
    let root = tree();
    let bad = row("/etc/[", SealAction::Remove);
    let error = seal(root.path(), &[("base", &bad)]).expect_err("bad glob");
    assert_eq!(error.to_string(), "cannot read the seal path `/etc/[`");
}
