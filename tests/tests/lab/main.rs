//! `vmimage lab` with real nodes of the small image: a fleet of two regions comes up, is played with,
//! and goes without a trace. Needs root.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test may panic as the test itself may"
)]

mod harness;
mod targets;

use std::fs;
use std::path::Path;

use harness::{lab, lab_up, nodes};
use vmimage_tests::lab::Lab;

#[test]
fn a_fleet_comes_up_is_played_with_and_goes_without_a_trace() {
    let lab = lab_up("test-fleet");

    let status = lab.status();
    let mut up: Vec<(String, String, String)> = nodes(&status)
        .map(|node| {
            (
                node.name.clone(),
                node.lifecycle.clone(),
                node.address
                    .split('.')
                    .take(2)
                    .collect::<Vec<_>>()
                    .join("."),
            )
        })
        .collect();
    up.sort();
    let node =
        |name: &str, network: &str| (name.to_owned(), "InService".to_owned(), network.to_owned());
    // The first region has AWS's own default VPC.
    let expected = [
        node("database-1", "10.2"),
        node("database-1", "172.31"),
        node("web-1", "10.2"),
        node("web-1", "172.31"),
    ];
    assert_eq!(up, expected, "{status:?}");

    the_fleet_needs_nothing_more(&lab);
    commands_run_in_nodes(&lab);
    regions_can_be_cut_off(&lab);
    faults_strike_whoever_calls(&lab);
    a_node_without_power_is_replaced(&lab);

    let down = lab.run(&["down"]);
    // How many images other tests have left is not known here.
    let (gone, kept) = down.stderr.split_once('\n').unwrap();
    assert_eq!((down.code, gone), (0, "lab `test-fleet` is gone"));
    assert!(
        kept.contains("/images` keeps unpacked images for the next lab ("),
        "{kept}"
    );
    assert!(!lab.folder().exists());
    assert_eq!(lab.processes(), Vec::<String>::new());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains("labs/test-fleet"), "{mounts}");
    let again = lab.run(&["down"]);
    assert_eq!(again.code, 0);
    assert!(
        again.stderr.starts_with("there is no lab `test-fleet`\n"),
        "{}",
        again.stderr
    );
}

fn the_fleet_needs_nothing_more(lab: &Lab) {
    let again = lab.vmimage(&["fleet", "apply", "--fleet", "small.toml"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(
        again.stderr.contains("nothing to do"),
        "a second apply: {}",
        again.stderr
    );
}

fn commands_run_in_nodes(lab: &Lab) {
    let said = lab.done(&["exec", "us-east-1/web-1", "--", "hostname"]);
    assert_eq!(said.stdout.trim(), lab.host_name("us-east-1", "web-1"));
    let code = lab.run(&["exec", "us-east-1/web-1", "--", "sh", "-c", "exit 7"]);
    assert_eq!(code.code, 7);
    let ambiguous = lab.run(&["exec", "web-1", "--", "true"]);
    assert_eq!(ambiguous.code, 1);
    assert_eq!(
        ambiguous.stderr,
        "error: there is no node `web-1`, or it is not the only one of that name\n\
         hint: `vmimage lab status` names them\nnothing was changed\n"
    );
    let console = lab.done(&["logs", "eu-west-1/web-1"]).stdout;
    assert!(console.contains("systemd"), "{console}");
    let tags = lab.done(&[
        "exec",
        "eu-west-1/database-1",
        "--",
        "sh",
        "-c",
        "t=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token) && \
         curl -sf -H \"X-aws-ec2-metadata-token: $t\" http://169.254.169.254/latest/meta-data/tags/instance/vmimage:role",
    ]);
    assert_eq!(tags.stdout, "database");
}

fn regions_can_be_cut_off(lab: &Lab) {
    let other = lab.address("eu-west-1", "web-1");
    let ping = |expected: i32| {
        let argv = [
            "exec",
            "us-east-1/web-1",
            "--",
            "ping",
            "-q",
            "-c",
            "1",
            "-W",
            "1",
            &other,
        ];
        assert_eq!(lab.run(&argv).code, expected);
    };
    ping(0);
    lab.done(&["partition", "eu-west-1"]);
    ping(1);
    lab.done(&["heal"]);
    ping(0);
}

fn faults_strike_whoever_calls(lab: &Lab) {
    let added = lab.done(&["fault", "add", "throttle", "service=ssm", "count=1"]);
    assert_eq!(
        added.stdout,
        "1  on  struck 0 times  throttle service=ssm count=1\n"
    );
    // The SDK tries again.
    the_fleet_needs_nothing_more(lab);
    let listed = lab.done(&["fault", "list"]);
    assert_eq!(
        listed.stdout,
        "1  off  struck 1 times  throttle service=ssm count=1\n"
    );
    lab.done(&["fault", "clear"]);
    assert_eq!(lab.done(&["fault", "list"]).stdout, "");
    let wrong = lab.run(&["fault", "add", "thunder"]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.stderr.contains("`thunder`"), "{}", wrong.stderr);
}

fn a_node_without_power_is_replaced(lab: &Lab) {
    let before = lab.instance("us-east-1", "web-1");
    lab.done(&["kill", "us-east-1/web-1"]);
    lab.wait_until("another web node is in service", |status| {
        let mut web = nodes(status).filter(|node| node.zone.starts_with("us-east-1"));
        web.any(|node| {
            node.name == "web-1" && node.lifecycle == "InService" && node.instance != before
        })
    });
    // The console of the old one is still there.
    let console = lab.done(&["logs", &before]).stdout;
    assert!(console.contains("systemd"), "{console}");
}

#[test]
fn a_lab_whose_host_was_killed_is_removed_by_the_next() {
    let lab = lab_up("test-killed");
    let refused = lab.up("small.toml", "image");
    assert_eq!(refused.code, 1);
    assert_eq!(
        refused.stderr,
        "error: lab `test-killed` runs already\n\
         hint: end it with `vmimage lab down`, or give this one another `--name`\n\
         nothing was changed\n"
    );
    lab.kill_host();
    lab.wait_for_end();
    assert_eq!(lab.processes(), Vec::<String>::new());
    assert!(lab.folder().exists());
    let gone = lab.run(&["status"]);
    assert_eq!(gone.code, 1);
    assert!(
        gone.stderr
            .starts_with("error: there is no lab `test-killed`\n")
    );
    let down = lab.run(&["down"]);
    assert_eq!(down.code, 0);
    let said =
        "removed what lab `test-killed` left, whose host was killed\nlab `test-killed` is gone\n";
    assert!(down.stderr.starts_with(said), "{}", down.stderr);
    assert!(!Path::new(&lab.folder()).exists());
}

#[test]
fn what_cannot_be_started_says_why() {
    let lab = lab("test-refused");
    let image = lab.run(&["up", "--fleet", "small.toml", "--image", "/nowhere"]);
    assert_eq!(image.code, 2);
    assert_eq!(
        image.stderr,
        "error: there is no image in `/nowhere`: it has no `manifest.json`\n\
         hint: run `vmimage bake small --format rootfs`, or name an image with `--image DIR`\n"
    );
    let fleet = lab.run(&["up", "--fleet", "nothing.toml"]);
    assert_eq!(fleet.code, 2);
    assert!(
        fleet
            .stderr
            .starts_with("error: cannot read `nothing.toml`")
    );
    let name = lab.vmimage(&[
        "lab",
        "up",
        "--name",
        "Big Name",
        "--fleet",
        "small.toml",
        "--image",
        ".",
    ]);
    assert_eq!(name.code, 2, "{}", name.stderr);
}
