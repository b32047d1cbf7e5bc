//! What takes long, and clocks that are wrong.

use std::time::Duration;

use firstboot::program::op;

use super::harness::*;
use super::{UNSIGNED, how};

/// The group's hook would be over before the step is.
#[test]
fn signs_of_life_keep_the_group_waiting_while_a_step_takes_long() {
    let world = World::with_hook(75);
    let outcome = world.run(&Program::new("storage").step(
        op::RUN,
        How { secs: 120, ..how() },
        "long work",
        &[&argv(&["sleep", "85"])],
    ));
    assert_eq!(outcome.code, Some(0), "{}", outcome.said);
    world.is_in_service();
    assert_eq!(world.member().unwrap().0, world.instance);
}

/// No request of a node whose clock is wrong is taken, that which would abandon the launch included:
/// the group gives it up when the hook is over.
#[test]
fn a_clock_that_stays_wrong_is_named() {
    let world = World::with_hook(30);
    world.clock.put_ahead(Duration::from_hours(1));
    let outcome = world.run(&Program::new("storage").step(
        op::REQUEST,
        How { secs: 3, ..how() },
        "state",
        &[b"s3", b"us-east-1", b"\x01\x0c\x01/none", UNSIGNED],
    ));
    assert_eq!(outcome.code, Some(1));
    let reason = "state: AWS did not do in time what it was asked: http://127.0.0.1:8080/state/hosting/none 403 RequestTimeTooSkewed";
    let line = format!(
        "vmimage: {} does not become a node: {reason}\n",
        world.instance
    );
    assert!(outcome.said.contains(&line), "{}", outcome.said);
    let untold = "Auto Scaling is not told: AWS refuses: http://127.0.0.1:8080/ CompleteLifecycleAction&LifecycleActionResult=ABANDON 403 SignatureDoesNotMatch\n";
    assert!(outcome.said.contains(untold), "{}", outcome.said);
    world.clock.put_ahead(Duration::ZERO);
    vmimage_tests::wait::wait_until(Duration::from_secs(40), "it is given up", || {
        world
            .member()
            .is_none_or(|(id, state)| id != world.instance || state.starts_with("Terminating"))
    });
}
