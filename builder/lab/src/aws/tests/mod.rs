//! Owns the tests of the whole account through its one door, `query`.

use super::*;

#[test]
fn unknown_actions_are_refused_in_each_services_words() {
    let mut aws = Aws::new(Settings {
        account_id: "123456789012".to_owned(),
        seed: 1,
        regions: vec![RegionSettings {
            name: "eu-west-1".to_owned(),
            vpc_octet: 1,
            zones: 3,
        }],
    });
    let caller = Caller {
        access_key_id: "AKIAEXAMPLE".to_owned(),
        arn: "arn:aws:iam::123456789012:user/operator".to_owned(),
    };
    let params = Params::default();
    let call = QueryCall {
        service: Service::Ec2,
        region: "eu-west-1",
        action: "MakeCoffee",
        version: "2016-11-15",
        params: &params,
        caller: &caller,
        now: Duration::ZERO,
        request_id: "r-1",
    };
    let error = aws.query(&call).unwrap_err();
    assert_eq!(error.code, "InvalidAction");
    let call = QueryCall {
        service: Service::Sts,
        action: "GetCallerIdentity",
        ..call
    };
    let body = aws.query(&call).unwrap();
    assert!(body.contains("<Account>123456789012</Account>"), "{body}");
}
