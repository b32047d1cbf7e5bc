//! Owns the tests of what whoever runs the machines is told of the checks of targets, and tells back.

use super::*;

fn target_group(bed: &mut Bed, settings: &str) -> String {
    let vpc = text(&bed.ec2("DescribeVpcs", ""), "vpcId");
    let body = format!("VpcId={vpc}&{settings}");
    text(&bed.elb("CreateTargetGroup", &body), "TargetGroupArn")
}

/// A load balancer of that kind that forwards to a target group; gives the listener's ARN.
fn forward(bed: &mut Bed, kind: &str, protocol: &str, group: &str) -> String {
    let body = format!(
        "Name={kind}&Type={kind}&Subnets.member.1={}&Subnets.member.2={}",
        bed.subnets[0], bed.subnets[1]
    );
    let arn = text(&bed.elb("CreateLoadBalancer", &body), "LoadBalancerArn");
    let body = format!(
        "LoadBalancerArn={arn}&Port=80&Protocol={protocol}&DefaultActions.member.1.Type=forward\
         &DefaultActions.member.1.TargetGroupArn={group}"
    );
    text(&bed.elb("CreateListener", &body), "ListenerArn")
}

/// An instance that runs; gives its id and address.
fn instance(bed: &mut Bed) -> (String, String) {
    let body = format!(
        "ImageId={}&InstanceType=t3.micro&MinCount=1&MaxCount=1",
        bed.image
    );
    let made = bed.ec2("RunInstances", &body);
    let id = text(&made, "instanceId");
    bed.aws.instance_running(bed::REGION, &id, bed.now);
    (id, text(&made, "privateIpAddress"))
}

fn register(bed: &mut Bed, group: &str, target: &str) {
    let body = format!("TargetGroupArn={group}&Targets.member.1.Id={target}");
    bed.elb("RegisterTargets", &body);
}

fn report(bed: &mut Bed, check: &TargetCheck, health: TargetAnswer) {
    bed.aws.target_health(&check.report(health), bed.now);
}

/// State, reason and description of every target of a group.
fn told(bed: &mut Bed, group: &str) -> Vec<[String; 3]> {
    let body = bed.elb("DescribeTargetHealth", &format!("TargetGroupArn={group}"));
    texts(&body, "TargetHealth")
        .iter()
        .map(|one| {
            ["State", "Reason", "Description"].map(|name| {
                let found = texts(one, name);
                found.first().cloned().unwrap_or_default()
            })
        })
        .collect()
}

#[test]
fn only_running_targets_that_a_listener_forwards_to_are_checked() {
    let mut bed = Bed::real();
    let group = target_group(
        &mut bed,
        "Name=web&Protocol=HTTPS&Port=443&HealthCheckProtocol=HTTPS&HealthCheckPath=/ready?a=b\
         &HealthCheckPort=8443&HealthCheckIntervalSeconds=7&HealthCheckTimeoutSeconds=3\
         &HealthyThresholdCount=4&UnhealthyThresholdCount=6&Matcher.HttpCode=200-299",
    );
    let (id, address) = instance(&mut bed);
    register(&mut bed, &group, &id);
    assert_eq!(bed.aws.target_checks(), []);
    let listener = forward(&mut bed, "application", "HTTP", &group);
    let check = TargetCheck {
        region: bed::REGION.to_owned(),
        target_group: group.clone(),
        target: id.clone(),
        port: 443,
        address: format!("{address}:8443").parse().unwrap(),
        question: Question::Http {
            tls: true,
            path: "/ready?a=b".to_owned(),
            codes: Codes::parse("200-299").unwrap(),
        },
        interval: Duration::from_secs(7),
        timeout: Duration::from_secs(3),
        healthy: 4,
        unhealthy: 6,
    };
    assert_eq!(bed.aws.target_checks(), [check]);

    let off = format!("TargetGroupArn={group}&HealthCheckEnabled=false");
    bed.elb("ModifyTargetGroup", &off);
    assert_eq!(bed.aws.target_checks(), []);
    let on = format!("TargetGroupArn={group}&HealthCheckEnabled=true");
    bed.elb("ModifyTargetGroup", &on);
    assert_eq!(bed.aws.target_checks().len(), 1);
    bed.ec2("StopInstances", &format!("InstanceId.1={id}"));
    assert_eq!(bed.aws.target_checks(), []);
    bed.elb("DeleteListener", &format!("ListenerArn={listener}"));
    assert_eq!(
        told(&mut bed, &group)[0][1],
        "Target.NotInUse",
        "what no listener forwards to stays unused"
    );
}

#[test]
fn ports_of_one_target_are_targets_of_their_own() {
    let mut bed = Bed::real();
    let group = target_group(&mut bed, "Name=web&Protocol=HTTP&Port=80");
    forward(&mut bed, "application", "HTTP", &group);
    let (id, address) = instance(&mut bed);
    register(&mut bed, &group, &id);
    let body = format!("TargetGroupArn={group}&Targets.member.1.Id={id}");
    bed.elb(
        "RegisterTargets",
        &format!("{body}&Targets.member.1.Port=8080"),
    );
    let checks = bed.aws.target_checks();
    let asked: Vec<String> = checks.iter().map(|one| one.address.to_string()).collect();
    assert_eq!(asked, [format!("{address}:80"), format!("{address}:8080")]);
    let timeout = TargetAnswer::Unhealthy(TargetFailure::Timeout);
    report(&mut bed, &checks[0], TargetAnswer::Healthy);
    report(&mut bed, &checks[1], timeout);
    let healthy = ["healthy", "", ""].map(str::to_owned);
    let unhealthy = ["unhealthy", "Target.Timeout", "Request timed out"].map(str::to_owned);
    assert_eq!(told(&mut bed, &group), [healthy, unhealthy]);
}

#[test]
fn network_load_balancers_ask_for_connections_and_tell_only_that_checks_failed() {
    let mut bed = Bed::real();
    let group = target_group(&mut bed, "Name=web&Protocol=TCP&Port=22&TargetType=ip");
    forward(&mut bed, "network", "TCP", &group);
    register(&mut bed, &group, "10.1.7.7");
    let checks = bed.aws.target_checks();
    assert_eq!(
        (checks[0].question.clone(), checks[0].address.to_string()),
        (Question::Tcp, "10.1.7.7:22".to_owned())
    );
    let timeout = TargetAnswer::Unhealthy(TargetFailure::Timeout);
    report(&mut bed, &checks[0], timeout);
    let expected = [
        "unhealthy",
        "Target.FailedHealthChecks",
        "Health checks failed",
    ];
    assert_eq!(told(&mut bed, &group), [expected.map(str::to_owned)]);
}
