//! What can go wrong: each case ends with one clear line, the group told, and a status that says which.

use std::time::Duration;

use firstboot::program::{flag, op};

use super::harness::*;
use super::{UNSIGNED, flags, how, trace};

fn one() -> Program {
    Program::new("storage").step(op::RUN, how(), "one", &[&trace("one")])
}

#[test]
fn faults_of_the_metadata_service_that_pass_are_waited_out() {
    let table: &[Faults] = &[
        &[("/latest/api/token", || {
            vec![status(503), status(404), status(429)]
        })],
        &[("/latest/api/token", || {
            vec![answer(200, b""), answer(200, b"<html>")]
        })],
        &[("/latest/meta-data/instance-id", || {
            vec![status(401), status(404), answer(200, b"<html>x</html>")]
        })],
        &[("/latest/meta-data/placement/region", || {
            vec![Answer::Reset, status(500), answer(200, b"")]
        })],
        &[("/latest/meta-data/tags/instance/vmimage:slot", || {
            vec![status(404)]
        })],
        &[("/latest/meta-data/iam/security-credentials/", || {
            vec![status(404), status(500)]
        })],
        &[("/latest/meta-data/local-ipv4", || {
            vec![Answer::Bytes(
                b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n10.".to_vec(),
            )]
        })],
        &[("/latest/meta-data/ami-id", || vec![Answer::Silence])],
        &[("/latest/meta-data/ami-id", || {
            vec![Answer::Bytes(b"not HTTP at all".to_vec())]
        })],
    ];
    for faults in table {
        let world = World::with(faults, &TAGS, |_| {});
        let outcome = world.run(&one());
        assert_eq!(outcome.code, Some(0), "{}", outcome.said);
        assert_eq!(world.trace(), "one\n");
        world.is_in_service();
    }
}

#[test]
fn a_service_that_refuses_ends_the_launch_at_once() {
    let refused: Faults = &[("/latest/api/token", || vec![status(403)])];
    let world = World::with(refused, &TAGS, |_| {});
    let outcome = world.run(&one());
    let said = "vmimage: this instance does not become a node: the metadata service is disabled for this instance: \n";
    assert_eq!((outcome.code, outcome.said.as_str()), (Some(3), said));
    let strange: Faults = &[("/latest/meta-data/instance-id", || {
        vec![answer(200, b"../../etc/passwd")]
    })];
    let world = World::with(strange, &TAGS, |_| {});
    let outcome = world.run(&one());
    let said = "vmimage: this instance does not become a node: the metadata service does not say what it should: instance-id\n";
    assert_eq!((outcome.code, outcome.said.as_str()), (Some(3), said));
    assert_eq!(world.trace(), "");
}

/// The launch fails with this reason, nothing is run, and the group is told.
#[track_caller]
fn abandons(world: &World, program: &Program, reason: &str) {
    let outcome = world.run(program);
    let last = outcome
        .said
        .lines()
        .rfind(|line| line.contains("does not become a node"))
        .unwrap_or_default();
    assert_eq!(
        last,
        format!(
            "vmimage: {} does not become a node: {reason}",
            world.instance
        ),
        "{}",
        outcome.said
    );
    assert_eq!(outcome.code, Some(1));
    let member = world.member();
    let is_abandoned =
        member.is_none_or(|(id, state)| id != world.instance || state.starts_with("Terminating"));
    assert!(is_abandoned, "{:?}", world.member());
    assert!(!world.path("run/vmimage-ready").exists());
}

#[test]
fn hostile_tags_are_refused_and_never_reach_a_command() {
    let long = "a".repeat(256);
    for (key, value) in [
        ("vmimage:cluster", "x'; rm -rf /"),
        ("vmimage:cluster", "$(reboot)"),
        ("vmimage:cluster", long.as_str()),
        ("vmimage:slot", "-1"),
        ("vmimage:slot", "1 2"),
        ("vmimage:domain", "a\"b"),
        ("vmimage:environment", "a b"),
    ] {
        let mut tags: Vec<(&str, &str)> = TAGS
            .iter()
            .copied()
            .filter(|(name, _)| *name != key)
            .collect();
        tags.push((key, value));
        let world = World::with(&[], &tags, |_| {});
        abandons(
            &world,
            &one(),
            &format!("a tag has no fitting value: {key}"),
        );
        assert_eq!(world.trace(), "");
    }
    let mut tags = TAGS;
    tags[2].1 = "https://example.com/";
    let world = World::with(&[], &tags, |_| {});
    abandons(
        &world,
        &one(),
        "a tag has no fitting value: vmimage:state is not s3://bucket/prefix but https://example.com/",
    );
    tags = TAGS;
    tags[0].1 = "web";
    let world = World::with(&[], &tags, |_| {});
    abandons(
        &world,
        &one(),
        "a tag has no fitting value: vmimage:role is web, and the launch template is for storage",
    );
}

