//! Owns the tests of instances, tags, images and what else EC2 tells.

use super::*;

fn run(bed: &mut Bed, more: &str) -> String {
    let body = format!(
        "ImageId={}&InstanceType=t3.micro&MinCount=1&MaxCount=1{more}",
        bed.image
    );
    let body = bed.ec2("RunInstances", &body);
    text(&body, "instanceId")
}

fn state(bed: &mut Bed, id: &str) -> String {
    let body = bed.ec2("DescribeInstances", &format!("InstanceId.1={id}"));
    text(&text(&body, "instanceState"), "name")
}

#[test]
fn an_instance_lives_and_dies() {
    let mut bed = Bed::new();
    let id = run(&mut bed, "");
    assert_eq!(state(&mut bed, &id), "pending");
    bed.pass(5);
    assert_eq!(state(&mut bed, &id), "running");
    bed.ec2("StopInstances", &format!("InstanceId.1={id}"));
    assert_eq!(state(&mut bed, &id), "stopping");
    bed.pass(3);
    assert_eq!(state(&mut bed, &id), "stopped");
    bed.ec2("StartInstances", &format!("InstanceId.1={id}"));
    bed.pass(5);
    assert_eq!(state(&mut bed, &id), "running");
    bed.ec2("RebootInstances", &format!("InstanceId.1={id}"));
    let body = bed.ec2("TerminateInstances", &format!("InstanceId.1={id}"));
    assert_eq!(text(&text(&body, "previousState"), "name"), "running");
    assert_eq!(text(&text(&body, "currentState"), "name"), "shutting-down");
    bed.pass(2);
    assert_eq!(state(&mut bed, &id), "terminated");
    // It lingers for an hour.
    bed.pass(3_599);
    assert_eq!(state(&mut bed, &id), "terminated");
    bed.pass(1);
    let error = bed.ec2_error("DescribeInstances", &format!("InstanceId.1={id}"));
    assert_eq!(error.code, "InvalidInstanceID.NotFound");
    let changes = bed.changes();
    let [launch, stop, start, reboot, terminate] = &changes[..5] else {
        panic!("{changes:?}");
    };
    assert_eq!(
        [launch, stop, start, reboot, terminate].map(|change| change.split(' ').next().unwrap()),
        ["launch", "stop", "start", "reboot", "terminate"]
    );
}

#[test]
fn the_outside_says_when_a_machine_runs() {
    let mut bed = Bed::real();
    let id = run(&mut bed, "");
    bed.pass(600);
    assert_eq!(state(&mut bed, &id), "pending");
    bed.aws.instance_running(bed::REGION, &id, bed.now);
    assert_eq!(state(&mut bed, &id), "running");
    let status = |bed: &mut Bed| {
        let body = bed.ec2("DescribeInstanceStatus", "");
        text(&text(&body, "instanceStatus"), "status")
    };
    assert_eq!(status(&mut bed), "initializing");
    bed.pass(10);
    assert_eq!(status(&mut bed), "ok");
    bed.aws
        .instance_failed(bed::REGION, &id, "kernel panic", bed.now);
    assert_eq!(status(&mut bed), "impaired");
    let other = run(&mut bed, "");
    bed.aws
        .instance_failed(bed::REGION, &other, "no image", bed.now);
    let body = bed.ec2("DescribeInstances", &format!("InstanceId.1={other}"));
    assert_eq!(text(&body, "reason"), "Server.InternalError: no image");
    assert_eq!(state(&mut bed, &other), "shutting-down");
}

const WRONG_LAUNCHES: &str = "\
MissingParameter RunInstances ImageId=@image&InstanceType=t3.micro&MaxCount=1
MissingParameter RunInstances ImageId=@image&MinCount=1&MaxCount=1
InvalidParameterValue RunInstances ImageId=@image&InstanceType=t3.micro&MinCount=2&MaxCount=1
InvalidAMIID.NotFound RunInstances ImageId=ami-0&InstanceType=t3.micro&MinCount=1&MaxCount=1
InvalidAMIID.Malformed RunInstances ImageId=x&InstanceType=t3.micro&MinCount=1&MaxCount=1
InvalidAMIID.Unavailable RunInstances ImageId=@pending&InstanceType=t3.micro&MinCount=1&MaxCount=1
InvalidParameterValue RunInstances ImageId=@image&InstanceType=t4g.micro&MinCount=1&MaxCount=1
InvalidSubnetID.NotFound RunInstances @good&SubnetId=subnet-0
InvalidGroup.NotFound RunInstances @good&SecurityGroupId.1=sg-0
UnknownParameter RunInstances @good&Coffee=black
DryRunOperation RunInstances @good&DryRun=true
InsufficientFreeAddressesInSubnet RunInstances ImageId=@image&InstanceType=t3.micro&MinCount=5000&MaxCount=5000
InstanceLimitExceeded RunInstances ImageId=@image&InstanceType=t3.micro&MinCount=1&MaxCount=5001
InvalidParameterValue RunInstances @good&MetadataOptions.InstanceMetadataTags=enabled&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=a/b
InvalidParameterValue RunInstances @good&TagSpecification.1.ResourceType=coffee&TagSpecification.1.Tag.1.Key=a
InvalidInstanceID.NotFound TerminateInstances InstanceId.1=i-0
InvalidInstanceID.Malformed StopInstances InstanceId.1=x
MissingParameter StartInstances
InvalidInstanceID.NotFound DescribeInstanceStatus InstanceId.1=i-0";

