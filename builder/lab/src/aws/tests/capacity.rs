//! Owns the tests of scaling: spread over zones, full zones, who goes first, protection.

use super::*;

fn zones(bed: &mut Bed) -> Vec<String> {
    let reports = bed.aws.groups(bed::REGION);
    let mut zones: Vec<String> = reports[0]
        .members
        .iter()
        .filter(|member| member.lifecycle == "InService")
        .map(|member| member.zone.clone())
        .collect();
    zones.sort();
    zones
}

fn scale(bed: &mut Bed, desired: u32) {
    let body = format!("AutoScalingGroupName=g&DesiredCapacity={desired}");
    bed.scaling("SetDesiredCapacity", &body);
    bed.pass(5);
}

#[test]
fn a_full_zone_is_left_out_and_the_failure_is_noted() {
    let mut bed = Bed::new();
    bed.aws.set_capacity(bed::REGION, "eu-west-1a", Some(0));
    bed.group([0, 2, 4], "");
    bed.pass(5);
    assert_eq!(zones(&mut bed), ["eu-west-1b", "eu-west-1c"]);
    let body = bed.scaling("DescribeScalingActivities", "AutoScalingGroupName=g");
    assert_eq!(
        texts(&body, "StatusCode"),
        ["Successful", "Failed", "Successful", "Failed"]
    );
    let message = text(&body, "StatusMessage");
    assert!(
        message.ends_with("choosing eu-west-1b, eu-west-1c. Launching EC2 instance failed."),
        "{message}"
    );
    let details = texts(&body, "Details");
    assert_eq!(
        details[1],
        format!(
            "{{&quot;Subnet ID&quot;:&quot;{}&quot;,&quot;Availability Zone&quot;:&quot;eu-west-1a&quot;}}",
            bed.subnets[0]
        )
    );
}

#[test]
fn a_group_without_room_tries_again_later_and_later() {
    let mut bed = Bed::new();
    for zone in ["a", "b", "c"] {
        bed.aws
            .set_capacity(bed::REGION, &format!("eu-west-1{zone}"), Some(0));
    }
    bed.group([0, 1, 1], "");
    let failures = |bed: &mut Bed| {
        let body = bed.scaling(
            "DescribeScalingActivities",
            "AutoScalingGroupName=g&MaxRecords=100",
        );
        texts(&body, "StatusCode").len()
    };
    // Three zones are tried each time: now, after 15 s, after 30 s more.
    assert_eq!(failures(&mut bed), 3);
    bed.pass(14);
    assert_eq!(failures(&mut bed), 3);
    bed.pass(1);
    assert_eq!(failures(&mut bed), 6);
    bed.pass(29);
    assert_eq!(failures(&mut bed), 6);
    bed.pass(1);
    assert_eq!(failures(&mut bed), 9);
    let report = bed.aws.groups(bed::REGION).remove(0);
    assert!(
        report
            .last_failure
            .unwrap()
            .contains("sufficient t3.micro capacity")
    );
    bed.aws.set_capacity(bed::REGION, "eu-west-1b", None);
    bed.pass(60);
    bed.pass(5);
    assert_eq!(zones(&mut bed), ["eu-west-1b"]);
}

#[test]
fn a_group_that_lost_a_zone_spreads_again_when_it_is_back() {
    let mut bed = Bed::new();
    bed.aws.set_capacity(bed::REGION, "eu-west-1c", Some(0));
    bed.group([0, 4, 4], "");
    bed.pass(30);
    let (a, b, c) = ("eu-west-1a", "eu-west-1b", "eu-west-1c");
    assert_eq!(zones(&mut bed), [a, a, b, b]);
    bed.scaling(
        "SuspendProcesses",
        "AutoScalingGroupName=g&ScalingProcesses.member.1=AZRebalance",
    );
    bed.aws.set_capacity(bed::REGION, "eu-west-1c", None);
    bed.pass(30);
    assert_eq!(zones(&mut bed), [a, a, b, b]);
    bed.scaling("ResumeProcesses", "AutoScalingGroupName=g");
    bed.pass(1);
    // One more than it wants, until the new one is in service.
    assert_eq!(
        bed.states(),
        [
            "InService",
            "InService",
            "InService",
            "InService",
            "Pending"
        ]
    );
    bed.pass(30);
    let spread = zones(&mut bed);
    assert_eq!((spread.len(), &*spread[3]), (4, c));
    let body = bed.scaling("DescribeScalingActivities", "AutoScalingGroupName=g");
    let causes = texts(&body, "Cause");
    assert!(
        causes
            .iter()
            .any(|cause| cause.contains("to balance instances in zones")),
        "{causes:?}"
    );
}

