//! Owns the tests of health checks and of what users do to single instances.

use super::*;

fn one(more: &str) -> (Bed, String) {
    let mut bed = Bed::new();
    bed.group([0, 1, 2], more);
    bed.pass(5);
    let id = bed.members()[0].0.clone();
    (bed, id)
}

fn newest_cause(bed: &mut Bed, description: &str) -> String {
    let body = bed.scaling("DescribeScalingActivities", "AutoScalingGroupName=g");
    let rows = texts(&body, "Description")
        .into_iter()
        .zip(texts(&body, "Cause"));
    let mut matching = rows.filter(|(text, _)| text.starts_with(description));
    matching.next().map(|(_, cause)| cause).unwrap_or_default()
}

/// Something that makes an instance unhealthy.
type Breakage = fn(&mut Bed, &str);

#[test]
fn what_is_unhealthy_is_replaced() {
    let reasons: [(&str, Breakage); 4] = [
        ("an EC2 instance status checks failure", |bed, id| {
            bed.aws.instance_failed(bed::REGION, id, "hung", bed.now);
        }),
        (
            "an EC2 health check indicating it has been terminated or stopped",
            |bed, id| {
                bed.ec2("StopInstances", &format!("InstanceId.1={id}"));
            },
        ),
        (
            "an EC2 health check indicating it has been terminated or stopped",
            |bed, id| {
                bed.ec2("TerminateInstances", &format!("InstanceId.1={id}"));
            },
        ),
        ("a user health-check", |bed, id| {
            bed.scaling(
                "SetInstanceHealth",
                &format!("InstanceId={id}&HealthStatus=Unhealthy"),
            );
        }),
    ];
    for (reason, break_it) in reasons {
        let (mut bed, id) = one("");
        break_it(&mut bed, &id);
        bed.pass(0);
        let states = bed.states();
        assert!(
            states.contains(&"Pending".to_owned()),
            "{reason}: {states:?}"
        );
        let cause = newest_cause(&mut bed, "Terminating");
        let expected =
            "At 2026-01-01T00:00:05Z an instance was taken out of service in response to";
        assert_eq!(cause, format!("{expected} {reason}."));
        bed.pass(10);
        let members = bed.members();
        assert_eq!(
            (members.len(), &*members[0].1),
            (1, "InService"),
            "{reason}"
        );
        assert_ne!(members[0].0, id, "{reason}");
    }
}

#[test]
fn a_grace_period_shields_from_checks_but_not_from_being_gone() {
    let (mut bed, id) = one("&HealthCheckGracePeriod=100");
    bed.aws.instance_failed(bed::REGION, &id, "hung", bed.now);
    bed.scaling(
        "SetInstanceHealth",
        &format!("InstanceId={id}&HealthStatus=Unhealthy"),
    );
    bed.pass(99);
    assert_eq!(bed.members(), [(id.clone(), "InService".to_owned())]);
    bed.pass(1);
    assert_ne!(bed.members()[0].1, "InService");
    let (mut bed, id) = one("&HealthCheckGracePeriod=100");
    bed.ec2("TerminateInstances", &format!("InstanceId.1={id}"));
    bed.pass(0);
    assert_eq!(bed.states(), ["Pending", "Terminating:Proceed"]);
}

#[test]
fn suspended_processes_do_nothing_until_they_are_resumed() {
    let (mut bed, id) = one("");
    let suspend = |name: &str| format!("AutoScalingGroupName=g&ScalingProcesses.member.1={name}");
    bed.scaling("SuspendProcesses", &suspend("ReplaceUnhealthy"));
    bed.scaling(
        "SetInstanceHealth",
        &format!("InstanceId={id}&HealthStatus=Unhealthy"),
    );
    bed.pass(10);
    let body = bed.scaling("DescribeAutoScalingGroups", "");
    assert_eq!(text(&body, "HealthStatus"), "Unhealthy");
    assert_eq!(text(&body, "ProcessName"), "ReplaceUnhealthy");
    assert_eq!(bed.states(), ["InService"]);
    bed.scaling("SuspendProcesses", &suspend("Launch"));
    bed.scaling("ResumeProcesses", &suspend("ReplaceUnhealthy"));
    bed.pass(10);
    assert_eq!(bed.states(), [""; 0]);
    bed.scaling("ResumeProcesses", "AutoScalingGroupName=g");
    bed.pass(5);
    assert_eq!(bed.states(), ["InService"]);
    bed.scaling("SuspendProcesses", &suspend("HealthCheck"));
    let id = bed.members()[0].0.clone();
    bed.aws.instance_failed(bed::REGION, &id, "hung", bed.now);
    bed.pass(10);
    assert_eq!(bed.states(), ["InService"]);
    bed.scaling("SuspendProcesses", &suspend("Terminate"));
    bed.scaling(
        "SetDesiredCapacity",
        "AutoScalingGroupName=g&DesiredCapacity=0",
    );
    bed.pass(10);
    assert_eq!(bed.states(), ["InService"]);
    bed.scaling("ResumeProcesses", "AutoScalingGroupName=g");
    bed.pass(10);
    assert_eq!(bed.states(), [""; 0]);
    let error = bed.scaling_error("SuspendProcesses", &suspend("Breathing"));
    assert_eq!(
        error.message,
        "Breathing is not a valid Scaling Process Type"
    );
}

