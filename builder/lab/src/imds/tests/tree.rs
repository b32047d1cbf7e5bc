//! What is at each path of an instance.

use std::collections::BTreeMap;

use super::{check, check_absent, full, get};
use crate::imds::{Imds, Instance};

const PATHS: &[(&str, &str)] = &[
    ("/latest", "dynamic\nmeta-data\nuser-data"),
    ("/latest/", "dynamic\nmeta-data\nuser-data"),
    ("/latest/user-data", "#!/bin/sh\n\u{0}\u{fffd}"),
    ("/latest/meta-data/instance-id", "i-0123456789abcdef0"),
    ("/2021-07-15/meta-data/instance-id", "i-0123456789abcdef0"),
    ("/latest/meta-data/instance-id?x=1", "i-0123456789abcdef0"),
    ("/latest/meta-data/ami-id", "ami-0123456789abcdef0"),
    ("/latest/meta-data/local-ipv4", "10.0.0.10"),
    ("/latest/meta-data/mac", "02:00:00:00:00:0a"),
    (
        "/latest/meta-data/local-hostname",
        "ip-10-0-0-10.eu-west-1.compute.internal",
    ),
    (
        "/latest/meta-data/placement/",
        "availability-zone\navailability-zone-id\nregion",
    ),
    (
        "/latest/meta-data/placement",
        "availability-zone\navailability-zone-id\nregion",
    ),
    ("/latest/meta-data/placement/region", "eu-west-1"),
    (
        "/latest/meta-data/placement/availability-zone",
        "eu-west-1a",
    ),
    (
        "/latest/meta-data/placement/availability-zone-id",
        "euw1-az1",
    ),
    (
        "/latest/meta-data/network/interfaces/macs/",
        "02:00:00:00:00:0a/",
    ),
    (
        "/latest/meta-data/network/interfaces/macs/02:00:00:00:00:0a/local-ipv4s",
        "10.0.0.10",
    ),
    ("/latest/meta-data/services/domain", "amazonaws.com"),
    ("/latest/meta-data/tags/", "instance/"),
    (
        "/latest/meta-data/tags/instance",
        "Name\nvmimage:cluster\nvmimage:role",
    ),
    (
        "/latest/meta-data/tags/instance/",
        "Name\nvmimage:cluster\nvmimage:role",
    ),
    ("/latest/meta-data/tags/instance/vmimage:role", "web"),
    ("/2021-03-23/meta-data/tags/instance/Name", "web 1"),
    ("/latest/meta-data/public-keys/", "0=ops"),
    ("/latest/meta-data/public-keys/0/", "openssh-key"),
    (
        "/latest/meta-data/public-keys/0/openssh-key",
        "ssh-ed25519 AAAA ops",
    ),
    (
        "/latest/meta-data/autoscaling/target-lifecycle-state",
        "InService",
    ),
    ("/latest/meta-data/iam/", "info\nsecurity-credentials/"),
    ("/latest/meta-data/iam/security-credentials/", "node"),
    ("/latest/dynamic/", "instance-identity/"),
];

#[test]
fn the_tree_of_an_instance_that_has_everything() {
    check(full(), PATHS);
    let (_, versions) = get(&mut Imds::new(full(), 7), "/");
    assert!(versions.ends_with("\n2024-04-11\nlatest"), "{versions}");
    let (_, listing) = get(&mut Imds::new(full(), 7), "/latest/meta-data/");
    assert_eq!(
        listing,
        "ami-id\nami-launch-index\nautoscaling/\nhostname\niam/\ninstance-id\ninstance-life-cycle\ninstance-type\n\
         local-hostname\nlocal-ipv4\nmac\nnetwork/\nplacement/\npublic-keys/\nservices/\ntags/"
    );
}

#[test]
fn documents_are_json_with_the_names_that_clients_look_for() {
    let mut imds = Imds::new(full(), 7);
    let (_, text) = get(&mut imds, "/latest/dynamic/instance-identity/document");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["region"], "eu-west-1");
    assert_eq!(document["accountId"], "123456789012");
    assert_eq!(document["instanceId"], "i-0123456789abcdef0");
    assert_eq!(document["privateIp"], "10.0.0.10");
    let (_, text) = get(&mut imds, "/latest/meta-data/iam/security-credentials/node");
    let credentials: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(credentials["Code"], "Success");
    assert_eq!(credentials["AccessKeyId"], "ASIAEXAMPLE");
    assert_eq!(credentials["SecretAccessKey"], "s3cret");
    assert_eq!(credentials["Token"], "t0ken");
    assert_eq!(credentials["Expiration"], "2025-01-01T06:00:00Z");
    assert!(!format!("{:?}", full()).contains("s3cret"));
}

#[test]
fn what_an_instance_has_not_is_404() {
    check_absent(
        Instance::example(),
        &[
            "/latest/user-data",
            "/latest/meta-data/tags/",
            "/latest/meta-data/tags/instance",
            "/latest/meta-data/tags/instance/vmimage:role",
            "/latest/meta-data/public-keys/",
            "/latest/meta-data/iam/security-credentials/",
            "/latest/meta-data/iam/info",
            "/latest/meta-data/autoscaling/target-lifecycle-state",
            "/latest/meta-data/nothing",
            "/latest/meta-data/instance-id/",
            "/latest/meta-data/instance",
            "/latest/nothing",
            "/2050-01-01/meta-data/instance-id",
            "/nothing",
            "//",
        ],
    );
    check_absent(
        full(),
        &[
            "/2021-01-03/meta-data/tags/instance",
            "/latest/meta-data/tags/instance/absent",
        ],
    );
    check_absent(
        Instance {
            tags: Some(BTreeMap::new()),
            ..full()
        },
        &["/latest/meta-data/tags/instance"],
    );
    check(Instance::example(), &[("/latest/", "dynamic\nmeta-data")]);
}

#[test]
fn changed_tags_are_served_at_once() {
    let mut imds = Imds::new(full(), 7);
    let tags = imds.instance_mut().tags.as_mut().unwrap();
    tags.insert("vmimage:role".to_owned(), "api".to_owned());
    assert_eq!(
        get(&mut imds, "/latest/meta-data/tags/instance/vmimage:role"),
        (200, "api".to_owned())
    );
}
