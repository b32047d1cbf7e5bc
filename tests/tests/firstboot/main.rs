//! The engine as nodes run it: a static ELF with a program, against a metadata service with every fault
//! and a simulated AWS. Each case has a network namespace and folders of its own. Needs root.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test may panic as the test itself may"
)]

mod arm64;
mod bad;
mod goes_on;
mod harness;
mod machine;
mod program;
mod time;

use std::fs;
use std::time::Duration;

use firstboot::program::{flag, op};
use harness::*;
use vmimage_tests::wait::wait_until;

/// Appends a word to the trace.
fn trace(word: &str) -> Vec<u8> {
    argv(&["sh", "-c", &format!("echo {word} >>/run/trace")])
}

fn how() -> How<'static> {
    How {
        secs: 20,
        ..How::default()
    }
}

fn flags(flags: u8) -> How<'static> {
    How { flags, ..how() }
}

/// What S3 wants of requests whose body is not signed, as curl's configuration has it.
const UNSIGNED: &[u8] = b"header = \"x-amz-content-sha256: UNSIGNED-PAYLOAD\"\n";

/// Claims an object for the node.
const PUT: &[u8] = b"header = \"x-amz-content-sha256: UNSIGNED-PAYLOAD\"\nrequest = PUT\nheader = \"if-none-match: *\"\ndata-raw = \"{\\\"epoch\\\":1,\\\"instance\\\":\\\"\x01\x01\x01\\\"}\"\n";

/// Reads a secret.
const SECRET: &[u8] = b"header = \"content-type: application/x-amz-json-1.1\"\nheader = \"x-amz-target: AmazonSSM.GetParameter\"\ndata-raw = \"{\\\"WithDecryption\\\":true,\\\"Name\\\":\\\"/vmimage/\x01\x09\x01/password\\\"}\"\n";

const CLAIM: [&[u8]; 3] = [b"s3", b"\x01\x10\x01", b"\x01\x0c\x01/claim.json"];

fn out(out: u8, flags: u8) -> How<'static> {
    How {
        flags,
        out,
        ..how()
    }
}

fn when(when: &[u8]) -> How<'_> {
    How { when, ..how() }
}

/// Every kind of step.
fn whole() -> Program {
    let file: [&[u8]; 3] = [b"/run/a/b/file", b"\x01\x09\x01 \x01\x0e\x05\n", b"416"];
    let [service, region, path] = CLAIM;
    let taken = b"instance\x7fepoch\x7f<etag>\x7f*\x7f";
    let secret: [&[u8]; 5] = [b"ssm", b"\x01\x04\x01", b"", SECRET, b"Value\x7f"];
    let facts = b"\x01\x21\x01|\x01\x24\x01|\x01\x26\x01|\x01\x2a\x04|\x01\x20\x01";
    let keep = argv(&["sh", "-c", "cat >/run/facts"]);
    let claim = [service, region, path, PUT];
    let look = [service, region, path, UNSIGNED, taken];
    let name = [&argv(&["cat"]), &b"said \x01\x03\x01"[..]];
    Program::new("storage")
        .step(op::WRITE, out(32, 0), "a file", &file)
        .step(op::RUN, out(33, 0), "a command", &name)
        .step(op::RUN, flags(flag::ONCE), "once", &[&trace("once")])
        .step(op::REQUEST, flags(flag::ABSENT), "a claim", &claim)
        .step(op::REQUEST, out(36, 0), "who holds it", &look)
        .step(op::REQUEST, out(41, flag::SECRET), "a secret", &secret)
        .step(
            op::SET,
            out(43, flag::COMPARE),
            "",
            &[b"\x01\x25\x01", b"\x01\x01\x01"],
        )
        .step(op::RUN, when(&[43]), "mine", &[&keep, facts])
        .step(op::RUN, when(&[0xab]), "not mine", &[&argv(&["false"])])
        .step(op::RUN, flags(flag::REPORT), "", &[&trace("report")])
        .step(op::RUN, flags(flag::FAILED), "", &[&trace("failed")])
}

