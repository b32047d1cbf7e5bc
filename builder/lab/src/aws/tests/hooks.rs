//! Owns the tests of lifecycle hooks.

use super::*;

const LAUNCHING: &str = "&LifecycleHookSpecificationList.member.1.LifecycleHookName=up\
    &LifecycleHookSpecificationList.member.1.LifecycleTransition=autoscaling:EC2_INSTANCE_LAUNCHING\
    &LifecycleHookSpecificationList.member.1.HeartbeatTimeout=60";
const COMPLETE: &str = "CompleteLifecycleAction";

fn action(hook: &str, id: &str, result: &str) -> String {
    format!(
        "AutoScalingGroupName=g&LifecycleHookName={hook}&InstanceId={id}\
         &LifecycleActionResult={result}"
    )
}

/// A group of one that waits for its launch hook; the machines are the test's.
fn waiting() -> (Bed, String) {
    let mut bed = Bed::real();
    bed.group([0, 1, 1], LAUNCHING);
    let id = bed.members()[0].0.clone();
    bed.aws.instance_running(bed::REGION, &id, bed.now);
    assert_eq!(bed.states(), ["Pending:Wait"]);
    (bed, id)
}

#[test]
fn a_completed_launch_goes_into_service() {
    let (mut bed, id) = waiting();
    let activity = |bed: &mut Bed| {
        let body = bed.scaling("DescribeScalingActivities", "AutoScalingGroupName=g");
        text(&body, "StatusCode")
    };
    assert_eq!(activity(&mut bed), "MidLifecycleAction");
    bed.scaling(COMPLETE, &action("up", &id, "CONTINUE"));
    assert_eq!(bed.states(), ["Pending:Proceed"]);
    // The action is over; a second completion finds none.
    let error = bed.scaling_error(COMPLETE, &action("up", &id, "CONTINUE"));
    assert_eq!(
        (&*error.code, error.message),
        (
            "ValidationError",
            format!("No active Lifecycle Action found with instance ID {id}")
        )
    );
    bed.pass(1);
    assert_eq!(
        (bed.states(), activity(&mut bed)),
        (vec!["InService".into()], "Successful".into())
    );
    let body = bed.scaling(
        "DescribeAutoScalingInstances",
        &format!("InstanceIds.member.1={id}"),
    );
    assert_eq!(text(&body, "LifecycleState"), "InService");
    assert_eq!(text(&body, "HealthStatus"), "HEALTHY");
    assert_eq!(text(&body, "Version"), "1");
}

#[test]
fn an_abandoned_launch_is_replaced() {
    let (mut bed, id) = waiting();
    bed.scaling(COMPLETE, &action("up", &id, "ABANDON"));
    bed.pass(0);
    assert_eq!(bed.states(), ["Pending", "Terminating:Proceed"]);
    bed.pass(2);
    let left = bed.members();
    assert!(left.len() == 1 && left[0].0 != id, "{left:?}");
    let body = bed.scaling("DescribeScalingActivities", "AutoScalingGroupName=g");
    assert_eq!(
        texts(&body, "StatusCode"),
        ["PreInService", "Successful", "Cancelled"]
    );
    let message = text(&body, "StatusMessage");
    let (head, tail) = message.split_once(" with token ").unwrap();
    assert_eq!(
        head,
        "Instance failed to complete user's Lifecycle Action: Lifecycle Action"
    );
    let (_, how) = tail.split_once(' ').unwrap();
    assert_eq!(
        how,
        "was abandoned: Lifecycle Action Completed with ABANDON Result"
    );
    let causes = texts(&body, "Cause");
    assert_eq!(
        causes[0],
        "At 2026-01-01T00:00:00Z an instance was launched in response to an unhealthy instance \
         needing to be replaced."
    );
    let changes = bed.changes();
    assert_eq!(changes[1], format!("metadata {id} Terminated"));
    assert_eq!(changes[2], format!("terminate {id}"));
}

#[test]
fn silence_is_abandon_by_default_and_heartbeats_break_it() {
    let (mut bed, id) = waiting();
    bed.pass(59);
    let beat = format!("AutoScalingGroupName=g&LifecycleHookName=up&InstanceId={id}");
    bed.scaling("RecordLifecycleActionHeartbeat", &beat);
    bed.pass(59);
    assert_eq!(bed.states(), ["Pending:Wait"]);
    bed.pass(1);
    assert_eq!(bed.states(), ["Pending", "Terminating:Proceed"]);
    let body = bed.scaling("DescribeScalingActivities", "AutoScalingGroupName=g");
    assert!(text(&body, "StatusMessage").ends_with("was abandoned: Heartbeat Timeout"));
    let error = bed.scaling_error("RecordLifecycleActionHeartbeat", &beat);
    assert_eq!(error.code, "ValidationError");
}

#[test]
fn no_heartbeat_moves_the_cap() {
    let (mut bed, id) = waiting();
    let beat = format!("AutoScalingGroupName=g&LifecycleHookName=up&InstanceId={id}");
    // A hundred timeouts of a minute.
    for _ in 0..119 {
        bed.pass(50);
        bed.scaling("RecordLifecycleActionHeartbeat", &beat);
    }
    assert_eq!(bed.states(), ["Pending:Wait"]);
    bed.pass(50);
    assert_eq!(bed.states(), ["Pending", "Terminating:Proceed"]);
}

