//! The user data of launch templates, run as on a node: what it asks the metadata service, and what it
//! tells Auto Scaling. Each case has a network namespace and a host name of its own.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::Command;
use std::sync::{Arc, Mutex};

use firstboot::Role;
use flate2::read::GzDecoder;
use vmimage_lab::imds::{Instance, InstanceRole};
use vmimage_plan::fleet::UserData;

use super::harness::{Faults, Namespace, listen, status};

const NO_ACTION: &str = "<ErrorResponse><Error><Code>ValidationError</Code><Message>No active Lifecycle Action found with instance ID i-0123456789abcdef0</Message></Error></ErrorResponse>";

struct Said {
    code: i32,
    text: String,
    told: Vec<String>,
}

/// A storage node that its group has just launched.
fn storage() -> Instance {
    let tags = [
        ("vmimage:role", "storage"),
        ("vmimage:cluster", "hosting"),
        ("vmimage:slot", "2"),
    ];
    let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Instance {
        tags: Some(BTreeMap::from(tags)),
        role: Some(InstanceRole {
            name: "vmimage-node".to_owned(),
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: "secret/with+signs=".to_owned(),
            token: "the/session+token==".to_owned(),
            last_updated: "2025-01-01T00:00:00Z".to_owned(),
            expiration: "2025-01-01T06:00:00Z".to_owned(),
        }),
        target_lifecycle_state: Some("InService".to_owned()),
        ..Instance::example()
    }
}

