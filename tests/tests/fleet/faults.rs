//! Lost replies, throttling, a region that is down: what is applied in the end is the same.

use super::account::{Account, FLEET};

/// Nothing is there twice, and nothing is missing.
#[track_caller]
fn check_complete(account: &Account) {
    let again = account.apply(FLEET, &["--plan"]);
    let end = "\nnothing to do, 46 objects are as they should be\n";
    assert!(again.stdout.ends_with(end), "{}", again.stdout);
    assert!(
        !again.stdout.contains('?'),
        "no second volume, nothing left over: {}",
        again.stdout
    );
}

#[test]
fn lost_replies_make_nothing_twice() {
    let account = Account::new();
    for action in [
        "ec2 action=CreateVolume",
        "ec2 action=CreateLaunchTemplate",
        "autoscaling action=CreateAutoScalingGroup",
        "elasticloadbalancing action=CreateTargetGroup",
        "ssm action=PutParameter",
        "s3 action=CreateBucket",
    ] {
        account.fault(&format!("lose-reply service={action} count=2"));
        account.fault(&format!("fail-after service={action} count=1"));
    }
    let ran = account.apply(FLEET, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    check_complete(&account);
}

#[test]
fn throttling_is_waited_out() {
    let account = Account::new();
    account.fault("throttle p=0.3 count=60");
    let ran = account.apply(FLEET, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    check_complete(&account);
}

#[test]
fn a_region_that_is_down_is_reported_and_finished_by_the_next_run() {
    let account = Account::new();
    let down = account.fault("down region=eu-west-1");
    let ran = account.apply(FLEET, &[]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("error: cannot plan `hosting` in `eu-west-1`\n"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .ends_with("run the same command again to do the rest\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(account.groups("us-east-1").len(), 8);
    assert_eq!(account.groups("eu-west-1").len(), 0);
    account.clear(down);
    assert_eq!(account.apply(FLEET, &[]).code, 0);
    check_complete(&account);
}
