//! What users read when AWS says no.

use vmimage_lab::aws::ImageState;

use super::account::{Account, FLEET};

#[test]
fn without_credentials_nothing_is_asked() {
    let account = Account::new();
    let ran = account.apply_with(FLEET, &[], &[]);
    assert_eq!(ran.code, 1);
    let said = ran.stderr.as_str();
    let begin = "error: cannot sign in to AWS in `us-east-1`\n  caused by: the AWS credentials cannot be loaded\n";
    assert!(said.starts_with(begin), "{said}");
    let end = "hint: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in with `aws sso login`\nnothing was changed\n";
    assert!(said.ends_with(end), "{said}");
}

#[test]
fn a_wrong_key_is_refused_with_the_requests_id() {
    let account = Account::new();
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIAWRONG"),
        ("AWS_SECRET_ACCESS_KEY", "wrong"),
    ];
    let ran = account.apply_with(FLEET, &[], &keys);
    assert_eq!(ran.code, 1);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(
        lines[0],
        "error: cannot ask whose credentials these are in `us-east-1`"
    );
    let cause = "  caused by: GetCallerIdentity was refused: InvalidClientTokenId: ";
    assert!(
        lines[1].starts_with(cause) && lines[1].contains("(request "),
        "{}",
        lines[1]
    );
    assert_eq!(
        lines[2..],
        [
            "hint: check AWS_PROFILE or the access key, and that `us-east-1` is enabled for the account",
            "nothing was changed"
        ]
    );
}

#[test]
fn a_region_without_an_image_is_named_with_what_to_do() {
    let account = Account::without_images();
    account.register("us-east-1", ImageState::Pending);
    let ran = account.apply(FLEET, &["--plan"]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.stderr,
        "error: cannot plan `hosting` in `eu-west-1`
  caused by: `eu-west-1` has no AMI of `small`
hint: an AMI counts when it is your own and tagged `vmimage:image=small`: publish the image there
error: cannot plan `hosting` in `us-east-1`
  caused by: `us-east-1` has no AMI of `small`
hint: AMIs of the image are there, but none is available: pending
nothing was changed
"
    );
}

#[test]
fn a_fleet_with_a_mistake_is_drawn_and_nothing_is_asked() {
    let account = Account::new();
    let wrong = FLEET.replace("image = \"small\"", "image = \"smal\"");
    let ran = account.apply_with(&wrong, &[], &[]);
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.stderr,
        "error: no image named `smal`
 --> fleet.toml:5:9
  |
5 | image = \"smal\"
  |         ^^^^^^ not found in `images/`
  |
  = help: an image with a similar name exists: `small`

1 problem
"
    );
}