#[test]
fn tags_that_cannot_be_read_are_told_apart_from_tags_that_are_missing() {
    let world = World::with(&[], &TAGS, |instance| instance.tags = None);
    abandons(
        &world,
        &one(),
        "tags cannot be read, InstanceMetadataTags is not enabled: ",
    );
}

#[test]
fn the_runbooks_tags_are_good_enough() {
    let tags = [
        ("Role", "storage"),
        ("Cluster", "hosting"),
        ("Environment", "test"),
        ("vmimage:state", "s3://state/hosting"),
    ];
    let world = World::with(&[], &tags, |_| {});
    let program = Program::new("storage").step(
        op::RUN,
        how(),
        "",
        &[
            &argv(&["sh", "-c", "cat >>/run/trace"]),
            b"\x01\x08\x01 \x01\x09\x01 \x01\x0a\x01 \x01\x0b\x01 \x01\x0e\x01 \x01\x0f\x01",
        ],
    );
    let outcome = world.run(&program);
    assert_eq!(
        (outcome.code, world.trace().as_str()),
        (Some(0), "storage hosting test internal 0 0"),
        "{}",
        outcome.said
    );
}

#[test]
fn a_step_that_fails_abandons_the_launch_and_says_why() {
    let world = World::new();
    let failing = argv(&["sh", "-c", "echo first; echo the reason >&2; exit 7"]);
    let program = one()
        .step(op::RUN, how(), "it fails", &[&failing])
        .step(op::RUN, how(), "never", &[&trace("never")])
        .step(
            op::RUN,
            flags(flag::FAILED),
            "",
            &[
                &argv(&["sh", "-c", "cat >>/run/trace"]),
                b"\x01\x18\x01: \x01\x19\x01",
            ],
        );
    abandons(
        &world,
        &program,
        "it fails: a program failed: sh (exit status 7): the reason",
    );
    assert_eq!(
        world.trace(),
        "one\nfailed: it fails: a program failed: sh (exit status 7): the reason"
    );
    let journal = world.journal(&world.instance);
    assert!(
        journal.ends_with(" failed: it fails: a program failed: sh (exit status 7): the reason"),
        "{journal}"
    );
}