#[test]
fn a_user_ends_an_instance_with_or_without_replacement() {
    let (mut bed, id) = one("");
    let end = "TerminateInstanceInAutoScalingGroup";
    let body = format!("InstanceId={id}&ShouldDecrementDesiredCapacity=false");
    let body = bed.scaling(end, &body);
    assert_eq!(
        text(&body, "Description"),
        format!("Terminating EC2 instance: {id}")
    );
    bed.pass(5);
    assert_eq!(bed.states(), ["InService"]);
    let id = bed.members()[0].0.clone();
    let gone = format!("InstanceId={id}&ShouldDecrementDesiredCapacity=true");
    bed.scaling(end, &gone);
    bed.pass(5);
    assert_eq!(bed.states(), [""; 0]);
    let error = bed.scaling_error(end, &gone);
    assert_eq!(
        error.message,
        format!("Instance Id not found - No managed instance found for instance ID: {id}")
    );
    let mut bed = Bed::new();
    bed.group([1, 1, 2], "");
    let id = bed.members()[0].0.clone();
    let body = format!("InstanceId={id}&ShouldDecrementDesiredCapacity=true");
    assert_eq!(
        bed.scaling_error(end, &body).message,
        "Currently, desiredSize equals minSize (1). Terminating instance without replacement will \
         violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to \
         false or lower group's min size."
    );
    let body = format!("InstanceId={id}");
    assert_eq!(bed.scaling_error(end, &body).code, "ValidationError");
}

#[test]
fn standby_takes_an_instance_aside() {
    let (mut bed, id) = one("");
    let named = format!("AutoScalingGroupName=g&InstanceIds.member.1={id}");
    let enter = format!("{named}&ShouldDecrementDesiredCapacity");
    bed.scaling("EnterStandby", &format!("{enter}=false"));
    bed.pass(5);
    assert_eq!(bed.states(), ["InService", "Standby"]);
    assert_eq!(
        bed.aws
            .launch(bed::REGION, &id)
            .unwrap()
            .target_lifecycle_state
            .as_deref(),
        Some("Standby")
    );
    // It is not looked at there.
    bed.aws.instance_failed(bed::REGION, &id, "hung", bed.now);
    bed.pass(5);
    assert_eq!(bed.states(), ["InService", "Standby"]);
    let error = bed.scaling_error("EnterStandby", &format!("{enter}=true"));
    assert_eq!(
        error.message,
        format!("The instance {id} is not in InService.")
    );
    bed.scaling("ExitStandby", &named);
    bed.pass(0);
    let body = bed.scaling("DescribeAutoScalingGroups", "");
    assert_eq!(text(&body, "DesiredCapacity"), "2");
    let error = bed.scaling_error("ExitStandby", &named);
    assert_eq!(error.code, "ValidationError");
}

#[test]
fn what_never_starts_is_tried_again_after_a_while() {
    let mut bed = Bed::real();
    bed.group([0, 1, 1], "");
    let id = bed.members()[0].0.clone();
    bed.aws
        .instance_failed(bed::REGION, &id, "no space", bed.now);
    bed.pass(14);
    assert_eq!(bed.states(), [""; 0]);
    let failure = bed.aws.groups(bed::REGION).remove(0).last_failure.unwrap();
    assert!(
        failure.ends_with("Server.InternalError: no space"),
        "{failure}"
    );
    let body = bed.scaling("DescribeScalingActivities", "AutoScalingGroupName=g");
    assert_eq!(texts(&body, "StatusCode"), ["Successful", "Failed"]);
    assert!(
        text(&body, "StatusMessage")
            .ends_with("Termination Reason: Server.InternalError: no space")
    );
    bed.pass(1);
    assert_eq!(bed.states(), ["Pending"]);
}

#[test]
fn an_instance_that_ec2_has_forgotten_is_replaced_when_somebody_looks() {
    let (mut bed, id) = one("");
    bed.scaling(
        "SuspendProcesses",
        "AutoScalingGroupName=g&ScalingProcesses.member.1=HealthCheck",
    );
    bed.ec2("TerminateInstances", &format!("InstanceId.1={id}"));
    bed.pass(4_000);
    let body = bed.scaling("DescribeAutoScalingGroups", "");
    assert_eq!(text(&body, "InstanceId"), id);
    bed.scaling("ResumeProcesses", "AutoScalingGroupName=g");
    bed.pass(10);
    let members = bed.members();
    assert_eq!((members.len(), &*members[0].1), (1, "InService"));
    assert_ne!(members[0].0, id);
}
