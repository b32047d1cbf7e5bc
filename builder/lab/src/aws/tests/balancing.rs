//! Owns the tests of target groups, load balancers and the health of targets.

use super::*;

const GROUP: &str = "Name=web&Protocol=HTTP&Port=80&HealthCheckIntervalSeconds=10\
                     &HealthCheckTimeoutSeconds=5&HealthyThresholdCount=2&HealthCheckPath=/ready";

fn vpc(bed: &mut Bed) -> String {
    text(&bed.ec2("DescribeVpcs", ""), "vpcId")
}

fn target_group(bed: &mut Bed) -> String {
    let body = format!("{GROUP}&VpcId={}", vpc(bed));
    text(&bed.elb("CreateTargetGroup", &body), "TargetGroupArn")
}

/// A load balancer that forwards to `group`; gives its ARN.
fn forward(bed: &mut Bed, group: &str) -> String {
    let body = format!(
        "Name=front&Subnets.member.1={}&Subnets.member.2={}",
        bed.subnets[0], bed.subnets[1]
    );
    let arn = text(&bed.elb("CreateLoadBalancer", &body), "LoadBalancerArn");
    let body = format!(
        "LoadBalancerArn={arn}&Port=80&Protocol=HTTP&DefaultActions.member.1.Type=forward\
         &DefaultActions.member.1.TargetGroupArn={group}"
    );
    bed.elb("CreateListener", &body);
    arn
}

fn health(bed: &mut Bed, group: &str) -> Vec<String> {
    let body = format!("TargetGroupArn={group}");
    texts(&bed.elb("DescribeTargetHealth", &body), "State")
}

#[test]
fn targets_become_healthy_where_a_listener_uses_them() {
    let mut bed = Bed::new();
    let group = target_group(&mut bed);
    bed.group([0, 1, 2], &format!("&TargetGroupARNs.member.1={group}"));
    bed.pass(60);
    let body = bed.elb("DescribeTargetHealth", &format!("TargetGroupArn={group}"));
    assert_eq!(text(&body, "State"), "unused");
    assert_eq!(text(&body, "Reason"), "Target.NotInUse");
    forward(&mut bed, &group);
    assert_eq!(health(&mut bed, &group), ["initial"]);
    bed.pass(19);
    assert_eq!(health(&mut bed, &group), ["initial"]);
    bed.pass(1);
    assert_eq!(health(&mut bed, &group), ["healthy"]);
    let id = bed.members()[0].0.clone();
    let reports = bed.aws.groups(bed::REGION);
    assert_eq!(
        reports[0].members[0].targets,
        [("web".to_owned(), "healthy".to_owned())]
    );
    // Scale-in drains first.
    let delay = format!(
        "TargetGroupArn={group}&Attributes.member.1.Key=deregistration_delay.timeout_seconds\
         &Attributes.member.1.Value=30"
    );
    bed.elb("ModifyTargetGroupAttributes", &delay);
    bed.scaling(
        "SetDesiredCapacity",
        "AutoScalingGroupName=g&DesiredCapacity=0",
    );
    bed.pass(0);
    assert_eq!(
        (health(&mut bed, &group), bed.states()),
        (vec!["draining".into()], vec!["Terminating".into()])
    );
    let body = bed.scaling("DescribeScalingActivities", "AutoScalingGroupName=g");
    assert_eq!(text(&body, "StatusCode"), "WaitingForELBConnectionDraining");
    bed.pass(29);
    assert_eq!(bed.states(), ["Terminating"]);
    bed.pass(3);
    assert_eq!((health(&mut bed, &group), bed.states()), (vec![], vec![]));
    let body = bed.ec2("DescribeInstances", &format!("InstanceId.1={id}"));
    assert_eq!(text(&text(&body, "instanceState"), "name"), "terminated");
}

