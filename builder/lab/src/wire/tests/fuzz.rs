//! Requests of all kinds, made by chance: whatever comes, the answer is a response and never a panic.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::{Ask, moment, signed};
use crate::fault::Fault;
use crate::wire::Cloud;

const CASES: u32 = 1_500;

/// Statuses that AWS answers with.
fn is_answer(status: u16) -> bool {
    [
        200, 204, 206, 301, 304, 400, 401, 403, 404, 405, 409, 412, 413, 416, 501,
    ]
    .contains(&status)
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("1".to_owned()),
        Just("-1".to_owned()),
        Just("true".to_owned()),
        Just("*".to_owned()),
        Just("a".repeat(2_000)),
        "[ -~]{0,30}",
        "\\PC{0,10}",
    ]
}

fn action() -> impl Strategy<Value = String> {
    let names = vec![
        "DescribeInstances",
        "RunInstances",
        "DescribeImages",
        "CreateLaunchTemplate",
        "CreateTags",
        "DescribeAutoScalingGroups",
        "CreateAutoScalingGroup",
        "CreateTargetGroup",
        "GetCallerIdentity",
        "DescribeSubnets",
        "DescribeLaunchTemplateVersions",
        "PutLifecycleHook",
        "AttachVolume",
        "Fly",
    ];
    proptest::sample::select(names).prop_map(str::to_owned)
}

/// Names like those of AWS, with lists and structures in them.
fn parameter() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        proptest::sample::select(vec![
            "Filter",
            "Name",
            "Value",
            "InstanceId",
            "member",
            "MaxResults",
            "NextToken",
            "Tag",
            "Key",
            "LaunchTemplateData",
            "ImageId",
            "MinCount",
            "MaxCount",
            "AutoScalingGroupName",
            "DryRun",
            "1",
            "2",
            "99999999999999999999",
            "0",
        ])
        .prop_map(str::to_owned),
        word(),
    ];
    proptest::collection::vec(part, 1..5).prop_map(|parts| parts.join("."))
}

fn form() -> impl Strategy<Value = Vec<u8>> {
    let pairs = proptest::collection::vec((parameter(), word()), 0..8);
    (action(), pairs).prop_map(|(action, pairs)| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", &action)
            .append_pair("Version", "2016-11-15");
        form.extend_pairs(pairs);
        form.finish().into_bytes()
    })
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        word().prop_map(Into::into),
        Just("/a".into()),
        Just("Parameter".into()),
    ];
    let name = proptest::sample::select(vec![
        "Name",
        "Names",
        "Value",
        "Type",
        "Path",
        "MaxResults",
        "NextToken",
        "ParameterFilters",
        "Key",
        "Values",
        "Tags",
        "Labels",
        "ResourceType",
        "ResourceId",
        "Overwrite",
        "WithDecryption",
        "Tier",
        "DataType",
    ]);
    leaf.prop_recursive(3, 20, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map(name.clone(), inner, 0..6).prop_map(|map| {
                let members = map.into_iter().map(|(key, value)| (key.to_owned(), value));
                serde_json::Value::Object(members.collect())
            }),
        ]
    })
}

fn target() -> impl Strategy<Value = String> {
    let names = vec![
        "PutParameter",
        "GetParameter",
        "GetParameters",
        "GetParametersByPath",
        "DescribeParameters",
        "DeleteParameter",
        "DeleteParameters",
        "LabelParameterVersion",
        "UnlabelParameterVersion",
        "GetParameterHistory",
        "AddTagsToResource",
        "RemoveTagsFromResource",
        "ListTagsForResource",
    ];
    proptest::sample::select(names).prop_map(|name| format!("AmazonSSM.{name}"))
}

fn object_uri() -> impl Strategy<Value = String> {
    let path = proptest::sample::select(vec![
        "/",
        "/a-bucket",
        "/a-bucket/",
        "/a-bucket/k",
        "/a-bucket/%F0%9F",
        "/a-bucket//",
        "/b/%00",
        "/%2F",
    ]);
    let query = proptest::collection::vec(
        (
            proptest::sample::select(vec![
                "",
                "list-type",
                "prefix",
                "delimiter",
                "max-keys",
                "continuation-token",
                "start-after",
                "versions",
                "key-marker",
                "version-id-marker",
                "tagging",
                "delete",
                "versioning",
                "lifecycle",
                "encryption",
                "publicAccessBlock",
                "policy",
                "location",
                "versionId",
                "encoding-type",
                "acl",
                "uploads",
                "response-content-type",
            ]),
            word(),
        ),
        0..4,
    );
    (path, query).prop_map(|(path, query)| {
        let query: Vec<String> = query
            .into_iter()
            .map(|(name, value)| {
                let value = percent_encoding::utf8_percent_encode(
                    &value,
                    percent_encoding::NON_ALPHANUMERIC,
                );
                format!("{name}={value}")
            })
            .collect();
        format!("{path}?{}", query.join("&"))
    })
}