const WHOLE: &str = "vmimage: 1/11 a file: done, T ms
vmimage: 2/11 a command: done, T ms
vmimage: 3/11 once: done, T ms
vmimage: 4/11 a claim: as it should be, T ms
vmimage: 5/11 who holds it: as it should be, T ms
vmimage: 6/11 a secret: as it should be, T ms
vmimage: 8/11 mine: done, T ms
vmimage: I is a node of hosting: storage, ready after T ms
";

#[test]
fn a_node_does_its_steps_tells_its_group_and_does_nothing_twice() {
    does_its_steps_once(&World::new());
}

fn does_its_steps_once(world: &World) {
    world.put_secret("password", r#"a\"b\\c'd$e"#);
    let outcome = world.run(&whole());
    assert_eq!(outcome.said.replace(&world.instance, "I"), WHOLE);
    assert_eq!(outcome.code, Some(0));
    assert_eq!(
        fs::read_to_string(world.path("run/a/b/file")).unwrap(),
        "hosting 2\n"
    );
    assert_eq!(mode(&world.path("run/a/b/file")), 0o640);
    assert_eq!(world.trace(), "once\nreport\n");
    let host = format!("ip-10-2-{}", world.host_end());
    assert_eq!(
        fs::read_to_string(world.path("run/facts")).unwrap(),
        format!("said {host}|200|1|\"a\\\"b\\\\c'd$e\"|yes")
    );
    world.is_in_service();
    assert!(world.path("run/vmimage-ready").exists());
    let claim = world.object("claim.json");
    assert_eq!(
        claim,
        format!("{{\"epoch\":1,\"instance\":\"{}\"}}", world.instance)
    );
    // A reboot: nothing has to be done, and nobody waits to be told.
    let outcome = world.run(&whole());
    let again = WHOLE
        .replace("a file: done", "a file: as it should be")
        .replace("once: done", "once: as it should be");
    assert_eq!(outcome.said.replace(&world.instance, "I"), again);
    assert_eq!(
        (outcome.code, world.trace().as_str()),
        (Some(0), "once\nreport\nreport\n")
    );
    // The timer's report does its own steps alone, and has nothing to say.
    let outcome = world.report(&whole());
    assert_eq!((outcome.code, outcome.said.as_str()), (Some(0), ""));
    assert_eq!(world.trace(), "once\nreport\nreport\nreport\n");
}

#[test]
fn the_journal_is_text_and_holds_what_was_done_once() {
    let world = World::new();
    world.put_secret("password", "p");
    world.run(&whole());
    let journal = world.journal(&world.instance);
    let lines: Vec<&str> = journal.trim_start().lines().collect();
    assert_eq!(lines.len(), 2, "{journal}");
    let words: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
    assert_eq!(words[0][1..4], ["launch", "with", "program"]);
    assert_eq!((words[1][1], words[1][2].len()), ("once", 16));
}

#[test]
fn a_changed_step_is_done_again_and_another_instance_starts_afresh() {
    let once = |word: &str| {
        Program::new("storage")
            .step(op::RUN, flags(flag::ONCE), "one", &[&trace("one")])
            .step(op::RUN, flags(flag::ONCE), "two", &[&trace(word)])
    };
    let world = World::new();
    world.run(&once("two"));
    assert_eq!(world.trace(), "one\ntwo\n");
    world.run(&once("other"));
    assert_eq!(world.trace(), "one\ntwo\nother\n");
    fs::rename(
        world.path("state").join(&world.instance),
        world.path("state/i-0old"),
    )
    .unwrap();
    world.run(&once("two"));
    assert_eq!(world.trace(), "one\ntwo\nother\none\ntwo\n");
}

#[test]
fn one_that_is_killed_anywhere_goes_on_where_it_was() {
    goes_on_where_it_was(&World::new());
}

fn goes_on_where_it_was(world: &World) {
    let steps = 5;
    let mut program = Program::new("storage");
    for number in 0..steps {
        // Says that it begins, waits to be let go, and only then has been done.
        let script = format!(
            "echo begin{number} >>/run/trace; while [ -e /run/hold{number} ]; do sleep 0.01; done; echo end{number} >>/run/trace"
        );
        program = program.step(
            op::RUN,
            flags(flag::ONCE),
            &number.to_string(),
            &[&argv(&["sh", "-c", &script])],
        );
    }
    fs::create_dir_all(world.path("run")).unwrap();
    let mut expected: Vec<String> = Vec::new();
    let is_traced = |expected: &[String]| world.trace().lines().eq(expected);
    for number in 0..steps {
        fs::write(world.path(&format!("run/hold{number}")), "").unwrap();
    }
    for number in 0..steps {
        let mut child = world.start(&program, "launch");
        expected.push(format!("begin{number}"));
        wait_until(Duration::from_secs(20), "the step begins", || {
            is_traced(&expected)
        });
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had begun ends by itself, as it may on a node.
        fs::remove_file(world.path(&format!("run/hold{number}"))).unwrap();
        expected.push(format!("end{number}"));
        wait_until(Duration::from_secs(20), "the command ends", || {
            is_traced(&expected)
        });
        // Nobody knows whether it was done: it is done again.
        expected.extend([format!("begin{number}"), format!("end{number}")]);
    }
    let outcome = world.run(&program);
    assert_eq!(outcome.code, Some(0));
    assert!(is_traced(&expected), "{}", world.trace());
    world.is_in_service();
}

#[test]
fn steps_repeat_until_something_holds() {
    let program = Program::new("storage")
        .step(op::RUN, how(), "", &[&trace("x")])
        .step(
            op::RUN,
            out(32, flag::MAY_FAIL),
            "",
            &[&argv(&["sh", "-c", "[ $(wc -l </run/trace) -ge 3 ]"])],
        )
        .step(op::REPEAT, how(), "", &[&[32], b"2", b"three lines"])
        .step(
            op::RUN,
            out(33, flag::RETRY),
            "four",
            &[
                &argv(&["sh", "-c", "echo >>/run/trace; wc -l </run/trace"]),
                b"",
                b"6",
            ],
        )
        .step(
            op::RUN,
            how(),
            "",
            &[&argv(&["sh", "-c", "cat >/run/facts"]), b"\x01\x21\x05"],
        );
    let world = World::new();
    let outcome = world.run(&program);
    assert_eq!(
        (outcome.code, world.trace().as_str()),
        (Some(0), "x\nx\nx\n\n\n\n")
    );
    assert_eq!(fs::read_to_string(world.path("run/facts")).unwrap(), "6");
}

#[test]
fn lists_are_gone_through() {
    let say = |what| argv(&["sh", "-c", "echo \"$@\" >>/run/trace", "sh", what, "end"]);
    let each = How { each: 32, ..how() };
    let program = Program::new("storage")
        .step(
            op::SET,
            out(32, 0),
            "",
            &[b"1 i-1 10.0.0.1\n2 i-2 10.0.0.2"],
        )
        .step(op::RUN, each, "each", &[&say("\u{4}\u{2}\u{1}")])
        .step(
            op::RUN,
            how(),
            "all",
            &[&say("\u{2} n\u{4}\u{7}\u{1}\u{5}")],
        );
    let world = World::new();
    let outcome = world.run(&program);
    assert_eq!(outcome.code, Some(0), "{}", outcome.said);
    assert_eq!(world.trace(), "10.0.0.1 end\n10.0.0.2 end\nn1 n2 end\n");
}

#[test]
fn pages_are_put_together() {
    let describe = b"data = \"Action=DescribeSubnets&Version=2016-11-15&MaxResults=5\"\n";
    let ask: [&[u8]; 5] = [b"ec2", b"\x01\x04\x01", b"", describe, b"*\x7f"];
    let count = argv(&["sh", "-c", "grep -o '<subnetId>' | wc -l >>/run/trace"]);
    let program = Program::new("storage")
        .step(
            op::REQUEST,
            out(40, flag::PAGES | flag::APPEND),
            "pages",
            &ask,
        )
        .step(op::RUN, how(), "", &[&count, b"\x01\x29\x07"]);
    let world = World::new();
    let outcome = world.run(&program);
    assert_eq!(outcome.code, Some(0), "{}", outcome.said);
    assert_eq!(world.trace(), "3\n");
}