#[test]
fn wrong_launches_are_refused_in_ec2s_words() {
    let mut bed = Bed::new();
    let pending = Image {
        state: ImageState::Pending,
        ..Bed::image()
    };
    let pending = bed.aws.register_image(bed::REGION, pending, bed.now);
    let good = format!(
        "ImageId={}&InstanceType=t3.micro&MinCount=1&MaxCount=1",
        bed.image
    );
    let values = [
        ("image", &*bed.image.clone()),
        ("pending", &pending.unwrap()),
        ("good", &good),
    ];
    bed.refuses(Service::Ec2, WRONG_LAUNCHES, &values);
    // Nothing was launched by any of them.
    let body = bed.ec2("DescribeInstances", "");
    assert_eq!(texts(&body, "instanceId"), [""; 0]);
    let error = bed.ec2_error("RunInstances", &format!("{good}&DryRun=true"));
    assert_eq!(error.status, 412);
}

#[test]
fn the_same_client_token_launches_once() {
    let mut bed = Bed::new();
    let first = run(&mut bed, "&ClientToken=once");
    assert_eq!(run(&mut bed, "&ClientToken=once"), first);
    let body = format!(
        "ImageId={}&InstanceType=t3.small&MinCount=1&MaxCount=1&ClientToken=once",
        bed.image
    );
    let error = bed.ec2_error("RunInstances", &body);
    assert_eq!(error.code, "IdempotentParameterMismatch");
}

#[test]
fn pages_of_instances_hold_everything_once() {
    let mut bed = Bed::new();
    let body = format!(
        "ImageId={}&InstanceType=t3.micro&MinCount=12&MaxCount=12",
        bed.image
    );
    let mut launched = texts(&bed.ec2("RunInstances", &body), "instanceId");
    launched.sort();
    let mut seen = Vec::new();
    let mut token = String::new();
    for _ in 0..3 {
        let body = bed.ec2("DescribeInstances", &format!("MaxResults=5{token}"));
        seen.extend(texts(&body, "instanceId"));
        token = match texts(&body, "nextToken").first() {
            Some(next) => format!("&NextToken={next}"),
            None => String::new(),
        };
    }
    assert_eq!((seen, token.as_str()), (launched, ""));
    let error = bed.ec2_error("DescribeInstances", "MaxResults=5&InstanceId.1=i-0");
    assert_eq!(error.code, "InvalidParameterCombination");
    assert_eq!(
        bed.ec2_error("DescribeInstances", "MaxResults=4").code,
        "InvalidParameterValue"
    );
}

