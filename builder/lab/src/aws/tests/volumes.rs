//! Owns the tests of volumes: one instance at a time, in one zone.

use super::*;

fn volume(bed: &mut Bed, zone: &str) -> String {
    let body = format!("AvailabilityZone={zone}&Size=10&VolumeType=gp3");
    let id = text(&bed.ec2("CreateVolume", &body), "volumeId");
    bed.pass(1);
    id
}

fn instance(bed: &mut Bed, subnet: usize) -> String {
    let body = format!(
        "ImageId={}&InstanceType=t3.micro&MinCount=1&MaxCount=1&SubnetId={}",
        bed.image, bed.subnets[subnet]
    );
    let id = text(&bed.ec2("RunInstances", &body), "instanceId");
    bed.pass(5);
    id
}

fn status(bed: &mut Bed, id: &str) -> String {
    let body = bed.ec2("DescribeVolumes", &format!("VolumeId.1={id}"));
    text(&body, "status")
}

#[test]
fn a_volume_belongs_to_one_instance_at_a_time() {
    let mut bed = Bed::new();
    let (one, two, far) = (
        instance(&mut bed, 0),
        instance(&mut bed, 0),
        instance(&mut bed, 1),
    );
    let id = volume(&mut bed, "eu-west-1a");
    let attach = |to: &str, device: &str| format!("VolumeId={id}&InstanceId={to}&Device={device}");
    bed.aws.take_changes();
    let error = bed.ec2_error("AttachVolume", &attach(&far, "/dev/sdf"));
    assert_eq!(error.code, "InvalidVolume.ZoneMismatch");
    let error = bed.ec2_error("AttachVolume", &attach(&one, "/dev/xvda"));
    assert_eq!(error.code, "InvalidParameterValue");
    let body = bed.ec2("AttachVolume", &attach(&one, "/dev/sdf"));
    assert_eq!(text(&body, "status"), "attaching");
    let error = bed.ec2_error("AttachVolume", &attach(&two, "/dev/sdf"));
    assert_eq!(
        error.message,
        format!("{id} is already attached to an instance")
    );
    assert_eq!(error.code, "VolumeInUse");
    assert_eq!(
        bed.ec2_error("DeleteVolume", &format!("VolumeId={id}"))
            .code,
        "VolumeInUse"
    );
    let error = bed.ec2_error("DetachVolume", &format!("VolumeId={id}&InstanceId={two}"));
    assert_eq!(error.code, "InvalidAttachment.NotFound");
    bed.ec2("DetachVolume", &format!("VolumeId={id}"));
    assert_eq!(status(&mut bed, &id), "available");
    let error = bed.ec2_error("DetachVolume", &format!("VolumeId={id}"));
    assert_eq!(error.code, "IncorrectState");
    bed.ec2("AttachVolume", &attach(&two, "/dev/sdf"));
    let launch = bed.aws.launch(bed::REGION, &two).unwrap();
    let devices: Vec<&str> = launch
        .volumes
        .iter()
        .map(|one| one.device.as_str())
        .collect();
    assert_eq!(devices, ["/dev/xvda", "/dev/sdf"]);
    // It survives its instance, whose root volume does not.
    let root = launch.volumes[0].volume_id.clone();
    bed.ec2("TerminateInstances", &format!("InstanceId.1={two}"));
    bed.pass(2);
    assert_eq!(status(&mut bed, &id), "available");
    let error = bed.ec2_error("DescribeVolumes", &format!("VolumeId.1={root}"));
    assert_eq!(error.code, "InvalidVolume.NotFound");
    assert_eq!(
        bed.changes(),
        [
            format!("attach {id} {one}"),
            format!("detach {id} {one}"),
            format!("attach {id} {two}"),
            format!("terminate {two}"),
            format!("detach {root} {two}"),
            format!("delete {root}"),
            format!("detach {id} {two}"),
        ]
    );
    bed.ec2("DeleteVolume", &format!("VolumeId={id}"));
    assert_eq!(bed.changes(), [format!("delete {id}")]);
}