fn document() -> impl Strategy<Value = Vec<u8>> {
    let names = || {
        proptest::sample::select(vec![
            "Delete",
            "Object",
            "Key",
            "VersionId",
            "Tagging",
            "TagSet",
            "Tag",
            "Value",
            "Rule",
            "Status",
            "LifecycleConfiguration",
            "Filter",
            "Expiration",
            "VersioningConfiguration",
            "x",
            "!",
            "?",
        ])
    };
    let tree =
        (names(), names(), names(), word(), any::<bool>()).prop_map(|(a, b, c, text, closed)| {
            let end = if closed {
                format!("</{a}>")
            } else {
                String::new()
            };
            format!("<{a}><{b}><{c}>{text}</{c}></{b}>{end}").into_bytes()
        });
    let deep = Just("<a>".repeat(30_000).into_bytes());
    prop_oneof![8 => tree, 1 => deep, 2 => proptest::collection::vec(any::<u8>(), 0..200)]
}

fn header() -> impl Strategy<Value = (&'static str, String)> {
    let names = vec![
        "range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "content-md5",
        "x-amz-checksum-crc32",
        "x-amz-tagging",
        "x-amz-copy-source",
        "x-amz-metadata-directive",
        "x-amz-meta-a",
        "content-encoding",
        "x-amz-expected-bucket-owner",
    ];
    let value = prop_oneof![
        "[ -~]{0,30}",
        Just("bytes=0-99999999999999999999".to_owned()),
        Just("bytes=-".to_owned()),
        Just("/a-bucket/k".to_owned()),
        Just("*".to_owned()),
    ];
    (proptest::sample::select(names), value)
}

fn respond(cloud: &mut Cloud, ask: &Ask<'_>) -> Result<(), TestCaseError> {
    // What cannot be a request never reaches the simulation.
    let Some(head) = signed(cloud, ask, moment(1).wall) else {
        return Ok(());
    };
    let reply = cloud.respond(&head, ask.body, moment(1));
    let status = reply.response.status().as_u16();
    prop_assert!(is_answer(status), "{status}: {:?}", reply.response.body());
    Ok(())
}

fn with_bucket() -> Cloud {
    let mut cloud = Cloud::example(1);
    for (uri, body) in [
        ("/a-bucket", b"".as_slice()),
        ("/a-bucket/k", b"0123456789"),
    ] {
        let put = Ask {
            service: "s3",
            region: "us-east-1",
            method: "PUT",
            uri,
            body,
            ..Ask::default()
        };
        assert_eq!(super::ask_at(&mut cloud, &put, 1).0, 200);
    }
    cloud
}

proptest! {
    #![proptest_config(Config { cases: CASES, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_bytes_and_headers(
        method in "[A-Z]{1,8}",
        uri in "/[!-~]{0,60}",
        authorization in "(AWS4-HMAC-SHA256 )?[ -~]{0,120}",
        target in "[ -~]{0,40}",
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let request = http::Request::builder()
            .method(method.as_str())
            .uri(uri)
            .header("authorization", authorization)
            .header("x-amz-target", target)
            .header("x-amz-date", "20260101T000000Z");
        if let Ok(request) = request.body(()) {
            let reply = Cloud::example(1).respond(&request.into_parts().0, &body, moment(1));
            prop_assert!([400, 401, 403].contains(&reply.response.status().as_u16()));
        }
    }

    #[test]
    fn any_query(
        service in proptest::sample::select(vec!["ec2", "autoscaling", "elasticloadbalancing", "sts"]),
        body in form(),
    ) {
        respond(&mut Cloud::example(1), &Ask { service, body: &body, ..Ask::default() })?;
    }

    #[test]
    fn any_json(target in target(), value in json(), again in json()) {
        let mut cloud = Cloud::example(1);
        let put = br#"{"Name": "/a", "Value": "v", "Type": "SecureString"}"#;
        let headers = [("x-amz-target", "AmazonSSM.PutParameter")];
        respond(&mut cloud, &Ask { service: "ssm", headers: &headers, body: put, ..Ask::default() })?;
        for value in [value, again] {
            let body = value.to_string();
            let headers = [("x-amz-target", target.as_str())];
            respond(&mut cloud, &Ask { service: "ssm", headers: &headers, body: body.as_bytes(), ..Ask::default() })?;
        }
    }

    #[test]
    fn any_object_request(
        method in proptest::sample::select(vec!["GET", "HEAD", "PUT", "POST", "DELETE"]),
        uri in object_uri(),
        headers in proptest::collection::vec(header(), 0..4),
        body in document(),
    ) {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let ask = Ask {
            service: "s3",
            region: "us-east-1",
            method,
            uri: &uri,
            headers: &headers,
            body: &body,
        };
        respond(&mut with_bucket(), &ask)?;
    }

    #[test]
    fn any_chunks(body in proptest::collection::vec(any::<u8>(), 0..200), size in "[0-9a-fA-F;=-]{0,20}") {
        let mut chunks = format!("{size}\r\n").into_bytes();
        chunks.extend(&body);
        let headers = [("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")];
        let ask = Ask {
            service: "s3",
            region: "us-east-1",
            method: "PUT",
            uri: "/a-bucket/k",
            headers: &headers,
            body: &chunks,
        };
        respond(&mut with_bucket(), &ask)?;
    }

    #[test]
    fn any_fault_text(text in "[ -~]{0,60}") {
        if let Ok(fault) = text.parse::<Fault>() {
            prop_assert_eq!(fault.to_string().parse::<Fault>(), Ok(fault));
        }
    }
}