#[test]
fn filters_find_instances_by_tag_and_state() {
    let mut bed = Bed::new();
    let tagged = |role: &str| {
        format!(
            "&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=vmimage:role\
             &TagSpecification.1.Tag.1.Value={role}"
        )
    };
    let web = run(&mut bed, &tagged("web"));
    let api = run(&mut bed, &tagged("api"));
    bed.pass(5);
    bed.ec2("StopInstances", &format!("InstanceId.1={api}"));
    let find = |bed: &mut Bed, filters: &[(&str, &str)]| {
        let numbered = filters.iter().enumerate();
        let body: Vec<String> = numbered
            .map(|(n, (name, value))| format!("&Filter.{n}.Name={name}&Filter.{n}.Value.1={value}"))
            .collect();
        texts(&bed.ec2("DescribeInstances", &body.concat()), "instanceId")
    };
    let role = "tag:vmimage:role";
    assert_eq!(find(&mut bed, &[(role, "web")]), [web.as_str()]);
    assert_eq!(find(&mut bed, &[(role, "w*")]), [web.as_str()]);
    assert_eq!(find(&mut bed, &[(role, "db")]), [""; 0]);
    assert_eq!(
        find(&mut bed, &[("instance-state-name", "stopping")]),
        [api.as_str()]
    );
    assert_eq!(
        find(
            &mut bed,
            &[(role, "web"), ("instance-state-name", "stopping")]
        ),
        [""; 0]
    );
    // A changed tag is found by its new value only.
    bed.ec2(
        "CreateTags",
        &format!("ResourceId.1={web}&Tag.1.Key=vmimage:role&Tag.1.Value=db"),
    );
    assert_eq!(find(&mut bed, &[(role, "web")]), [""; 0]);
    assert_eq!(find(&mut bed, &[(role, "db")]), [web.as_str()]);
    bed.ec2(
        "DeleteTags",
        &format!("ResourceId.1={web}&Tag.1.Key=vmimage:role"),
    );
    assert_eq!(
        find(&mut bed, &[("tag-key", "vmimage:role")]),
        [api.as_str()]
    );
    let body = bed.ec2(
        "DescribeTags",
        "Filter.1.Name=resource-type&Filter.1.Value.1=instance",
    );
    assert_eq!(texts(&body, "resourceId"), [api.as_str()]);
    let error = bed.ec2_error(
        "DescribeInstances",
        "Filter.1.Name=colour&Filter.1.Value.1=x",
    );
    assert_eq!(error.message, "The filter 'colour' is invalid");
}

#[test]
fn tags_of_the_metadata_service_must_be_names() {
    let mut bed = Bed::new();
    let id = run(&mut bed, "&MetadataOptions.InstanceMetadataTags=enabled");
    bed.aws.take_changes();
    let error = bed.ec2_error(
        "CreateTags",
        &format!("ResourceId.1={id}&Tag.1.Key=a b&Tag.1.Value="),
    );
    assert_eq!(
        error.message,
        "'a b' is not a valid tag key. Tag keys must match pattern \
         ([0-9a-zA-Z\\-_+=,.@:]{1,255}), and must not be a reserved name ('.', '..', '_index')"
    );
    bed.ec2(
        "CreateTags",
        &format!("ResourceId.1={id}&Tag.1.Key=vmimage:role&Tag.1.Value=web"),
    );
    assert_eq!(bed.changes(), [format!("metadata {id} ")]);
    let launch = bed.aws.launch(bed::REGION, &id).unwrap();
    assert_eq!(launch.tags["vmimage:role"], "web");
    assert!(launch.metadata_tags && launch.http_tokens_required);
    // Without the option any key goes, but then the option does not.
    let other = run(&mut bed, "");
    bed.ec2(
        "CreateTags",
        &format!("ResourceId.1={other}&Tag.1.Key=a b&Tag.1.Value="),
    );
    let body = format!("InstanceId={other}&InstanceMetadataTags=enabled");
    let error = bed.ec2_error("ModifyInstanceMetadataOptions", &body);
    assert_eq!(error.code, "InvalidParameterValue");
    let body = format!("InstanceId={other}&HttpTokens=optional&HttpPutResponseHopLimit=3");
    let body = bed.ec2("ModifyInstanceMetadataOptions", &body);
    assert_eq!(text(&body, "httpTokens"), "optional");
    let launch = bed.aws.launch(bed::REGION, &other).unwrap();
    assert_eq!((launch.hop_limit, launch.http_tokens_required), (3, false));
}

const WRONG_TAGS: &str = "\
TagLimitExceeded CreateTags ResourceId.1=@id@many
InvalidParameterValue CreateTags ResourceId.1=@id&Tag.1.Key=aws:x&Tag.1.Value=
InvalidParameterValue CreateTags ResourceId.1=@id&Tag.1.Key=@long&Tag.1.Value=
InvalidParameterValue CreateTags ResourceId.1=@id&Tag.1.Key=a&Tag.1.Value=&Tag.2.Key=a
MissingParameter CreateTags ResourceId.1=@id
MissingParameter CreateTags Tag.1.Key=a&Tag.1.Value=
InvalidInstanceID.NotFound CreateTags ResourceId.1=i-0&Tag.1.Key=a&Tag.1.Value=
InvalidVolume.NotFound CreateTags ResourceId.1=vol-0&Tag.1.Key=a&Tag.1.Value=
InvalidID CreateTags ResourceId.1=thing&Tag.1.Key=a&Tag.1.Value=";

#[test]
fn tags_are_limited_and_resources_must_exist() {
    let mut bed = Bed::new();
    let id = run(&mut bed, "");
    let many: Vec<String> = (0..51).map(|n| format!("&Tag.{n}.Key=k{n}")).collect();
    let values = [
        ("id", &*id),
        ("many", &many.concat()),
        ("long", &"x".repeat(129)),
    ];
    bed.refuses(Service::Ec2, WRONG_TAGS, &values);
    let body = bed.ec2(
        "DescribeTags",
        "Filter.1.Name=resource-type&Filter.1.Value.1=instance",
    );
    assert_eq!(texts(&body, "key"), [""; 0]);
}