#[test]
fn what_the_outside_finds_decides_and_elb_health_replaces() {
    let mut bed = Bed::real();
    let group = target_group(&mut bed);
    forward(&mut bed, &group);
    bed.group(
        [0, 1, 1],
        &format!("&TargetGroupARNs.member.1={group}&HealthCheckType=ELB&HealthCheckGracePeriod=20"),
    );
    let id = bed.members()[0].0.clone();
    bed.aws.instance_running(bed::REGION, &id, bed.now);
    bed.pass(10);
    assert_eq!(
        (bed.states(), health(&mut bed, &group)),
        (vec!["InService".into()], vec!["initial".into()])
    );
    let report = |bed: &mut Bed, health| {
        let report = TargetReport {
            region: bed::REGION,
            target_group: &group,
            target: &id,
            port: 80,
            health,
        };
        bed.aws.target_health(&report, bed.now);
    };
    let failing = TargetAnswer::Unhealthy(TargetFailure::Code(503));
    report(&mut bed, failing);
    let body = bed.elb("DescribeTargetHealth", &format!("TargetGroupArn={group}"));
    assert_eq!(text(&body, "Reason"), "Target.ResponseCodeMismatch");
    bed.pass(9);
    assert_eq!(bed.states(), ["InService"]);
    report(&mut bed, TargetAnswer::Healthy);
    bed.pass(60);
    assert_eq!(
        (bed.states(), health(&mut bed, &group)),
        (vec!["InService".into()], vec!["healthy".into()])
    );
    report(&mut bed, failing);
    bed.pass(0);
    assert_eq!(bed.states(), ["Pending", "Terminating"]);
    let body = bed.scaling("DescribeScalingActivities", "AutoScalingGroupName=g");
    let causes = texts(&body, "Cause");
    assert!(
        causes[1].ends_with("in response to an ELB system health check failure."),
        "{causes:?}"
    );
}

#[test]
fn single_targets_are_registered_and_deregistered() {
    let mut bed = Bed::new();
    let group = target_group(&mut bed);
    let body = format!(
        "ImageId={}&InstanceType=t3.micro&MinCount=1&MaxCount=1",
        bed.image
    );
    let id = text(&bed.ec2("RunInstances", &body), "instanceId");
    let target = format!("TargetGroupArn={group}&Targets.member.1.Id={id}");
    let error = bed.elb_error("RegisterTargets", &target);
    assert_eq!(
        (&*error.code, error.message),
        (
            "InvalidTarget",
            format!(
                "The following targets are not in a running state and cannot be registered: '{id}'"
            )
        )
    );
    bed.pass(5);
    bed.elb("RegisterTargets", &target);
    bed.elb(
        "RegisterTargets",
        &format!("{target}&Targets.member.1.Port=8080"),
    );
    let body = bed.elb("DescribeTargetHealth", &format!("TargetGroupArn={group}"));
    assert_eq!(texts(&body, "Port"), ["80", "8080"]);
    bed.elb(
        "DeregisterTargets",
        &format!("{target}&Targets.member.1.Port=8080"),
    );
    bed.elb("DeregisterTargets", &target);
    let body = bed.elb("DescribeTargetHealth", &target);
    assert_eq!(text(&body, "Reason"), "Target.NotRegistered");
    // A terminated instance is deregistered.
    bed.elb("RegisterTargets", &target);
    bed.ec2("TerminateInstances", &format!("InstanceId.1={id}"));
    bed.pass(2);
    assert_eq!(health(&mut bed, &group), [""; 0]);
}

#[test]
fn the_same_target_group_is_made_once() {
    let mut bed = Bed::new();
    let arn = target_group(&mut bed);
    assert_eq!(target_group(&mut bed), arn);
    let body = format!("{GROUP}&VpcId={}&UnhealthyThresholdCount=7", vpc(&mut bed));
    let error = bed.elb_error("CreateTargetGroup", &body);
    assert_eq!(error.code, "DuplicateTargetGroupName");
    let modify = format!("TargetGroupArn={arn}&HealthCheckPath=/health&Matcher.HttpCode=200-299");
    let body = bed.elb("ModifyTargetGroup", &modify);
    assert_eq!(text(&body, "HealthCheckPath"), "/health");
    assert_eq!(text(&body, "Matcher"), "<HttpCode>200-299</HttpCode>");
}

