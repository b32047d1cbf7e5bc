//! Owns the tests of reads that lag behind, of full zones, and of being repeatable.

use super::*;

#[test]
fn stale_reads_show_what_was() {
    let mut bed = Bed::new();
    let body = format!(
        "ImageId={}&InstanceType=t3.micro&MinCount=1&MaxCount=1",
        bed.image
    );
    bed.pass(100);
    bed.aws.set_stale(bed::REGION, Duration::from_secs(10));
    let id = text(&bed.ec2("RunInstances", &body), "instanceId");
    let named = format!("InstanceId.1={id}");
    // What was just launched is not there yet, neither by name nor in the list.
    let error = bed.ec2_error("DescribeInstances", &named);
    assert_eq!(error.code, "InvalidInstanceID.NotFound");
    assert_eq!(
        texts(&bed.ec2("DescribeInstances", ""), "instanceId"),
        [""; 0]
    );
    bed.pass(10);
    let body = bed.ec2("DescribeInstances", &named);
    assert_eq!(text(&text(&body, "instanceState"), "name"), "pending");
    bed.ec2(
        "CreateTags",
        &format!("ResourceId.1={id}&Tag.1.Key=a&Tag.1.Value=b"),
    );
    let by_tag = "Filter.1.Name=tag:a&Filter.1.Value.1=b";
    assert_eq!(
        texts(&bed.ec2("DescribeInstances", by_tag), "instanceId"),
        [""; 0]
    );
    bed.aws.set_stale(bed::REGION, Duration::ZERO);
    let body = bed.ec2("DescribeInstances", by_tag);
    assert_eq!(text(&text(&body, "instanceState"), "name"), "running");
}

#[test]
fn a_full_zone_refuses() {
    let mut bed = Bed::new();
    bed.aws.set_capacity(bed::REGION, "eu-west-1a", Some(1));
    let body = format!(
        "ImageId={}&InstanceType=t3.micro&MinCount=1&MaxCount=3&SubnetId={}",
        bed.image, bed.subnets[0]
    );
    // As many as fit are launched, if that is enough.
    assert_eq!(
        texts(&bed.ec2("RunInstances", &body), "instanceId").len(),
        1
    );
    let error = bed.ec2_error("RunInstances", &body);
    assert_eq!(
        (&*error.code, error.status),
        ("InsufficientInstanceCapacity", 500)
    );
    assert_eq!(
        error.message,
        "We currently do not have sufficient t3.micro capacity in the Availability Zone you \
         requested (eu-west-1a). Our system will be working on provisioning additional capacity. \
         You can currently get t3.micro capacity by not specifying an Availability Zone in your \
         request or choosing eu-west-1b, eu-west-1c."
    );
    bed.aws.set_capacity(bed::REGION, "eu-west-1a", None);
    assert_eq!(
        texts(&bed.ec2("RunInstances", &body), "instanceId").len(),
        3
    );
}

#[test]
fn a_zone_that_does_not_offer_a_type_says_so_and_refuses() {
    let mut bed = Bed::new();
    let offered = |bed: &mut Bed, body: &str| {
        let body = bed.ec2("DescribeInstanceTypeOfferings", body);
        let types = texts(&body, "instanceType");
        let locations = texts(&body, "location");
        let rows = types.iter().zip(&locations);
        rows.map(|(name, location)| format!("{name} {location}"))
            .collect::<Vec<_>>()
    };
    let (a, b) = ("eu-west-1a".to_owned(), "eu-west-1b".to_owned());
    let unoffered = [(a, "t3.micro".to_owned()), (b, "x2idn.large".to_owned())];
    bed.aws.set_unoffered(bed::REGION, unoffered.into());
    let by_name = "Filter.1.Name=instance-type&Filter.1.Value.1=t3.micro&Filter.1.Value.2=x2idn.large&Filter.1.Value.3=nonsense";
    assert_eq!(
        offered(
            &mut bed,
            &format!("LocationType=availability-zone&{by_name}")
        ),
        [
            "t3.micro eu-west-1b",
            "t3.micro eu-west-1c",
            "x2idn.large eu-west-1a",
            "x2idn.large eu-west-1c",
        ]
    );
    assert_eq!(
        offered(&mut bed, by_name),
        ["t3.micro eu-west-1", "x2idn.large eu-west-1"]
    );
    let wild = "LocationType=availability-zone-id&Filter.1.Name=instance-type&Filter.1.Value.1=t3.l*&Filter.2.Name=location&Filter.2.Value.1=euw1-az3";
    assert_eq!(offered(&mut bed, wild), ["t3.large euw1-az3"]);
    let wrong = bed.ec2_error("DescribeInstanceTypeOfferings", "LocationType=planet");
    assert_eq!(wrong.code, "InvalidParameterValue");
    let body = format!(
        "ImageId={}&InstanceType=t3.micro&MinCount=1&MaxCount=1&SubnetId={}",
        bed.image, bed.subnets[0]
    );
    let error = bed.ec2_error("RunInstances", &body);
    assert_eq!((&*error.code, error.status), ("Unsupported", 400));
    assert_eq!(
        error.message,
        "Your requested instance type (t3.micro) is not supported in your requested Availability \
         Zone (eu-west-1a). Please retry your request by not specifying an Availability Zone or \
         choosing eu-west-1b, eu-west-1c."
    );
    bed.group([0, 1, 1], "");
    bed.pass(5);
    let activities = bed.scaling("DescribeScalingActivities", "AutoScalingGroupName=g");
    assert_eq!(texts(&activities, "StatusCode"), ["Successful", "Failed"]);
    assert_eq!(
        text(&activities, "StatusMessage"),
        format!("{} Launching EC2 instance failed.", error.message)
    );
}

#[test]
fn the_same_calls_give_the_same_answers() {
    let play = |seed| {
        let mut bed = Bed::seeded(seed);
        bed.group([2, 3, 4], "");
        bed.pass(30);
        let answers = [
            bed.ec2("DescribeInstances", ""),
            bed.scaling("DescribeAutoScalingGroups", ""),
            bed.scaling("DescribeScalingActivities", ""),
        ];
        (answers, bed.changes())
    };
    assert_eq!(play(1), play(1));
    assert_ne!(play(1), play(2));
}

#[test]
fn nothing_is_due_when_nothing_happens() {
    let mut bed = Bed::new();
    assert_eq!(bed.aws.next_due(), None);
    bed.group([1, 1, 1], "");
    assert_eq!(bed.aws.next_due(), Some(Duration::from_secs(5)));
    for _ in 0..20 {
        if let Some(due) = bed.aws.next_due() {
            bed.now = due;
            bed.aws.advance(due);
        }
    }
    assert_eq!(
        (bed.aws.next_due(), bed.states()),
        (None, vec!["InService".to_owned()])
    );
}