/// A program of one step, and why it ends.
pub(crate) type Failing = (Program, &'static str);

pub(crate) fn check_reasons(new: fn() -> World, table: Vec<Failing>) {
    for (program, reason) in table {
        abandons(&new(), &program, &format!("x: {reason}"));
    }
}

fn step(op: u8, how: How<'_>, fields: &[&[u8]]) -> Program {
    Program::new("storage").step(op, how, "x", fields)
}

pub(crate) fn command(how: How<'_>, arguments: &[&str]) -> Program {
    step(op::RUN, how, &[&argv(arguments)])
}

#[test]
fn every_way_of_commands_to_fail_has_its_words() {
    check_reasons(World::new, commands_that_fail());
}

#[test]
fn every_other_way_to_fail_has_its_words() {
    check_reasons(World::new, others_that_fail());
}

pub(crate) fn commands_that_fail() -> Vec<Failing> {
    let late = How { secs: 1, ..how() };
    let again = How {
        flags: flag::RETRY,
        ..late
    };
    vec![
        (
            command(how(), &["no-such-program"]),
            "a program failed: no-such-program (exit status 127): /usr/bin/env: 'no-such-program': No such file or directory",
        ),
        (
            command(late, &["sleep", "30"]),
            "a program was killed because its time was over: sleep (exit status 255): ",
        ),
        // What a secret takes part in is not shown.
        (
            command(
                flags(flag::SECRET),
                &["sh", "-c", "echo password >&2; exit 1"],
            ),
            "a program failed: sh (exit status 1)",
        ),
        // But for what says which secret does not do, and why.
        (
            command(
                flags(flag::SECRET),
                &[
                    "sh",
                    "-c",
                    "echo password; echo 'secret x: it is empty' >&2; exit 1",
                ],
            ),
            "a program failed: sh (exit status 1): secret x: it is empty",
        ),
        // A reason is one line that can be seen.
        (
            command(how(), &["sh", "-c", "printf 'a\\tb\\033c\\n'; exit 1"]),
            "a program failed: sh (exit status 1): a b c",
        ),
        (
            command(again, &["sh", "-c", "echo not yet; exit 3"]),
            "not in time: sh (exit status 3): not yet",
        ),
    ]
}

fn others_that_fail() -> Vec<Failing> {
    let late = How { secs: 1, ..how() };
    vec![
        (
            step(op::FAIL, how(), &[b"what the program says of \x01\x0e\x05"]),
            "what the program says of 2",
        ),
        (
            step(op::WRITE, how(), &[b"/proc/no/file", b"x", b"420"]),
            "cannot write or start: /proc/no/file",
        ),
        (step(99, how(), &[]), "the role program is damaged: "),
        (
            step(op::REPEAT, late, &[&[99], b"0", b"slot \x01\x0e\x05"]),
            "not in time: slot 2",
        ),
        (
            step(
                op::REQUEST,
                how(),
                &[b"s3", b"us-east-1", b"\x01\x0c\x01/none", UNSIGNED],
            ),
            "AWS refuses: http://127.0.0.1:8080/state/hosting/none 404 NoSuchKey",
        ),
    ]
}

#[test]
fn a_full_disk_is_named_and_leaves_no_half_file() {
    no_half_file_is_left(&World::new());
}

pub(crate) fn no_half_file_is_left(world: &World) {
    let program = Program::new("storage")
        .step(op::RUN, how(), "", &[&argv(&["sh", "-c", "mkdir /run/small; mount -t tmpfs -o size=8k none /run/small; echo old >/run/small/file"])])
        .step(op::RUN, How { out: 32, ..how() }, "", &[&argv(&["head", "-c", "100000", "/dev/zero"])])
        .step(op::WRITE, how(), "large", &[b"/run/small/file", b"\x01\x20\x07", b"420"])
        .step(op::RUN, flags(flag::FAILED), "", &[&argv(&["sh", "-c", "ls /run/small >>/run/trace; cat /run/small/file >>/run/trace"])]);
    abandons(
        world,
        &program,
        "large: no space is left to write /run/small/file",
    );
    assert_eq!(world.trace(), "file\nold\n");
}

#[test]
fn aws_that_is_in_trouble_is_asked_again() {
    for fault in [
        "throttle service=s3 count=3",
        "fail service=s3 count=2",
        "lose-reply service=s3 action=PutObject count=1",
        "throttle service=autoscaling count=2",
    ] {
        let world = World::new();
        world
            .cloud
            .lock()
            .unwrap()
            .add_fault(fault.parse().unwrap(), Duration::ZERO)
            .unwrap();
        world.put_secret("password", "p");
        let outcome = world.run(&super::whole());
        assert_eq!(outcome.code, Some(0), "{fault}: {}", outcome.said);
        world.is_in_service();
    }
}

#[test]
fn a_missing_secret_and_missing_credentials_are_named() {
    let world = World::new();
    let outcome = world.run(&super::whole());
    assert!(
        outcome
            .said
            .contains("AWS refuses: http://127.0.0.1:8080/ 400 ParameterNotFound"),
        "{}",
        outcome.said
    );
    assert_eq!(outcome.code, Some(1));
    let world = World::with(&[], &TAGS, |instance| instance.role = None);
    let outcome = world.run(&one());
    let said = "vmimage: 1/1 one: done, T ms\nvmimage: the node is ready, but Auto Scaling is not told: there is no instance profile, so there are no credentials: \n";
    assert_eq!((outcome.code, outcome.said.as_str()), (Some(4), said));
}

#[test]
fn an_instance_without_a_group_is_a_node_all_the_same() {
    let world = World::with(&[], &TAGS, |instance| {
        instance.target_lifecycle_state = None;
        instance.role = None;
    });
    let outcome = world.run(&one());
    assert_eq!(
        (outcome.code, world.trace().as_str()),
        (Some(0), "one\n"),
        "{}",
        outcome.said
    );
}
