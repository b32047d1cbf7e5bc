//! What does not end a launch or a report at once: a step that waits, a failure that is still to be
//! told, an answer that a report can do without.

use std::time::Duration;

use firstboot::program::{flag, op};

use super::bad::command;
use super::harness::*;
use super::{flags, how};

/// Each reason is said once, and not at each of the tries.
#[test]
fn a_step_that_waits_says_why_it_does() {
    let script = "echo x >>/run/trace
        case $(wc -l </run/trace) in 1|2|3) echo no table >&2; exit 4 ;; 4) echo no row; exit 5 ;; esac";
    let again = How {
        flags: flag::RETRY,
        ..how()
    };
    let world = World::new();
    let outcome = world.run(&command(again, &["sh", "-c", script]));
    assert_eq!(
        outcome.said.replace(&world.instance, "I"),
        "vmimage: trying again: a program failed: sh (exit status 4): no table
vmimage: trying again: a program failed: sh (exit status 5): no row
vmimage: 1/1 x: done, T ms
vmimage: I is a node of hosting: storage, ready after T ms
"
        .replace("x: done", "x: as it should be")
    );
    assert_eq!(outcome.code, Some(0));
}

/// The instance may be gone as soon as the group knows.
#[test]
fn what_is_left_to_do_comes_before_the_group_is_told() {
    let world = World::new();
    let fault = "fail service=autoscaling count=2".parse().unwrap();
    let added = world.cloud.lock().unwrap().add_fault(fault, Duration::ZERO);
    added.unwrap();
    // Only what fails says anything then.
    let report = argv(&["sh", "-c", "echo report >>/run/trace; exit 1"]);
    let program = command(how(), &["false"]);
    let program = program.step(op::RUN, flags(flag::FAILED), "report", &[&report]);
    let outcome = world.run(&program);
    let places = [
        "does not become a node",
        "report: failed",
        "trying again: AWS",
    ];
    let places = places.map(|line| outcome.said.find(line));
    assert!(
        places.is_sorted() && places[0].is_some(),
        "{}",
        outcome.said
    );
    assert_eq!(world.trace(), "report\n");
}

/// Parameter Store that refuses, and one that does not answer in time.
#[test]
fn a_report_goes_on_without_what_aws_does_not_give() {
    let request: [&[u8]; 5] = [b"ssm", b"\x01\x04\x01", b"", super::SECRET, b"Value\x7f"];
    let optional = How {
        flags: flag::REPORT | flag::MAY_FAIL | flag::SECRET,
        out: 41,
        secs: 1,
        ..how()
    };
    let facts = b"\x01\x29\x01|\x01\x2a\x01;";
    let keep = argv(&["sh", "-c", "cat >>/run/trace"]);
    let program = Program::new("storage")
        .step(op::REQUEST, optional, "a secret", &request)
        .step(op::RUN, flags(flag::REPORT), "", &[&keep, facts]);
    let world = World::new();
    assert_eq!(world.run(&program).code, Some(0));
    world.put_secret("password", "p");
    assert_eq!(world.report(&program).code, Some(0));
    let fault = "fail service=ssm".parse().unwrap();
    let added = world.cloud.lock().unwrap().add_fault(fault, Duration::ZERO);
    added.unwrap();
    assert_eq!(world.report(&program).code, Some(0));
    assert_eq!(world.trace(), "400|;200|p;0|;");
}