#[test]
fn what_is_used_is_not_deleted() {
    let mut bed = Bed::new();
    let group = target_group(&mut bed);
    let balancer = forward(&mut bed, &group);
    let body = bed.elb("DescribeLoadBalancers", "Names.member.1=front");
    assert_eq!(text(&body, "Code"), "provisioning");
    bed.pass(2);
    let body = bed.elb("DescribeLoadBalancers", "Names.member.1=front");
    assert_eq!(text(&body, "Code"), "active");
    let delete = format!("TargetGroupArn={group}");
    assert_eq!(
        bed.elb_error("DeleteTargetGroup", &delete).code,
        "ResourceInUse"
    );
    let body = bed.elb(
        "DescribeTargetGroups",
        &format!("LoadBalancerArn={balancer}"),
    );
    assert_eq!(
        text(&body, "LoadBalancerArns"),
        format!("<member>{balancer}</member>")
    );
    let listener = format!(
        "LoadBalancerArn={balancer}&Port=80&Protocol=HTTP&DefaultActions.member.1.Type=forward\
         &DefaultActions.member.1.TargetGroupArn={group}"
    );
    assert_eq!(
        bed.elb_error("CreateListener", &listener).code,
        "DuplicateListener"
    );
    let body = bed.elb("DescribeListeners", &format!("LoadBalancerArn={balancer}"));
    let arn = text(&body, "ListenerArn");
    let modify = format!("ListenerArn={arn}&Port=8080");
    assert_eq!(text(&bed.elb("ModifyListener", &modify), "Port"), "8080");
    bed.elb("DeleteLoadBalancer", &format!("LoadBalancerArn={balancer}"));
    assert_eq!(
        bed.elb_error("DeleteListener", &format!("ListenerArn={arn}"))
            .code,
        "ListenerNotFound"
    );
    bed.elb("DeleteTargetGroup", &delete);
    let error = bed.elb_error("DescribeTargetGroups", "Names.member.1=web");
    assert_eq!(error.code, "TargetGroupNotFound");
}

const WRONG: &str = "\
ValidationError CreateTargetGroup Name=a_b&Protocol=HTTP&Port=80&VpcId=@vpc
ValidationError CreateTargetGroup Name=@long&Protocol=HTTP&Port=80&VpcId=@vpc
ValidationError CreateTargetGroup Name=a&Port=80&VpcId=@vpc
ValidationError CreateTargetGroup Name=a&Protocol=HTTP&Port=80&VpcId=vpc-0
ValidationError CreateTargetGroup Name=a&Protocol=HTTP&Port=80&VpcId=@vpc&HealthCheckPath=x
ValidationError CreateTargetGroup Name=a&Protocol=HTTP&Port=80&VpcId=@vpc&HealthyThresholdCount=11
ValidationError CreateTargetGroup Name=a&Protocol=HTTP&Port=80&VpcId=@vpc&HealthCheckTimeoutSeconds=30
ValidationError CreateTargetGroup Name=a&Protocol=HTTP&Port=80&VpcId=@vpc&HealthCheckPort=0
ValidationError CreateTargetGroup Name=a&Protocol=HTTP&Port=80&VpcId=@vpc&HealthCheckProtocol=UDP
ValidationError CreateTargetGroup Name=a&Protocol=HTTP&Port=80&VpcId=@vpc&Matcher.HttpCode=299-200
ValidationError CreateLoadBalancer Name=one&Subnets.member.1=@first
SubnetNotFound CreateLoadBalancer Name=one&Subnets.member.1=subnet-0
InvalidConfigurationRequest CreateLoadBalancer Name=one&Subnets.member.1=@first&Subnets.member.2=@first
DuplicateLoadBalancerName CreateLoadBalancer Name=front&Subnets.member.1=@first
CertificateNotFound CreateListener @listener&Protocol=HTTPS&@action
UnsupportedProtocol CreateListener @listener&Protocol=TCP&@action
TargetGroupNotFound CreateListener @listener&Protocol=HTTP&@actionx
LoadBalancerNotFound CreateListener LoadBalancerArn=x&Port=1&Protocol=HTTP&@action
ValidationError CreateListener @listener&Protocol=HTTP
ListenerNotFound ModifyListener ListenerArn=x
TargetGroupNotFound DescribeTargetHealth TargetGroupArn=x
InvalidTarget RegisterTargets TargetGroupArn=@group&Targets.member.1.Id=10.0.0.1
ValidationError ModifyTargetGroupAttributes TargetGroupArn=@group&Attributes.member.1.Key=x
LoadBalancerNotFound AddTags ResourceArns.member.1=arn:x:loadbalancer/y&Tags.member.1.Key=a";

