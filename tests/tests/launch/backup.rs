//! `recipes/backup/files/backup` with programs that fail as the real ones do. What the real ones say is
//! held on nodes (`roles`).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::harness::recipe;

/// A server with three databases, of which the second does what a case says.
const MARIADB: &str = "printf 'one\\ntwo\\nthree\\ninformation_schema\\n'";

/// The last argument is the database.
const DUMP: &str = "for name; do :; done
    if [ \"$name\" = two ]; then DUMP_OF_TWO; fi
    echo \"data of $name\"; echo '-- Dump completed on today'";

/// Says what it was asked for, keeps the dump, and ends as a case says.
const RESTIC: &str = "echo \"$1\" >> \"$STATE_DIRECTORY/asked\"
    case $1 in
        backup) cp \"$STATE_DIRECTORY/mariadb.sql\" \"$STATE_DIRECTORY/kept\"; AT_BACKUP ;;
        forget) AT_FORGET ;;
    esac";

struct Outcome {
    code: Option<i32>,
    complaints: String,
    asked: String,
    kept: String,
}

fn program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// One backup, where these are shell commands.
fn backup(dump_of_two: &str, at_backup: &str, at_forget: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    for name in ["systemctl", "mariadb-admin"] {
        program(folder.path(), name, "exit 0");
    }
    program(folder.path(), "mariadb", MARIADB);
    let dump = DUMP.replace("DUMP_OF_TWO", dump_of_two);
    program(folder.path(), "mariadb-dump", &dump);
    let restic = RESTIC.replace("AT_BACKUP", at_backup);
    let restic = restic.replace("AT_FORGET", at_forget);
    program(folder.path(), "restic", &restic);
    let script = fs::read_to_string(recipe("backup/files/backup")).unwrap();
    let own = folder.path().join("restic").display().to_string();
    let script = script.replace("/usr/lib/vmimage/restic", &own);
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .env("RESTIC_REPOSITORY", "s3:https://s3/bucket")
        .env("STATE_DIRECTORY", &state)
        .output()
        .unwrap();
    assert!(!state.join("mariadb.sql").exists(), "no dump is left");
    let read = |name: &str| fs::read_to_string(state.join(name)).unwrap_or_default();
    Outcome {
        code: output.status.code(),
        complaints: String::from_utf8(output.stderr).unwrap(),
        asked: read("asked").replace('\n', " "),
        kept: read("kept"),
    }
}

const ALL: &str = "cat unlock backup forget ";
const ONE: &str = "data of one\n-- Dump completed on today\n";
const TWO: &str = "data of two\n-- Dump completed on today\n";
const THREE: &str = "data of three\n-- Dump completed on today\n";

/// A dump of `begin`, to its end, that complains.
fn told_to_go_on(begin: &str, complaint: &str) -> String {
    let complaint = complaint.replace('`', "\\`");
    format!("echo '{begin}'; echo '-- Dump completed on today'; echo \"{complaint}\" >&2; exit 2")
}

#[test]
fn a_dump_that_broke_off_is_in_no_snapshot_and_all_others_are() {
    let gone = "mariadb-dump: Error 2013: Lost connection to server during query when dumping table `t` at row: 7";
    let view = "mariadb-dump: Couldn't execute 'SHOW FIELDS FROM `v`': View 'two.v' references invalid table(s) (1356)";
    for (dump_of_two, kept, complaint) in [
        (":".to_owned(), [ONE, TWO, THREE].concat(), String::new()),
        (
            told_to_go_on("half", gone),
            [ONE, THREE].concat(),
            format!("the database two is not saved: {gone} (exit status 2)"),
        ),
        (
            "echo half; echo killed >&2; exit 0".to_owned(),
            [ONE, THREE].concat(),
            "the database two is not saved: killed (exit status 0)".to_owned(),
        ),
        (
            told_to_go_on("data of two", view),
            [ONE, TWO, THREE].concat(),
            format!("the database two is saved without a part of it: {view}"),
        ),
    ] {
        let outcome = backup(&dump_of_two, "exit 0", "exit 0");
        let (code, complaints) = if complaint.is_empty() {
            (0, String::new())
        } else {
            let end = "backup: not everything was done: 1 failures";
            (1, format!("backup: {complaint}\n{end}\n"))
        };
        assert_eq!(outcome.complaints, complaints);
        assert_eq!(
            (outcome.code, outcome.asked.as_str(), outcome.kept),
            (Some(code), ALL, kept)
        );
    }
}

#[test]
fn a_snapshot_counts_without_what_cannot_be_read_and_without_an_expiry() {
    let end = "backup: not everything was done: 1 failures\n";
    for (at_backup, at_forget, code, asked, complaints) in [
        (
            "echo 'error: open /home/x: no' >&2; echo 'Warning: some' >&2; exit 3",
            "exit 0",
            0,
            ALL,
            "backup: not saved: open /home/x: no\nbackup: done, without 1 paths that cannot be read\n",
        ),
        (
            "exit 0",
            "echo 'unable to create lock: PID 7' >&2; echo 'use unlock' >&2; exit 11",
            1,
            ALL,
            "unable to create lock: PID 7\nuse unlock\nbackup: the snapshot is saved, but older ones are not removed: unable to create lock: PID 7\n",
        ),
        (
            "echo 'Fatal: no space' >&2; exit 1",
            "exit 0",
            1,
            "cat unlock backup ",
            "Fatal: no space\nbackup: nothing is saved (restic's exit status 1): Fatal: no space\n",
        ),
    ] {
        let outcome = backup(":", at_backup, at_forget);
        let end = if code == 0 { "" } else { end };
        assert_eq!(outcome.complaints, format!("{complaints}{end}"));
        assert_eq!((outcome.code, outcome.asked.as_str()), (Some(code), asked));
    }
}
