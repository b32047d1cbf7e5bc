//! Owns the tests of launch templates.

use super::*;

fn version(bed: &mut Bed, body: &str) -> String {
    let body = format!("LaunchTemplateName=tpl&{body}");
    let body = bed.ec2("CreateLaunchTemplateVersion", &body);
    text(&body, "versionNumber")
}

fn describe(bed: &mut Bed, body: &str) -> String {
    bed.ec2(
        "DescribeLaunchTemplateVersions",
        &format!("LaunchTemplateName=tpl{body}"),
    )
}

#[test]
fn a_version_inherits_what_it_does_not_say() {
    let mut bed = Bed::new();
    bed.template("tpl");
    let number = version(
        &mut bed,
        "SourceVersion=1&VersionDescription=second&LaunchTemplateData.InstanceType=m7i.large\
         &LaunchTemplateData.UserData=aGk=",
    );
    assert_eq!(number, "2");
    let body = describe(&mut bed, "&LaunchTemplateVersion.1=2");
    assert_eq!(text(&body, "imageId"), bed.image);
    assert_eq!(text(&body, "instanceType"), "m7i.large");
    assert_eq!(text(&body, "userData"), "aGk=");
    assert_eq!(text(&body, "versionDescription"), "second");
    assert_eq!(text(&body, "defaultVersion"), "false");
    // Without a source it inherits nothing.
    assert_eq!(
        version(&mut bed, "LaunchTemplateData.InstanceType=t3.small"),
        "3"
    );
    let body = describe(&mut bed, "&LaunchTemplateVersion.1=$Latest");
    assert_eq!(texts(&body, "imageId"), [""; 0]);
    let body = describe(&mut bed, "&LaunchTemplateVersion.1=$Default");
    assert_eq!(text(&body, "versionNumber"), "1");
}

#[test]
fn numbers_are_never_used_again() {
    let mut bed = Bed::new();
    bed.template("tpl");
    version(&mut bed, "LaunchTemplateData.InstanceType=t3.small");
    let body = "LaunchTemplateName=tpl&LaunchTemplateVersion.1=2&LaunchTemplateVersion.2=1\
                &LaunchTemplateVersion.3=7";
    let body = bed.ec2("DeleteLaunchTemplateVersions", body);
    let deleted = text(&body, "successfullyDeletedLaunchTemplateVersionSet");
    assert_eq!(texts(&deleted, "versionNumber"), ["2"]);
    let kept = text(&body, "unsuccessfullyDeletedLaunchTemplateVersionSet");
    assert_eq!(texts(&kept, "versionNumber"), ["1", "7"]);
    assert_eq!(
        texts(&kept, "code"),
        ["unexpectedError", "launchTemplateVersionDoesNotExist"]
    );
    assert_eq!(
        version(&mut bed, "LaunchTemplateData.InstanceType=t3.small"),
        "3"
    );
}

#[test]
fn a_client_token_makes_one_version() {
    let mut bed = Bed::new();
    bed.template("tpl");
    let body = "ClientToken=x&LaunchTemplateData.InstanceType=t3.small";
    assert_eq!(version(&mut bed, body), "2");
    assert_eq!(version(&mut bed, body), "2");
    assert_eq!(texts(&describe(&mut bed, ""), "versionNumber"), ["2", "1"]);
    let other = "LaunchTemplateName=tpl&ClientToken=x&LaunchTemplateData.InstanceType=t3.large";
    let error = bed.ec2_error("CreateLaunchTemplateVersion", other);
    assert_eq!(error.code, "IdempotentParameterMismatch");
}

#[test]
fn versions_come_in_pages_of_two_hundred() {
    let mut bed = Bed::new();
    bed.template("tpl");
    for _ in 0..249 {
        version(&mut bed, "LaunchTemplateData.InstanceType=t3.small");
    }
    let body = describe(&mut bed, "");
    let numbers = texts(&body, "versionNumber");
    assert_eq!((numbers.len(), &*numbers[0]), (200, "250"));
    let body = describe(
        &mut bed,
        &format!("&NextToken={}", text(&body, "nextToken")),
    );
    let numbers = texts(&body, "versionNumber");
    assert_eq!((numbers.len(), &*numbers[49]), (50, "1"));
    assert_eq!(texts(&body, "nextToken"), [""; 0]);
    let body = describe(&mut bed, "&MinVersion=3&MaxVersion=5");
    assert_eq!(texts(&body, "versionNumber"), ["5", "4", "3"]);
    let error = bed.ec2_error(
        "DescribeLaunchTemplateVersions",
        "LaunchTemplateName=tpl&MaxResults=201",
    );
    assert_eq!(error.code, "InvalidParameterValue");
}