#[test]
fn scale_in_keeps_the_zones_even_and_takes_the_oldest_template_first() {
    let mut bed = Bed::new();
    bed.group([0, 3, 9], "");
    bed.pass(5);
    let old: Vec<String> = bed.members().into_iter().map(|(id, _)| id).collect();
    let body = "LaunchTemplateName=tpl&SourceVersion=1&LaunchTemplateData.InstanceType=t3.small";
    bed.ec2("CreateLaunchTemplateVersion", body);
    let body =
        "AutoScalingGroupName=g&LaunchTemplate.LaunchTemplateName=tpl&LaunchTemplate.Version=2";
    bed.scaling("UpdateAutoScalingGroup", body);
    scale(&mut bed, 6);
    scale(&mut bed, 3);
    let left: Vec<String> = bed.members().into_iter().map(|(id, _)| id).collect();
    assert!(left.iter().all(|id| !old.contains(id)), "{old:?} {left:?}");
    assert_eq!(zones(&mut bed), ["eu-west-1a", "eu-west-1b", "eu-west-1c"]);
    let body = bed.scaling(
        "DescribeScalingActivities",
        "AutoScalingGroupName=g&MaxRecords=1",
    );
    let cause = text(&body, "Cause");
    assert!(
        cause.contains("shrinking the capacity from 4 to 3."),
        "{cause}"
    );
}

#[test]
fn policies_choose_who_goes() {
    for (policy, goes) in [("OldestInstance", 0), ("NewestInstance", 2)] {
        let mut bed = Bed::new();
        let subnet = bed.subnets[0].clone();
        bed.template("tpl");
        let body = format!(
            "AutoScalingGroupName=g&LaunchTemplate.LaunchTemplateName=tpl&MinSize=0&MaxSize=3\
             &VPCZoneIdentifier={subnet}&TerminationPolicies.member.1={policy}"
        );
        bed.scaling("CreateAutoScalingGroup", &body);
        let mut order = Vec::new();
        for desired in 1..=3 {
            scale(&mut bed, desired);
            let ids = bed.members().into_iter().map(|(id, _)| id);
            let new: Vec<String> = ids.filter(|id| !order.contains(id)).collect();
            order.extend(new);
        }
        scale(&mut bed, 2);
        let left: Vec<String> = bed.members().into_iter().map(|(id, _)| id).collect();
        assert!(left.len() == 2 && !left.contains(&order[goes]), "{policy}");
    }
}

#[test]
fn protected_instances_stay() {
    let mut bed = Bed::new();
    bed.group([0, 2, 2], "");
    bed.pass(5);
    let id = bed.members()[0].0.clone();
    let protect = |on: &str| {
        format!("AutoScalingGroupName=g&InstanceIds.member.1={id}&ProtectedFromScaleIn={on}")
    };
    bed.scaling("SetInstanceProtection", &protect("true"));
    scale(&mut bed, 0);
    assert_eq!(bed.members(), [(id.clone(), "InService".to_owned())]);
    bed.scaling("SetInstanceProtection", &protect("false"));
    bed.pass(5);
    assert_eq!(bed.states(), [""; 0]);
    let error = bed.scaling_error("SetInstanceProtection", &protect("true"));
    assert_eq!(
        error.message,
        format!("The instance {id} is not part of Auto Scaling group g.")
    );
}

#[test]
fn a_cooldown_is_honoured_when_asked_for() {
    let mut bed = Bed::new();
    bed.group([0, 0, 9], "&DefaultCooldown=100");
    let honour = "AutoScalingGroupName=g&DesiredCapacity=2&HonorCooldown=true";
    scale(&mut bed, 1);
    bed.pass(10);
    let error = bed.scaling_error("SetDesiredCapacity", honour);
    assert_eq!(error.code, "ScalingActivityInProgress");
    bed.pass(85);
    bed.scaling("SetDesiredCapacity", honour);
    bed.pass(5);
    assert_eq!(bed.states(), ["InService"; 2]);
}

#[test]
fn a_tag_that_the_metadata_service_cannot_tell_fails_the_launch() {
    let mut bed = Bed::new();
    let data = "LaunchTemplateData.MetadataOptions.InstanceMetadataTags=enabled";
    bed.template("tpl");
    let version = format!("LaunchTemplateName=tpl&SourceVersion=1&{data}");
    bed.ec2("CreateLaunchTemplateVersion", &version);
    bed.ec2(
        "ModifyLaunchTemplate",
        "LaunchTemplateName=tpl&SetDefaultVersion=2",
    );
    let body = format!(
        "AutoScalingGroupName=g&LaunchTemplate.LaunchTemplateName=tpl&MinSize=1&MaxSize=1\
         &VPCZoneIdentifier={}&Tags.member.1.Key=a/b&Tags.member.1.Value=c\
         &Tags.member.1.PropagateAtLaunch=true",
        bed.subnets[0]
    );
    bed.scaling("CreateAutoScalingGroup", &body);
    bed.pass(0);
    let failure = bed.aws.groups(bed::REGION).remove(0).last_failure.unwrap();
    assert!(
        failure.starts_with("'a/b' is not a valid tag key."),
        "{failure}"
    );
    let tag = "Tags.member.1.ResourceId=g&Tags.member.1.Key=a/b";
    bed.scaling("DeleteTags", tag);
    bed.pass(15);
    bed.pass(5);
    assert_eq!(bed.states(), ["InService"]);
}
