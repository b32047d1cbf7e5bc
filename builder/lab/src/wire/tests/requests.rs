//! Requests and answers.

use std::time::Duration;

use super::{Ask, ask_at, moment, signed};
use crate::fault::FaultError;
use crate::wire::{Cloud, Notice};

const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.1");

fn ssm<'a>(headers: &'a [(&'a str, &'a str)], body: &'a str) -> Ask<'a> {
    Ask {
        service: "ssm",
        headers,
        body: body.as_bytes(),
        ..Ask::default()
    }
}

#[test]
fn every_protocol_is_answered() {
    let mut cloud = Cloud::example(1);
    let identity = Ask {
        service: "sts",
        body: b"Action=GetCallerIdentity&Version=2011-06-15",
        ..Ask::default()
    };
    let (status, body) = ask_at(&mut cloud, &identity, 1);
    assert_eq!(status, 200);
    assert!(
        body.contains("<Arn>arn:aws:iam::123456789012:user/operator</Arn>"),
        "{body}"
    );
    let put = [JSON, ("x-amz-target", "AmazonSSM.PutParameter")];
    let request = ssm(&put, r#"{"Name": "/a", "Value": "v", "Type": "String"}"#);
    assert_eq!(
        ask_at(&mut cloud, &request, 1),
        (200, r#"{"Tier":"Standard","Version":1}"#.to_owned())
    );
    let bucket = Ask {
        service: "s3",
        region: "us-east-1",
        method: "PUT",
        uri: "/a-bucket",
        ..Ask::default()
    };
    assert_eq!(ask_at(&mut cloud, &bucket, 1), (200, String::new()));
}

#[test]
fn a_query_may_come_in_the_uri() {
    let mut cloud = Cloud::example(1);
    let get = Ask {
        method: "GET",
        uri: "/?Action=DescribeRegions&Version=2016-11-15",
        ..Ask::default()
    };
    let (status, body) = ask_at(&mut cloud, &get, 1);
    assert_eq!(
        (status, body.contains("<regionName>eu-west-1</regionName>")),
        (200, true),
        "{body}"
    );
}

#[test]
fn bad_requests_are_named_in_their_protocol() {
    let mut cloud = Cloud::example(1);
    let target = |name: &'static str| [JSON, ("x-amz-target", name)];
    for (headers, body, answer) in [
        (
            target("AmazonSSM.GetParameter"),
            "{",
            r#"{"__type":"SerializationException","message":""}"#,
        ),
        (
            target("AmazonSSM.GetParameter"),
            "{}",
            r#"{"__type":"ValidationException","message":"1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"}"#,
        ),
        (
            target("AmazonSSM.GetParameter"),
            r#"{"Name": 1}"#,
            r#"{"__type":"SerializationException","message":"The value of Name has another type"}"#,
        ),
        (
            target("AmazonSSM.Fly"),
            "{}",
            r#"{"__type":"UnknownOperationException","message":"Unknown operation Fly"}"#,
        ),
        (
            target("Other.GetParameter"),
            "{}",
            r#"{"__type":"UnknownOperationException","message":"Unknown operation "}"#,
        ),
    ] {
        assert_eq!(
            ask_at(&mut cloud, &ssm(&headers, body), 1),
            (400, answer.to_owned())
        );
    }
    let none = ask_at(
        &mut cloud,
        &Ask {
            body: b"A=b",
            ..Ask::default()
        },
        1,
    );
    assert_eq!(none.0, 400);
    assert!(none.1.contains("<Code>MissingAction</Code>"), "{}", none.1);
    let delete = Ask {
        service: "s3",
        uri: "/a-bucket?delete",
        body: b"<Delete><Object>",
        headers: &[("content-md5", "x")],
        ..Ask::default()
    };
    let (status, body) = ask_at(&mut cloud, &delete, 1);
    assert_eq!(
        (status, body.contains("<Code>NoSuchBucket</Code>")),
        (404, true),
        "{body}"
    );
}

#[test]
fn what_is_not_simulated_is_noted_once() {
    let mut cloud = Cloud::example(1);
    let fly = Ask {
        body: b"Action=Fly&Version=2016-11-15",
        ..Ask::default()
    };
    for _ in 0..2 {
        let (status, body) = ask_at(&mut cloud, &fly, 1);
        assert_eq!(
            (status, body.contains("<Code>InvalidAction</Code>")),
            (400, true),
            "{body}"
        );
    }
    let other = Ask {
        service: "rds",
        headers: &[("content-type", "application/x-www-form-urlencoded")],
        body: b"Action=X",
        ..Ask::default()
    };
    assert!(
        ask_at(&mut cloud, &other, 1)
            .1
            .contains("does not simulate the service `rds`")
    );
    for uri in ["/a-bucket/secret-key?torrent=1", "/b-bucket?website"] {
        let odd = Ask {
            service: "s3",
            method: "GET",
            uri,
            ..Ask::default()
        };
        assert_eq!(ask_at(&mut cloud, &odd, 1).0, 501, "{uri}");
    }
    let notice = |service: &str, action: &str, times| Notice {
        service: service.to_owned(),
        action: action.to_owned(),
        region: "eu-west-1".to_owned(),
        times,
    };
    assert_eq!(
        cloud.take_notices(),
        [
            notice("ec2", "Fly", 2),
            notice("rds", "X", 1),
            notice("s3", "GET object?torrent", 1),
            notice("s3", "GET bucket?website", 1),
        ]
    );
    assert_eq!(cloud.take_notices(), []);
}

#[test]
fn bodies_have_a_limit_for_each_service() {
    let mut cloud = Cloud::example(1);
    let large = vec![b'x'; 1_024 * 1_024 + 1];
    let query = Ask {
        body: &large,
        ..Ask::default()
    };
    let (status, body) = ask_at(&mut cloud, &query, 1);
    assert_eq!(
        (status, body.contains("<Code>RequestEntityTooLarge</Code>")),
        (413, true)
    );
    let object = Ask {
        service: "s3",
        method: "PUT",
        uri: "/a-bucket/k",
        body: &large,
        ..Ask::default()
    };
    assert_eq!(
        ask_at(&mut cloud, &object, 1).0,
        404,
        "an object may be that large"
    );
}

#[test]
fn the_same_seed_gives_the_same_answers() {
    let run = |seed| {
        let mut cloud = Cloud::example(seed);
        cloud
            .add_fault("throttle p=0.5".parse().unwrap(), Duration::ZERO)
            .unwrap();
        let ask = Ask {
            body: b"Action=DescribeRegions&Version=2016-11-15",
            ..Ask::default()
        };
        (0..20)
            .map(|second| ask_at(&mut cloud, &ask, second))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn faults_decide_how_a_reply_is_delivered() {
    let mut cloud = Cloud::example(1);
    let mut add = |text: &str| cloud.add_fault(text.parse().unwrap(), Duration::ZERO);
    assert_eq!(add("slow by=2s count=1"), Ok(1));
    assert_eq!(add("cut at=10 count=1"), Ok(2));
    assert_eq!(add("down from=10s"), Ok(3));
    assert_eq!(
        add("down region=mars-1"),
        Err(FaultError::UnknownRegion("mars-1".to_owned()))
    );
    let ask = Ask {
        body: b"Action=DescribeRegions&Version=2016-11-15",
        ..Ask::default()
    };
    let mut deliver = |seconds| {
        let head = signed(&cloud, &ask, moment(seconds).wall).unwrap();
        let reply = cloud.respond(&head, ask.body, moment(seconds));
        (
            reply.delivery.delay.as_secs(),
            reply.delivery.cut,
            reply.delivery.close,
        )
    };
    assert_eq!(deliver(1), (2, Some(10), false));
    assert_eq!(deliver(2), (0, None, false));
    assert_eq!(deliver(10), (0, None, true));
    assert!(cloud.clear_fault(3, Duration::from_secs(11)));
    assert_eq!(ask_at(&mut cloud, &ask, 12).0, 200);
}
