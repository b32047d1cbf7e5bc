//! Tests of the faults' text form and of when they strike.

use std::time::Duration;

use super::{After, Before, Decision, Fault, FaultError, Faults, Interference, Target};
use crate::wire::Service;

const SECOND: Duration = Duration::from_secs(1);

fn parse(text: &str) -> Fault {
    text.parse().unwrap()
}

fn target(action: &str) -> Target<'_> {
    Target {
        service: Service::Ec2,
        action,
        region: "eu-west-1",
    }
}

#[test]
fn the_text_form_comes_back_as_it_was() {
    for text in [
        "throttle",
        "throttle service=ec2 action=DescribeInstances region=eu-west-1 p=0.3 count=5",
        "fail service=ssm p=0.000001",
        "fail-after action=RunInstances count=1",
        "lose-reply service=s3",
        "down region=eu-west-1 from=10s until=60s",
        "slow by=1500ms p=0.5",
        "cut at=100",
        "conflict service=s3 action=PutObject count=2",
        "stale region=us-east-1 by=5s",
        "capacity zone=eu-west-1a instances=3",
        "not-offered zone=us-east-1e type=t3.medium",
        "imds node=i-1 answer=html path=/latest/user-data count=2",
        "throttle p=0.0",
    ] {
        assert_eq!(parse(text).to_string(), text);
    }
    assert_eq!(parse("slow by=2m").to_string(), "slow by=120s");
    assert_eq!(
        parse("capacity zone=z").to_string(),
        "capacity zone=z instances=0"
    );
    assert_eq!(parse("throttle p=1"), parse("throttle"));
}

/// Texts and what is said about them.
const NO_FAULTS: &str = "\
throttle 5 => `5` is not of the form key=value
throttle colour=red => no fault has the key `colour`
throttle zone=a => `zone` does not go with `throttle`
stale by=1s count=1 => `count` does not go with `stale`
throttle p=1 p=1 => `p` is given twice
throttle service=rds => `service=rds`: expected ec2, autoscaling, elasticloadbalancing, sts, ssm or s3
throttle p=1.1 => `p=1.1`: expected a probability between 0 and 1, with six decimals at most
throttle p=-1 => `p=-1`: expected a probability between 0 and 1, with six decimals at most
throttle count=x => `count=x`: expected a whole number
throttle action= => `action=`: expected a name
slow => `slow` needs `by=`: a duration like 500ms, 5s, 2m or 1h
slow by=5 => `by=5`: expected a duration like 500ms, 5s, 2m or 1h
down until=1s from=2s => it ends (`until`) before it begins (`from`)
imds answer=maybe => `answer=maybe`: expected 401, 404, 503, html, reset or truncate
conflict service=ec2 => `service=ec2`: expected s3, which alone has conflicts";

#[test]
fn what_is_no_fault_is_said_exactly() {
    let said = |text: &str| {
        text.parse::<Fault>()
            .map_err(|error: FaultError| error.to_string())
    };
    for line in NO_FAULTS.lines() {
        let (text, message) = line.split_once(" => ").unwrap();
        assert_eq!(said(text), Err(message.to_owned()));
    }
    let kinds = "throttle, fail, fail-after, lose-reply, down, slow, cut, conflict, stale, capacity, not-offered, imds";
    assert_eq!(
        said(" "),
        Err(format!("the fault is empty; it begins with one of {kinds}"))
    );
    assert_eq!(
        said("explode"),
        Err(format!("no fault is called `explode`; there are {kinds}"))
    );
}

#[test]
fn faults_strike_what_they_are_restricted_to_and_as_often_as_they_say() {
    let mut faults = Faults::new(1);
    faults.add(
        parse("throttle service=ec2 action=RunInstances count=2"),
        SECOND,
    );
    let throttled = Decision {
        before: Some(Before::Throttle),
        ..Decision::default()
    };
    assert_eq!(
        faults.decide(target("DescribeInstances"), SECOND),
        Decision::default()
    );
    assert_eq!(faults.decide(target("RunInstances"), SECOND), throttled);
    assert_eq!(faults.decide(target("RunInstances"), SECOND), throttled);
    assert_eq!(
        faults.decide(target("RunInstances"), SECOND),
        Decision::default()
    );
    assert_eq!(faults.list()[0].hits, 2);
}

#[test]
fn faults_have_their_time() {
    let mut faults = Faults::new(1);
    let id = faults.add(
        parse("down region=eu-west-1 from=10s until=20s"),
        5 * SECOND,
    );
    let struck: Vec<u32> = (0..40)
        .filter(|second| faults.decide(target("X"), *second * SECOND).before == Some(Before::Close))
        .collect();
    assert_eq!(struck, (15..25).collect::<Vec<u32>>());
    assert_eq!(faults.next_due(5 * SECOND), Some(15 * SECOND));
    assert_eq!(faults.next_due(15 * SECOND), Some(25 * SECOND));
    assert_eq!(faults.next_due(25 * SECOND), None);
    assert!(faults.clear(id));
    assert!(!faults.clear(id));
}

#[test]
fn chance_follows_from_the_seed_and_comes_near_its_probability() {
    let run = |seed| {
        let mut faults = Faults::new(seed);
        faults.add(parse("lose-reply p=0.3"), Duration::ZERO);
        let strike = |_| faults.decide(target("X"), SECOND).after == Some(After::Close);
        (0..10_000).map(strike).collect::<Vec<bool>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
    let struck = run(7).into_iter().filter(|struck| *struck).count();
    assert!((2_800..3_200).contains(&struck), "{struck}");
}

#[test]
fn effects_add_up() {
    let mut faults = Faults::new(1);
    for text in ["slow by=1s", "slow by=2s", "cut at=5", "fail-after"] {
        faults.add(parse(text), Duration::ZERO);
    }
    assert_eq!(
        faults.decide(target("X"), SECOND),
        Decision {
            before: None,
            after: Some(After::Cut(5)),
            delay: 3 * SECOND,
        }
    );
    assert_eq!(faults.list()[3].hits, 0, "the second of a kind waits");
}

#[test]
fn metadata_faults_strike_their_node_and_path() {
    let mut faults = Faults::new(1);
    faults.add(
        parse("imds node=i-1 answer=503 path=/latest/user-data count=1"),
        Duration::ZERO,
    );
    let mut ask = |node, path| faults.imds("eu-west-1", node, path, SECOND);
    assert_eq!(ask("i-2", "/latest/user-data"), None);
    assert_eq!(ask("i-1", "/latest/meta-data"), None);
    assert_eq!(
        ask("i-1", "/latest/user-data"),
        Some(Interference::Status(503))
    );
    assert_eq!(ask("i-1", "/latest/user-data"), None);
}
