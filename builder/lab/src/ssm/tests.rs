//! What the contract suite cannot see: two regions, references, images, and requests outside the model.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Context, OPERATIONS, Ssm};
use crate::wire::ServiceError;

const AVAILABLE: &str = "ami-0123456789abcdef0";

fn call_in(
    ssm: &mut Ssm,
    region: &str,
    operation: &str,
    input: &Value,
) -> Result<Value, ServiceError> {
    let mut context = Context {
        region,
        account_id: "123456789012",
        caller_arn: "arn:aws:iam::123456789012:user/operator",
        time: Duration::from_millis(1_767_225_600_250),
        image_available: &mut |image| image == AVAILABLE,
    };
    ssm.call(operation, input.to_string().as_bytes(), &mut context)
}

fn call(ssm: &mut Ssm, operation: &str, input: &Value) -> Result<Value, String> {
    call_in(ssm, "eu-west-1", operation, input).map_err(|error| error.code.into_owned())
}

fn put(ssm: &mut Ssm, name: &str, value: &str) {
    let input = json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true});
    call(ssm, "PutParameter", &input).unwrap();
}

#[test]
fn a_parameter_is_shown_whole() {
    let mut ssm = Ssm::default();
    put(&mut ssm, "/a/b", "v");
    assert_eq!(
        call(&mut ssm, "GetParameter", &json!({"Name": "/a/b"})),
        Ok(json!({"Parameter": {
            "Name": "/a/b",
            "Type": "String",
            "Value": "v",
            "Version": 1,
            "LastModifiedDate": 1_767_225_600.25,
            "ARN": "arn:aws:ssm:eu-west-1:123456789012:parameter/a/b",
            "DataType": "text",
        }}))
    );
}

#[test]
fn regions_know_nothing_of_each_other() {
    let mut ssm = Ssm::default();
    put(&mut ssm, "/a", "v");
    let elsewhere = call_in(
        &mut ssm,
        "us-east-1",
        "GetParameter",
        &json!({"Name": "/a"}),
    );
    assert_eq!(
        elsewhere.map_err(|error| error.code.into_owned()),
        Err("ParameterNotFound".to_owned())
    );
}

#[test]
fn references_lead_to_versions() {
    let mut ssm = Ssm::default();
    put(&mut ssm, "/a", "1");
    put(&mut ssm, "/a", "2");
    put(&mut ssm, "plain", "p");
    call(
        &mut ssm,
        "LabelParameterVersion",
        &json!({"Name": "/a", "ParameterVersion": 1, "Labels": ["old"]}),
    )
    .unwrap();
    let arn = "arn:aws:ssm:eu-west-1:123456789012:parameter";
    for (name, value) in [
        ("/a".to_owned(), Ok("2")),
        ("/a:1".to_owned(), Ok("1")),
        ("/a:old".to_owned(), Ok("1")),
        ("/a:3".to_owned(), Err("ParameterVersionNotFound")),
        ("/a:new".to_owned(), Err("ParameterVersionNotFound")),
        ("/b".to_owned(), Err("ParameterNotFound")),
        (format!("{arn}/plain"), Ok("p")),
        ("plain".to_owned(), Ok("p")),
    ] {
        let found = call(&mut ssm, "GetParameter", &json!({"Name": name}));
        let found = found.map(|found| found["Parameter"]["Value"].as_str().unwrap().to_owned());
        assert_eq!(
            found,
            value.map(str::to_owned).map_err(str::to_owned),
            "{name}"
        );
    }
}

#[test]
fn an_image_that_cannot_be_launched_is_never_stored() {
    let mut ssm = Ssm::default();
    let mut put = |name: &str, value: &str| {
        let input =
            json!({"Name": name, "Value": value, "Type": "String", "DataType": "aws:ec2:image"});
        call(&mut ssm, "PutParameter", &input).map(|answer| answer["Version"].clone())
    };
    assert_eq!(put("/a", AVAILABLE), Ok(json!(1)));
    assert_eq!(
        put("/b", "ami-0123456789abcdef1"),
        Ok(json!(1)),
        "AWS answers before it looks"
    );
    assert_eq!(put("/c", "ami-1"), Err("ValidationException".to_owned()));
    let names = json!({"Names": ["/a", "/b", "/c"]});
    let found = call(&mut ssm, "GetParameters", &names).unwrap();
    assert_eq!(found["InvalidParameters"], json!(["/b", "/c"]));
}

#[test]
fn a_secret_is_not_in_what_is_printed_for_developers() {
    let mut ssm = Ssm::default();
    let input = json!({"Name": "/a", "Value": "hidden-word", "Type": "SecureString"});
    call(&mut ssm, "PutParameter", &input).unwrap();
    assert!(!format!("{ssm:?}").contains("hidden-word"));
    let shut = call(&mut ssm, "GetParameter", &json!({"Name": "/a"})).unwrap();
    assert_eq!(
        shut["Parameter"]["Value"].as_str().unwrap().len(),
        92,
        "a ciphertext"
    );
}

#[test]
fn operations_are_sorted_and_refuse_what_is_no_structure() {
    assert!(OPERATIONS.is_sorted_by_key(|(name, _)| *name));
    for (name, _) in OPERATIONS {
        for body in [json!([]), json!("x"), json!(null)] {
            let refused = call(&mut Ssm::default(), name, &body);
            assert_eq!(
                refused,
                Err("SerializationException".to_owned()),
                "{name} {body}"
            );
        }
    }
}