/// Answers in the namespace as Auto Scaling, the last of `answers` for ever, and keeps the requests.
fn autoscaling(
    namespace: &Namespace,
    answers: &'static [(u16, &'static str)],
) -> Arc<Mutex<Vec<String>>> {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&requests);
    let listener = namespace.bind("127.0.0.1:8080");
    std::thread::spawn(move || {
        for (turn, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut buffer = [0_u8; 4_096];
            while !request.contains("LifecycleActionResult=") {
                let read = stream.read(&mut buffer).unwrap();
                request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
            log.lock().unwrap().push(request);
            let (code, body) = answers[turn.min(answers.len() - 1)];
            let length = body.len();
            let answer = format!("HTTP/1.1 {code} x\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    requests
}

/// Runs the user data of `role` on `instance`.
fn run(
    role: Role,
    instance: Instance,
    faults: Faults,
    answers: &'static [(u16, &'static str)],
) -> Said {
    let data = UserData::of_role("hosting", role).unwrap();
    let mut script = String::new();
    let mut unpacked = GzDecoder::new(data.as_bytes());
    unpacked.read_to_string(&mut script).unwrap();
    let namespace = Namespace::new();
    listen(&namespace, instance, faults);
    let requests = autoscaling(&namespace, answers);
    // The name of this machine must not change, so there is a name space for that as well.
    let output = Command::new("unshare")
        .args(["--uts", "ip", "netns", "exec", &namespace.0, "sh", "-c"])
        .arg("hostname unnamed; sh -c \"$1\"; code=$?; uname -n; exit $code")
        .args(["sh", &script])
        .env("VMIMAGE_DEADLINE_SECS", "3")
        .env("VMIMAGE_AUTOSCALING_ENDPOINT", "http://127.0.0.1:8080/")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let told = requests.lock().unwrap().clone();
    Said {
        code: output.status.code().unwrap(),
        text: String::from_utf8(output.stdout).unwrap(),
        told,
    }
}

/// What each request told, and with whose credentials.
#[track_caller]
fn check_told(said: &Said, expected: &[&str]) {
    for request in &said.told {
        let credential = "Authorization: AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/";
        assert!(request.contains(credential), "{request}");
        let scope = "/eu-west-1/autoscaling/aws4_request, SignedHeaders=";
        assert!(request.contains(scope), "{request}");
        let lower = request.to_lowercase();
        assert!(
            lower.contains("x-amz-security-token: the/session+token==\r\n"),
            "{request}"
        );
    }
    let bodies = said.told.iter();
    let bodies: Vec<&str> = bodies
        .map(|request| request.split_once("\r\n\r\n").unwrap().1)
        .collect();
    let body = |expected: &&str| {
        let (group, result) = expected.split_once(' ').unwrap();
        format!(
            "Action=CompleteLifecycleAction&Version=2011-01-01&AutoScalingGroupName={group}&\
             LifecycleHookName=vmimage-launch&InstanceId=i-0123456789abcdef0&\
             LifecycleActionResult={result}"
        )
    };
    assert_eq!(bodies, expected.iter().map(body).collect::<Vec<_>>());
}

#[test]
fn a_node_takes_its_name_and_tells_its_group() {
    let said = run(Role::Storage, storage(), &[], &[(200, "<ok/>")]);
    assert_eq!(
        said.text,
        "vmimage: ip-10-0-0-10 is a node of hosting: storage, slot 2\nip-10-0-0-10\n"
    );
    assert_eq!(said.code, 0);
    check_told(&said, &["hosting-storage-2 CONTINUE"]);
}

#[test]
fn the_groups_name_is_ec2s_own_word_where_there_is_one() {
    let mut instance = storage();
    let tags = instance.tags.as_mut().unwrap();
    tags.insert("aws:autoscaling:groupName".to_owned(), "other".to_owned());
    let said = run(Role::Storage, instance, &[], &[(200, "<ok/>")]);
    assert_eq!(said.code, 0);
    check_told(&said, &["other CONTINUE"]);
}

#[test]
fn faults_that_pass_are_waited_out() {
    let faults: Faults = &[
        ("/latest/api/token", || vec![status(503)]),
        ("/latest/meta-data/instance-id", || {
            vec![status(404), status(401)]
        }),
        ("/latest/meta-data/placement/region", || vec![status(500)]),
    ];
    let said = run(
        Role::Storage,
        storage(),
        faults,
        &[
            (400, "<Error><Code>Throttling</Code></Error>"),
            (503, ""),
            (200, "<ok/>"),
        ],
    );
    assert_eq!(said.code, 0, "{}", said.text);
    check_told(&said, &["hosting-storage-2 CONTINUE"; 3]);
}

#[test]
fn a_second_boot_has_nothing_to_tell() {
    let said = run(Role::Storage, storage(), &[], &[(400, NO_ACTION)]);
    assert_eq!(
        said.text,
        "vmimage: ip-10-0-0-10 is a node of hosting: storage, slot 2\nip-10-0-0-10\n"
    );
    assert_eq!(said.code, 0);
    check_told(&said, &["hosting-storage-2 CONTINUE"]);
}

#[test]
fn an_action_that_is_gone_while_the_instance_is_to_end_is_a_failure() {
    let instance = Instance {
        target_lifecycle_state: Some("Terminated".to_owned()),
        ..storage()
    };
    let said = run(Role::Storage, instance, &[], &[(400, NO_ACTION)]);
    assert_eq!(
        said.text,
        "vmimage: cannot complete the lifecycle action of hosting-storage-2 with CONTINUE: \
         autoscaling answers 400 ValidationError\nip-10-0-0-10\n"
    );
    assert_eq!(said.code, 1);
}

#[test]
fn a_node_that_cannot_become_one_abandons_its_launch() {
    let mut mistaken = storage();
    let tags = mistaken.tags.as_mut().unwrap();
    tags.insert("vmimage:role".to_owned(), "web".to_owned());
    let untagged = Instance {
        tags: None,
        ..storage()
    };
    let table = [
        (
            mistaken,
            "its tag vmimage:role is web, its launch template's role is storage",
            "hosting-storage-2 ABANDON",
        ),
        (
            untagged,
            "its tags cannot be read: InstanceMetadataTags is not enabled",
            "hosting-storage ABANDON",
        ),
    ];
    for (instance, why, told) in table {
        let said = run(Role::Storage, instance, &[], &[(200, "<ok/>")]);
        let text = format!(
            "vmimage: i-0123456789abcdef0 cannot become a node of hosting: {why}\nunnamed\n"
        );
        assert_eq!(said.text, text);
        assert_eq!(said.code, 1);
        check_told(&said, &[told]);
    }
}

#[test]
fn an_instance_without_a_group_or_without_permissions_says_so() {
    let alone = Instance {
        target_lifecycle_state: None,
        ..storage()
    };
    let said = run(Role::Storage, alone, &[], &[(200, "")]);
    assert_eq!(
        said.text,
        "vmimage: ip-10-0-0-10 is a node of hosting: storage, in no Auto Scaling group\nip-10-0-0-10\n"
    );
    assert_eq!((said.code, said.told.len()), (0, 0));
    let mute = Instance {
        role: None,
        ..storage()
    };
    let said = run(Role::Storage, mute, &[], &[(200, "")]);
    assert_eq!(
        said.text,
        "vmimage: i-0123456789abcdef0 cannot become a node of hosting: it has no instance profile, \
         so nobody can be told\nip-10-0-0-10\n"
    );
    assert_eq!((said.code, said.told.len()), (1, 0));
}
