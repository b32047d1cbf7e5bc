//! Owns the tests of groups as a whole: creating, updating, telling, deleting them.

use super::*;

fn group(bed: &mut Bed) -> String {
    bed.scaling("DescribeAutoScalingGroups", "")
}

#[test]
fn a_group_fills_itself_over_its_zones() {
    let mut bed = Bed::new();
    bed.group(
        [1, 3, 4],
        "&Tags.member.1.Key=vmimage:role&Tags.member.1.Value=web\
        &Tags.member.1.PropagateAtLaunch=true&Tags.member.2.Key=own&Tags.member.2.Value=x\
        &Tags.member.2.PropagateAtLaunch=false",
    );
    assert_eq!(bed.states(), ["Pending"; 3]);
    bed.pass(5);
    assert_eq!(bed.states(), ["InService"; 3]);
    let body = group(&mut bed);
    let mut zones = texts(&text(&body, "Instances"), "AvailabilityZone");
    zones.sort();
    assert_eq!(zones, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]);
    let id = text(&text(&body, "Instances"), "InstanceId");
    let launch = bed.aws.launch(bed::REGION, &id).unwrap();
    let tags: Vec<(&str, &str)> = launch.tags.iter().map(|(k, v)| (&**k, &**v)).collect();
    let [group, (_, template), version, role] = tags[..] else {
        panic!("{tags:?}");
    };
    assert_eq!(
        [group, version, role],
        [
            ("aws:autoscaling:groupName", "g"),
            ("aws:ec2launchtemplate:version", "1"),
            ("vmimage:role", "web"),
        ]
    );
    assert!(template.starts_with("lt-0"), "{template}");
    assert_eq!(launch.group.as_deref(), Some("g"));
    assert_eq!(launch.target_lifecycle_state.as_deref(), Some("InService"));
    let activity = bed.scaling("DescribeScalingActivities", "AutoScalingGroupName=g");
    assert_eq!(texts(&activity, "StatusCode"), ["Successful"; 3]);
    assert_eq!(
        texts(&activity, "Cause")[2],
        "At 2026-01-01T00:00:00Z a user request created an AutoScalingGroup changing the desired \
         capacity from 0 to 3.  At 2026-01-01T00:00:00Z an instance was started in response to a \
         difference between desired and actual capacity, increasing the capacity from 0 to 3."
    );
}

#[test]
fn an_instance_tells_the_version_it_was_launched_with() {
    let mut bed = Bed::new();
    bed.group([1, 1, 2], "");
    let body = "LaunchTemplateName=tpl&SourceVersion=1&LaunchTemplateData.InstanceType=m7i.large";
    bed.ec2("CreateLaunchTemplateVersion", body);
    let body = "AutoScalingGroupName=g&LaunchTemplate.LaunchTemplateName=tpl\
                &LaunchTemplate.Version=$Latest&DesiredCapacity=2";
    bed.scaling("UpdateAutoScalingGroup", body);
    bed.pass(5);
    let body = group(&mut bed);
    let members = text(&body, "Instances");
    let mut rows: Vec<(String, String)> = texts(&members, "Version")
        .into_iter()
        .zip(texts(&members, "InstanceType"))
        .collect();
    rows.sort();
    let row = |version: &str, kind: &str| (version.to_owned(), kind.to_owned());
    assert_eq!(rows, [row("1", "t3.micro"), row("2", "m7i.large")]);
    // The group itself tells what it was given.
    assert_eq!(text(&text(&body, "LaunchTemplate"), "Version"), "$Latest");
}

#[test]
fn an_update_changes_only_what_it_says() {
    let mut bed = Bed::new();
    bed.template("tpl");
    let body = format!(
        "AutoScalingGroupName=g&MinSize=0&MaxSize=3&VPCZoneIdentifier={}&DefaultInstanceWarmup=60\
         &HealthCheckGracePeriod=90\
         &MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.LaunchTemplateName=tpl\
         &MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.Version=1\
         &MixedInstancesPolicy.LaunchTemplate.Overrides.member.1.InstanceType=c7i.large\
         &MixedInstancesPolicy.InstancesDistribution.OnDemandBaseCapacity=1",
        bed.subnets[0]
    );
    bed.scaling("CreateAutoScalingGroup", &body);
    bed.scaling(
        "UpdateAutoScalingGroup",
        "AutoScalingGroupName=g&DesiredCapacity=1",
    );
    bed.pass(5);
    let body = group(&mut bed);
    let policy = text(&body, "MixedInstancesPolicy");
    assert_eq!(
        text(&policy, "Overrides"),
        "<member><InstanceType>c7i.large</InstanceType></member>"
    );
    assert_eq!(text(&policy, "OnDemandBaseCapacity"), "1");
    assert_eq!(text(&body, "DefaultInstanceWarmup"), "60");
    assert_eq!(text(&body, "HealthCheckGracePeriod"), "90");
    assert_eq!(text(&text(&body, "Instances"), "InstanceType"), "c7i.large");
}

