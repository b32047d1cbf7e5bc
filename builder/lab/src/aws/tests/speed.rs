//! Owns the test that describing instances is cheap.

use std::time::Instant;

use super::*;

/// A page of a hundred of five thousand renders in a fraction of a millisecond when optimised;
/// the bound leaves room for a debug build on a busy machine and still notices a scan.
#[test]
fn a_page_of_instances_is_cheap() {
    let mut bed = Bed::new();
    for role in ["web", "api"] {
        let body = format!(
            "ImageId={}&InstanceType=t3.micro&MinCount=2500&MaxCount=2500\
             &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=role\
             &TagSpecification.1.Tag.1.Value={role}",
            bed.image
        );
        bed.ec2("RunInstances", &body);
    }
    bed.pass(5);
    for body in [
        "MaxResults=100",
        "MaxResults=100&Filter.1.Name=tag:role&Filter.1.Value.1=api\
         &Filter.2.Name=instance-state-name&Filter.2.Value.1=running",
    ] {
        let fastest = (0..20)
            .map(|_| {
                let start = Instant::now();
                let answer = bed.ec2("DescribeInstances", body);
                let taken = start.elapsed();
                assert_eq!(texts(&answer, "instanceId").len(), 100);
                taken
            })
            .min();
        let fastest = fastest.unwrap();
        assert!(fastest < Duration::from_millis(5), "{body}: {fastest:?}");
    }
}