#[test]
fn ten_thousand_versions_are_the_most() {
    let mut bed = Bed::new();
    bed.template("tpl");
    for _ in 1..10_000 {
        version(&mut bed, "LaunchTemplateData.InstanceType=t3.small");
    }
    let body = "LaunchTemplateName=tpl&LaunchTemplateData.InstanceType=t3.small";
    let error = bed.ec2_error("CreateLaunchTemplateVersion", body);
    assert_eq!(error.code, "MaxTemplateVersionLimitExceeded");
}

const WRONG: &str = "\
InvalidLaunchTemplateName.AlreadyExistsException CreateLaunchTemplate LaunchTemplateName=tpl&@data
InvalidLaunchTemplateName.MalformedException CreateLaunchTemplate LaunchTemplateName=a%20b&@data
InvalidLaunchTemplateName.MalformedException CreateLaunchTemplate LaunchTemplateName=ab&@data
MissingParameter CreateLaunchTemplate LaunchTemplateName=abc
MissingParameter CreateLaunchTemplate @data
InvalidUserData.Malformed CreateLaunchTemplate LaunchTemplateName=abc&LaunchTemplateData.UserData=!
UnknownParameter CreateLaunchTemplate LaunchTemplateName=abc&LaunchTemplateData.Coffee=1&@data
DryRunOperation CreateLaunchTemplate LaunchTemplateName=abc&DryRun=true&@data
InvalidLaunchTemplateName.NotFoundException DescribeLaunchTemplates LaunchTemplateName.1=other
InvalidLaunchTemplateName.NotFoundException DescribeLaunchTemplateVersions LaunchTemplateName=other
InvalidLaunchTemplateId.NotFound DescribeLaunchTemplateVersions LaunchTemplateId=lt-0
InvalidLaunchTemplateId.Malformed DescribeLaunchTemplateVersions LaunchTemplateId=x
InvalidParameterCombination DescribeLaunchTemplateVersions LaunchTemplateId=@id&LaunchTemplateName=tpl
InvalidLaunchTemplateId.VersionNotFound DescribeLaunchTemplateVersions LaunchTemplateName=tpl&LaunchTemplateVersion.1=9
MissingParameter DescribeLaunchTemplateVersions
InvalidLaunchTemplateId.VersionNotFound ModifyLaunchTemplate LaunchTemplateName=tpl&SetDefaultVersion=9
InvalidLaunchTemplateId.VersionNotFound CreateLaunchTemplateVersion LaunchTemplateName=tpl&SourceVersion=9&@data
MissingParameter DeleteLaunchTemplateVersions LaunchTemplateName=tpl";

#[test]
fn wrong_templates_are_refused_in_ec2s_words() {
    let mut bed = Bed::new();
    let id = bed.template("tpl");
    let data = "LaunchTemplateData.InstanceType=t3.small";
    bed.refuses(Service::Ec2, WRONG, &[("id", &id), ("data", data)]);
    // What makes no sense is only found at launch: an image that is not there is taken.
    let bad = format!("LaunchTemplateName=bad&LaunchTemplateData.ImageId=ami-0&{data}");
    bed.ec2("CreateLaunchTemplate", &bad);
    let run = "LaunchTemplate.LaunchTemplateName=bad&MinCount=1&MaxCount=1";
    let error = bed.ec2_error("RunInstances", run);
    assert_eq!(error.code, "InvalidAMIID.NotFound");
}

#[test]
fn instances_are_launched_from_the_default_or_the_named_version() {
    let mut bed = Bed::new();
    bed.template("tpl");
    version(
        &mut bed,
        "SourceVersion=1&LaunchTemplateData.InstanceType=m7i.large",
    );
    let kind = |bed: &mut Bed, more: &str| {
        let body = format!("LaunchTemplate.LaunchTemplateName=tpl&MinCount=1&MaxCount=1{more}");
        text(&bed.ec2("RunInstances", &body), "instanceType")
    };
    assert_eq!(kind(&mut bed, ""), "t3.micro");
    assert_eq!(
        kind(&mut bed, "&LaunchTemplate.Version=$Latest"),
        "m7i.large"
    );
    assert_eq!(kind(&mut bed, "&InstanceType=c7i.large"), "c7i.large");
    let body = bed.ec2(
        "ModifyLaunchTemplate",
        "LaunchTemplateName=tpl&SetDefaultVersion=2",
    );
    assert_eq!(text(&body, "defaultVersionNumber"), "2");
    assert_eq!(kind(&mut bed, ""), "m7i.large");
    bed.ec2("DeleteLaunchTemplate", "LaunchTemplateName=tpl");
    let body = bed.ec2("DescribeLaunchTemplates", "");
    assert_eq!(texts(&body, "launchTemplateName"), [""; 0]);
}