#[test]
fn attaching_waits_for_both() {
    let mut bed = Bed::new();
    let body = "AvailabilityZone=eu-west-1a&Size=10";
    let id = text(&bed.ec2("CreateVolume", body), "volumeId");
    let holder = instance(&mut bed, 0);
    let fresh = text(&bed.ec2("CreateVolume", body), "volumeId");
    let attach =
        |volume: &str, to: &str| format!("VolumeId={volume}&InstanceId={to}&Device=/dev/sdf");
    assert_eq!(
        bed.ec2_error("AttachVolume", &attach(&fresh, &holder)).code,
        "IncorrectState"
    );
    bed.ec2("TerminateInstances", &format!("InstanceId.1={holder}"));
    assert_eq!(
        bed.ec2_error("AttachVolume", &attach(&id, &holder)).code,
        "IncorrectState"
    );
    for (volume, instance, code) in [
        ("vol-0", &*holder, "InvalidVolume.NotFound"),
        (&*id, "i-0", "InvalidInstanceID.NotFound"),
        (&*id, "x", "InvalidInstanceID.Malformed"),
    ] {
        assert_eq!(
            bed.ec2_error("AttachVolume", &attach(volume, instance))
                .code,
            code
        );
    }
}

#[test]
fn a_root_volume_stays_while_its_instance_runs() {
    let mut bed = Bed::new();
    let id = instance(&mut bed, 0);
    let launch = bed.aws.launch(bed::REGION, &id).unwrap();
    let root = &launch.volumes[0].volume_id;
    let error = bed.ec2_error("DetachVolume", &format!("VolumeId={root}"));
    assert_eq!(error.code, "OperationNotPermitted");
}

#[test]
fn a_template_makes_volumes_that_may_outlive_their_instance() {
    let mut bed = Bed::new();
    let body = format!(
        "ImageId={}&InstanceType=t3.micro&MinCount=1&MaxCount=1\
         &BlockDeviceMapping.1.DeviceName=/dev/sdf&BlockDeviceMapping.1.Ebs.VolumeSize=20\
         &BlockDeviceMapping.1.Ebs.DeleteOnTermination=false&BlockDeviceMapping.1.Ebs.Encrypted=true\
         &TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=slot\
         &TagSpecification.1.Tag.1.Value=1",
        bed.image
    );
    let id = text(&bed.ec2("RunInstances", &body), "instanceId");
    let by_slot = "Filter.1.Name=tag:slot&Filter.1.Value.1=1";
    assert_eq!(texts(&bed.ec2("DescribeVolumes", by_slot), "size").len(), 2);
    bed.pass(5);
    bed.ec2("TerminateInstances", &format!("InstanceId.1={id}"));
    bed.pass(2);
    let body = bed.ec2("DescribeVolumes", by_slot);
    assert_eq!(
        (text(&body, "size"), text(&body, "encrypted")),
        ("20".into(), "true".into())
    );
}

#[test]
fn wrong_volumes_are_refused() {
    let mut bed = Bed::new();
    for (body, code) in [
        ("AvailabilityZone=eu-west-1x&Size=1", "InvalidZone.NotFound"),
        ("AvailabilityZone=eu-west-1a", "MissingParameter"),
        (
            "AvailabilityZone=eu-west-1a&Size=0&VolumeType=gp3",
            "InvalidParameterValue",
        ),
        (
            "AvailabilityZone=eu-west-1a&Size=1&VolumeType=gp9",
            "UnknownVolumeType",
        ),
        (
            "AvailabilityZone=eu-west-1a&Size=4&VolumeType=io2",
            "MissingParameter",
        ),
        (
            "AvailabilityZone=eu-west-1a&Size=1&MultiAttachEnabled=true",
            "UnsupportedOperation",
        ),
    ] {
        assert_eq!(bed.ec2_error("CreateVolume", body).code, code, "{body}");
    }
    let once = "AvailabilityZone=eu-west-1a&Size=1&ClientToken=x";
    let first = text(&bed.ec2("CreateVolume", once), "volumeId");
    assert_eq!(text(&bed.ec2("CreateVolume", once), "volumeId"), first);
}