#[test]
fn bounds_move_the_wanted_size_and_a_wanted_size_must_fit() {
    let mut bed = Bed::new();
    bed.group([1, 2, 4], "");
    let update = "UpdateAutoScalingGroup";
    bed.scaling(update, "AutoScalingGroupName=g&MaxSize=1");
    assert_eq!(text(&group(&mut bed), "DesiredCapacity"), "1");
    bed.scaling(update, "AutoScalingGroupName=g&MaxSize=9&MinSize=3");
    assert_eq!(text(&group(&mut bed), "DesiredCapacity"), "3");
    for (action, body, message) in [
        (
            update,
            "MaxSize=2",
            "Max bound, 2, must be greater than or equal to min bound, 3",
        ),
        (
            update,
            "DesiredCapacity=10",
            "Desired capacity:10 must be between the specified min size:3 and max size:9",
        ),
        (
            "SetDesiredCapacity",
            "DesiredCapacity=10",
            "New SetDesiredCapacity value 10 is above max value 9 for the AutoScalingGroup.",
        ),
        (
            "SetDesiredCapacity",
            "DesiredCapacity=2",
            "New SetDesiredCapacity value 2 is below min value 3 for the AutoScalingGroup.",
        ),
    ] {
        let error = bed.scaling_error(action, &format!("AutoScalingGroupName=g&{body}"));
        assert_eq!(
            (&*error.code, &*error.message),
            ("ValidationError", message)
        );
    }
}

const WRONG: &str = "\
AlreadyExists CreateAutoScalingGroup AutoScalingGroupName=g&@good
ValidationError CreateAutoScalingGroup @good
ValidationError CreateAutoScalingGroup AutoScalingGroupName=a:b&@good
ValidationError CreateAutoScalingGroup AutoScalingGroupName=h&@good&LaunchTemplate.Version=9
ValidationError CreateAutoScalingGroup AutoScalingGroupName=h&@good&TargetGroupARNs.member.1=arn
ValidationError CreateAutoScalingGroup AutoScalingGroupName=h&@good&HealthCheckType=COIN
ValidationError CreateAutoScalingGroup AutoScalingGroupName=h&@good&DesiredCapacity=2
UnknownParameter CreateAutoScalingGroup AutoScalingGroupName=h&@good&Coffee=1
ValidationError SetDesiredCapacity AutoScalingGroupName=h&DesiredCapacity=1
ValidationError DeleteAutoScalingGroup AutoScalingGroupName=h
ValidationError PutLifecycleHook AutoScalingGroupName=h&LifecycleHookName=x
ValidationError DescribeLifecycleHooks AutoScalingGroupName=h
ValidationError SuspendProcesses AutoScalingGroupName=h
ValidationError AttachLoadBalancerTargetGroups AutoScalingGroupName=g&TargetGroupARNs.member.1=x
ValidationError CreateOrUpdateTags Tags.member.1.ResourceId=h&Tags.member.1.Key=k
ValidationError CreateOrUpdateTags Tags.member.1.ResourceId=g&Tags.member.1.Key=aws:k
ValidationError DescribeTags Filters.member.1.Name=coin&Filters.member.1.Values.member.1=x";

#[test]
fn wrong_groups_are_refused() {
    let mut bed = Bed::new();
    bed.group([0, 0, 1], "");
    let create = "CreateAutoScalingGroup";
    let subnet = format!("VPCZoneIdentifier={}", bed.subnets[0]);
    let sizes = "MinSize=0&MaxSize=1";
    let template = "LaunchTemplate.LaunchTemplateName=tpl";
    let good = format!("{template}&{subnet}&{sizes}");
    bed.refuses(Service::AutoScaling, WRONG, &[("good", &good)]);
    bed.ec2(
        "CreateLaunchTemplate",
        "LaunchTemplateName=bad&LaunchTemplateData.InstanceType=t3.micro",
    );
    for (body, message) in [
        (
            format!("{template}&{sizes}"),
            "At least one Availability Zone or VPC Subnet is required.",
        ),
        (
            format!("{subnet}&{sizes}"),
            "Valid requests must contain either launchTemplate, launchConfigurationName, \
             instanceId or mixedInstancesPolicy parameter.",
        ),
        (
            format!("{template}&{subnet}&MaxSize=1"),
            "The request must contain the parameter MinSize",
        ),
        (
            format!("{good}&TerminationPolicies.member.1=Coin"),
            "Invalid termination policy Coin",
        ),
        (
            format!("LaunchTemplate.LaunchTemplateName=bad&{subnet}&{sizes}"),
            "You must use a valid fully-formed launch template. The request must contain the \
             parameter ImageId",
        ),
    ] {
        let body = format!("AutoScalingGroupName=h&{body}");
        assert_eq!(bed.scaling_error(create, &body).message, message);
    }
    let error = bed.scaling_error("UpdateAutoScalingGroup", "AutoScalingGroupName=h");
    assert_eq!(
        error.message,
        "AutoScalingGroup name not found - AutoScalingGroup 'h' not found"
    );
}