#[test]
fn a_timeout_may_continue() {
    let mut bed = Bed::new();
    let hook =
        format!("{LAUNCHING}&LifecycleHookSpecificationList.member.1.DefaultResult=CONTINUE");
    bed.group([0, 1, 1], &hook);
    bed.pass(5);
    assert_eq!(bed.states(), ["Pending:Wait"]);
    bed.pass(61);
    assert_eq!(bed.states(), ["InService"]);
}

#[test]
fn several_hooks_must_all_be_completed() {
    let mut bed = Bed::new();
    let put = "AutoScalingGroupName=g&LifecycleHookName=down\
               &LifecycleTransition=autoscaling:EC2_INSTANCE_TERMINATING&HeartbeatTimeout=30";
    bed.group([0, 1, 1], "");
    bed.pass(5);
    bed.scaling("PutLifecycleHook", put);
    bed.scaling("PutLifecycleHook", &put.replace("=down", "=away"));
    let id = bed.members()[0].0.clone();
    bed.scaling(
        "SetDesiredCapacity",
        "AutoScalingGroupName=g&DesiredCapacity=0",
    );
    bed.pass(0);
    assert_eq!(bed.states(), ["Terminating:Wait"]);
    bed.scaling(COMPLETE, &action("down", &id, "CONTINUE"));
    assert_eq!(bed.states(), ["Terminating:Wait"]);
    bed.scaling(COMPLETE, &action("away", &id, "CONTINUE"));
    assert_eq!(bed.states(), ["Terminating:Proceed"]);
    bed.pass(3);
    assert_eq!(bed.states(), [""; 0]);
    // Abandoning the end of an instance ends it as well, without the other hook.
    bed.scaling(
        "SetDesiredCapacity",
        "AutoScalingGroupName=g&DesiredCapacity=1",
    );
    bed.pass(5);
    let id = bed.members()[0].0.clone();
    bed.scaling(
        "SetDesiredCapacity",
        "AutoScalingGroupName=g&DesiredCapacity=0",
    );
    bed.pass(0);
    bed.scaling(COMPLETE, &action("down", &id, "ABANDON"));
    bed.pass(3);
    assert_eq!(bed.states(), [""; 0]);
}

#[test]
fn a_token_is_as_good_as_an_instance() {
    let (mut bed, _) = waiting();
    let by_token = "AutoScalingGroupName=g&LifecycleHookName=up&LifecycleActionResult=CONTINUE\
                    &LifecycleActionToken=";
    let error = bed.scaling_error(COMPLETE, &format!("{by_token}nonsense"));
    assert_eq!(
        error.message,
        "No active Lifecycle Action found with token nonsense"
    );
    let neither = "AutoScalingGroupName=g&LifecycleHookName=up&LifecycleActionResult=CONTINUE";
    assert_eq!(bed.scaling_error(COMPLETE, neither).code, "ValidationError");
}

#[test]
fn hooks_are_kept_changed_and_deleted() {
    let (mut bed, id) = waiting();
    let put = "PutLifecycleHook";
    let named = "AutoScalingGroupName=g&LifecycleHookName=up";
    bed.scaling(put, &format!("{named}&DefaultResult=CONTINUE"));
    let body = bed.scaling("DescribeLifecycleHooks", "AutoScalingGroupName=g");
    assert_eq!(text(&body, "HeartbeatTimeout"), "60");
    assert_eq!(text(&body, "GlobalTimeout"), "6000");
    assert_eq!(text(&body, "DefaultResult"), "CONTINUE");
    for (body, message) in [
        (
            format!("{named}&HeartbeatTimeout=29"),
            "Lifecycle hook heartbeat timeout 29 must be between 30 and 7200 seconds",
        ),
        (
            format!("{named}&DefaultResult=MAYBE"),
            "Invalid DefaultResult 'MAYBE': it must be CONTINUE or ABANDON",
        ),
        (
            "AutoScalingGroupName=g&LifecycleHookName=new".to_owned(),
            "Parameter LifecycleTransition cannot be null when creating a lifecycle hook",
        ),
    ] {
        assert_eq!(bed.scaling_error(put, &body).message, message);
    }
    // Deleting a hook abandons the launches that wait for it.
    bed.scaling("DeleteLifecycleHook", named);
    bed.pass(0);
    assert_eq!(bed.states(), ["Pending", "Terminating:Proceed"]);
    let error = bed.scaling_error("DeleteLifecycleHook", named);
    assert_eq!(error.message, "No Lifecycle Hook found with name: up");
    assert_eq!(
        bed.scaling_error(COMPLETE, &action("up", &id, "CONTINUE"))
            .code,
        "ValidationError"
    );
}

#[test]
fn an_instance_that_dies_while_it_waits_is_replaced() {
    let (mut bed, id) = waiting();
    bed.ec2("TerminateInstances", &format!("InstanceId.1={id}"));
    bed.pass(0);
    assert_eq!(bed.states(), ["Pending", "Terminating:Proceed"]);
    let body = bed.scaling("DescribeScalingActivities", "AutoScalingGroupName=g");
    assert_eq!(
        text(&body, "StatusMessage"),
        "Instance became unhealthy while waiting for instance to be in InService state. \
         Termination Reason: Client.UserInitiatedShutdown: User initiated shutdown"
    );
}