#[test]
fn images_are_found_by_owner_state_and_tag() {
    let mut bed = Bed::new();
    let failed = Image {
        name: "broken".to_owned(),
        state: ImageState::Pending,
        ..Bed::image()
    };
    let failed = bed
        .aws
        .register_image(bed::REGION, failed, bed.now)
        .unwrap();
    bed.pass(1);
    let reason = ImageState::Failed("no snapshot".to_owned());
    bed.aws.set_image_state(bed::REGION, &failed, reason);
    let state = "Filter.1.Name=state&Filter.1.Value.1";
    let image = bed.image.clone();
    for (body, found) in [
        ("Owner.1=self".to_owned(), 2),
        ("Owner.1=123456789012".to_owned(), 2),
        ("Owner.1=amazon".to_owned(), 0),
        (format!("Owner.1=self&{state}=available"), 1),
        (format!("{state}=failed"), 1),
        (
            "Filter.1.Name=tag:vmimage:image&Filter.1.Value.1=virtualmin".to_owned(),
            2,
        ),
        ("Filter.1.Name=name&Filter.1.Value.1=virtual*".to_owned(), 1),
        (format!("ImageId.1={image}"), 1),
    ] {
        let answer = bed.ec2("DescribeImages", &body);
        assert_eq!(texts(&answer, "imageId").len(), found, "{body}");
    }
    let answer = bed.ec2("DescribeImages", &format!("{state}=failed"));
    assert_eq!(
        text(&text(&answer, "stateReason"), "message"),
        "no snapshot"
    );
    let error = bed.ec2_error("DescribeImages", "ImageId.1=ami-0");
    assert_eq!(error.message, "The image id '[ami-0]' does not exist");
}

#[test]
fn regions_are_separate() {
    let mut bed = Bed::new();
    let regions = texts(&bed.ec2("DescribeRegions", ""), "regionName");
    assert_eq!(regions, ["eu-west-1", "us-east-1"]);
    let body = bed
        .query(Service::Ec2, "us-east-1", "DescribeImages", "")
        .unwrap();
    assert_eq!(texts(&body, "imageId"), [""; 0]);
    let body = bed
        .query(Service::Ec2, "us-east-1", "DescribeVpcs", "")
        .unwrap();
    assert_eq!(text(&body, "cidrBlock"), "10.2.0.0/16");
    let error = bed
        .query(Service::Ec2, "mars-1", "DescribeVpcs", "")
        .unwrap_err();
    assert_eq!(error.code, "InvalidRegion");
    let body = bed.ec2(
        "DescribeSecurityGroups",
        "Filter.1.Name=group-name&Filter.1.Value.1=default",
    );
    assert!(text(&body, "groupId").starts_with("sg-0"), "{body}");
    let error = bed.ec2_error("DescribeSecurityGroups", "GroupId.1=sg-0");
    assert_eq!(error.code, "InvalidGroup.NotFound");
    let zones = texts(&bed.ec2("DescribeAvailabilityZones", ""), "zoneName");
    assert_eq!(zones, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]);
}

#[test]
fn unknown_actions_are_refused_in_each_services_words() {
    let mut bed = Bed::new();
    for (service, message) in [
        (
            Service::Ec2,
            "The action MakeCoffee is not valid for this web service.",
        ),
        (
            Service::AutoScaling,
            "Could not find operation MakeCoffee for version 2016-11-15",
        ),
    ] {
        let error = bed
            .query(service, bed::REGION, "MakeCoffee", "")
            .unwrap_err();
        assert_eq!((&*error.code, &*error.message), ("InvalidAction", message));
    }
    let body = bed
        .query(Service::Sts, bed::REGION, "GetCallerIdentity", "")
        .unwrap();
    assert_eq!(text(&body, "Account"), "123456789012");
    assert_eq!(
        text(&body, "Arn"),
        "arn:aws:iam::123456789012:user/operator"
    );
    assert_eq!(text(&body, "UserId"), "AIDAEXAMPLE");
}

#[test]
fn a_console_is_told_as_it_was_given() {
    let mut bed = Bed::new();
    let id = run(&mut bed, "");
    bed.aws.set_console(bed::REGION, &id, b"hello\n".to_vec());
    let body = bed.ec2("GetConsoleOutput", &format!("InstanceId={id}"));
    assert_eq!(text(&body, "output"), "aGVsbG8K");
}