#[test]
fn wrong_requests_are_refused() {
    let mut bed = Bed::new();
    let group = target_group(&mut bed);
    let balancer = forward(&mut bed, &group);
    let (vpc, first) = (vpc(&mut bed), bed.subnets[0].clone());
    let listener = format!("LoadBalancerArn={balancer}&Port=443");
    let action = format!(
        "DefaultActions.member.1.Type=forward&DefaultActions.member.1.TargetGroupArn={group}"
    );
    let values = [
        ("vpc", &*vpc),
        ("long", &"x".repeat(33)),
        ("first", &first),
        ("listener", &listener),
        ("action", &action),
        ("group", &group),
    ];
    bed.refuses(Service::ElbV2, WRONG, &values);
}

#[test]
fn tags_are_kept() {
    let mut bed = Bed::new();
    let group = target_group(&mut bed);
    let named = format!("ResourceArns.member.1={group}");
    bed.elb("AddTags", &format!("{named}&Tags.member.1.Key=a&Tags.member.1.Value=b&Tags.member.2.Key=c&Tags.member.2.Value=d"));
    bed.elb("RemoveTags", &format!("{named}&TagKeys.member.1=a"));
    let body = bed.elb("DescribeTags", &named);
    assert_eq!(
        (texts(&body, "Key"), text(&body, "Value")),
        (vec!["c".to_owned()], "d".to_owned())
    );
}

#[test]
fn a_groups_target_groups_come_and_go() {
    let mut bed = Bed::new();
    let group = target_group(&mut bed);
    bed.group([0, 1, 1], "");
    bed.pass(5);
    let named = format!("AutoScalingGroupName=g&TargetGroupARNs.member.1={group}");
    bed.scaling("AttachLoadBalancerTargetGroups", &named);
    assert_eq!(health(&mut bed, &group), ["unused"]);
    let body = bed.scaling("DescribeLoadBalancerTargetGroups", "AutoScalingGroupName=g");
    assert_eq!(text(&body, "LoadBalancerTargetGroupARN"), group);
    bed.scaling("DetachLoadBalancerTargetGroups", &named);
    assert_eq!(health(&mut bed, &group), [""; 0]);
    let error = bed.scaling_error("DetachLoadBalancerTargetGroups", &named);
    assert_eq!(error.code, "ValidationError");
    // New instances are not added while that is suspended.
    bed.scaling("AttachLoadBalancerTargetGroups", &named);
    let suspend = "AutoScalingGroupName=g&ScalingProcesses.member.1=AddToLoadBalancer";
    bed.scaling("SuspendProcesses", suspend);
    let id = bed.members()[0].0.clone();
    let end = format!("InstanceId={id}&ShouldDecrementDesiredCapacity=false");
    bed.scaling("TerminateInstanceInAutoScalingGroup", &end);
    bed.pass(10);
    assert_eq!(
        (bed.states(), health(&mut bed, &group)),
        (vec!["InService".into()], vec![])
    );
}

#[test]
fn a_target_group_tells_its_attributes_and_a_listener_ends() {
    let mut bed = Bed::new();
    let group = target_group(&mut bed);
    let body = bed.elb(
        "DescribeTargetGroupAttributes",
        &format!("TargetGroupArn={group}"),
    );
    assert_eq!(text(&body, "Key"), "deregistration_delay.timeout_seconds");
    assert_eq!(text(&body, "Value"), "300");
    let balancer = forward(&mut bed, &group);
    let body = bed.elb("DescribeListeners", &format!("LoadBalancerArn={balancer}"));
    let arn = text(&body, "ListenerArn");
    bed.elb("DeleteListener", &format!("ListenerArn={arn}"));
    let body = bed.elb("DescribeListeners", &format!("LoadBalancerArn={balancer}"));
    assert_eq!(texts(&body, "ListenerArn"), [""; 0]);
    bed.elb("DeleteTargetGroup", &format!("TargetGroupArn={group}"));
}