#[test]
fn a_group_with_instances_is_deleted_only_by_force() {
    let mut bed = Bed::new();
    bed.group(
        [0, 2, 2],
        "&LifecycleHookSpecificationList.member.1.LifecycleHookName=h\
        &LifecycleHookSpecificationList.member.1.LifecycleTransition=\
        autoscaling:EC2_INSTANCE_TERMINATING",
    );
    bed.pass(5);
    let delete = "DeleteAutoScalingGroup";
    let error = bed.scaling_error(delete, "AutoScalingGroupName=g");
    assert_eq!(error.code, "ResourceInUse");
    bed.scaling(delete, "AutoScalingGroupName=g&ForceDelete=true");
    let body = group(&mut bed);
    assert_eq!(text(&body, "Status"), "Delete in progress");
    // Nobody waits for the hook.
    bed.pass(2);
    assert_eq!(texts(&group(&mut bed), "AutoScalingGroupName"), [""; 0]);
    let body = bed.ec2("DescribeInstances", "");
    assert_eq!(texts(&body, "reservationId").len(), 2);
    assert_eq!(body.matches("<name>terminated</name>").count(), 2);
    let gone = "AutoScalingGroupName=g&IncludeDeletedGroups=true";
    let body = bed.scaling("DescribeScalingActivities", gone);
    assert_eq!(texts(&body, "ActivityId").len(), 4);
    let error = bed.scaling_error("DescribeScalingActivities", "AutoScalingGroupName=g");
    assert_eq!(error.code, "ValidationError");
    // Its name is free again.
    bed.group([0, 0, 1], "");
    bed.scaling(delete, "AutoScalingGroupName=g");
    assert_eq!(texts(&group(&mut bed), "AutoScalingGroupName"), [""; 0]);
}

#[test]
fn groups_are_found_by_tag_and_told_in_pages() {
    let mut bed = Bed::new();
    bed.template("tpl");
    for number in 10..65 {
        let body = format!(
            "AutoScalingGroupName=g{number}&LaunchTemplate.LaunchTemplateName=tpl&MinSize=0&MaxSize=0\
             &AvailabilityZones.member.1=eu-west-1a&Tags.member.1.Key=n&Tags.member.1.Value={number}"
        );
        bed.scaling("CreateAutoScalingGroup", &body);
    }
    let body = group(&mut bed);
    assert_eq!(texts(&body, "AutoScalingGroupARN").len(), 50);
    let next = format!("NextToken={}", text(&body, "NextToken"));
    let body = bed.scaling("DescribeAutoScalingGroups", &next);
    assert_eq!(texts(&body, "AutoScalingGroupARN").len(), 5);
    let filter = "Filters.member.1.Name=tag:n&Filters.member.1.Values.member.1=12\
                  &Filters.member.1.Values.member.2=13";
    let body = bed.scaling("DescribeAutoScalingGroups", filter);
    assert_eq!(texts(&body, "AutoScalingGroupName"), ["g12", "g13"]);
    let tag = "Tags.member.1.ResourceId=g12&Tags.member.1.ResourceType=auto-scaling-group\
               &Tags.member.1.Key=n&Tags.member.1.Value=new&Tags.member.1.PropagateAtLaunch=true";
    bed.scaling("CreateOrUpdateTags", tag);
    let filter = "Filters.member.1.Name=auto-scaling-group&Filters.member.1.Values.member.1=g12";
    let body = bed.scaling("DescribeTags", filter);
    assert_eq!(
        (text(&body, "Value"), text(&body, "PropagateAtLaunch")),
        ("new".into(), "true".into())
    );
    bed.scaling("DeleteTags", tag);
    assert_eq!(texts(&bed.scaling("DescribeTags", filter), "Key"), [""; 0]);
    let error = bed.scaling_error("DescribeAutoScalingGroups", "MaxRecords=101");
    assert_eq!(error.code, "ValidationError");
    let error = bed.scaling_error("DescribeAutoScalingGroups", "NextToken=!");
    assert_eq!(error.code, "InvalidNextToken");
    let body = bed.scaling("DescribeAccountLimits", "");
    assert_eq!(text(&body, "NumberOfAutoScalingGroups"), "55");
}
