//! `vmimage fleet apply`, the program itself with the SDK of AWS, against the simulated account.
//!
//! - `account`: the account on a socket, and runs of the program
//! - `capacity`: zones that do not offer an instance type, or have no room
//! - `faults`: lost replies, throttling, a region that is down
//! - `refused`: what users read when there are no credentials, no image, no permission
//! - here: first apply, second apply, changes, many pages

#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test may panic as the test itself may"
)]

mod account;
mod capacity;
mod faults;
mod refused;

use account::{Account, FLEET};

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn a_first_apply_brings_a_fleet_up_and_a_second_finds_nothing_to_do() {
    let account = Account::new();
    let plan = account.apply(FLEET, &["--plan"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    assert!(
        plan.stdout
            .ends_with("\n49 steps, 0 objects are as they should be\n"),
        "{}",
        plan.stdout
    );
    assert_eq!(
        account.groups("us-east-1").len(),
        0,
        "a plan changes nothing"
    );
    let ran = account.apply(FLEET, &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    let said = "fleet `hosting` is as `fleet.toml` says: 49 steps done in 2 regions\n";
    assert!(ran.stderr.ends_with(said), "{}", ran.stderr);
    for region in ["us-east-1", "eu-west-1"] {
        let groups = account.groups(region);
        let sizes: Vec<(&str, u32, u32, usize)> = groups
            .iter()
            .map(|group| {
                (
                    group.name.as_str(),
                    group.min,
                    group.max,
                    group.members.len(),
                )
            })
            .collect();
        let expected = [
            ("hosting-api", 2, 5, 2),
            ("hosting-database-1", 0, 1, 1),
            ("hosting-database-2", 0, 1, 1),
            ("hosting-monitoring", 2, 2, 2),
            ("hosting-storage-1", 0, 1, 1),
            ("hosting-storage-2", 0, 1, 1),
            ("hosting-storage-3", 0, 1, 1),
            ("hosting-web", 2, 5, 2),
        ];
        assert_eq!(sizes, expected, "{region}");
        let storage = &groups[6].tags;
        assert_eq!(storage["vmimage:slot"], "3");
        assert_eq!(storage["vmimage:size"], "3");
        assert_eq!(storage["vmimage:state"], "s3://hosting-state/fleet");
        // Slots go around the zones.
        let zones: Vec<&str> = groups[4..7]
            .iter()
            .map(|g| g.members[0].zone.as_str())
            .collect();
        let expected = ["a", "b", "c"].map(|zone| format!("{region}{zone}"));
        assert_eq!(zones, expected);
    }
    let again = account.apply(FLEET, &[]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(
        again.stderr,
        "nothing to do, 46 objects are as they should be\n"
    );
    assert_eq!(
        account.notices(),
        [""; 0],
        "only what is simulated was asked for"
    );
}

#[test]
fn instances_are_what_their_group_says_before_they_are_in_service() {
    let account = Account::new();
    assert_eq!(account.apply(FLEET, &[]).code, 0);
    let launch = account.launch("eu-west-1", "hosting-storage-2");
    assert_eq!(launch.instance_type, "t3.large");
    assert_eq!(launch.tags["vmimage:role"], "storage");
    assert_eq!(launch.tags["vmimage:slot"], "2");
    assert_eq!(launch.tags["Name"], "hosting-storage-2");
    assert!(launch.metadata_tags && launch.http_tokens_required);
    assert_eq!(launch.hop_limit, 1);
    assert_eq!(launch.instance_profile.as_deref(), Some("vmimage-node"));
    assert_eq!(launch.user_data[..2], [0x1f, 0x8b]);
    let lifecycle = &account.groups("eu-west-1")[5].members[0].lifecycle;
    assert!(
        lifecycle.starts_with("Pending"),
        "the hook holds it: {lifecycle}"
    );
}

#[test]
fn a_changed_instance_type_makes_a_new_version_there_and_nowhere_else() {
    let account = Account::new();
    assert_eq!(account.apply(FLEET, &[]).code, 0);
    let changed = FLEET.replace(
        "[role.web]\n",
        "[role.web]\ninstance-type = \"m7i.large\"\n",
    );
    let plan = account.apply(&changed, &["--plan"]);
    let region = "  ~ launch template `hosting-web`, a version after 1
      instance type: t3.medium -> m7i.large
  ~ Auto Scaling group `hosting-web`
      launch template: hosting-web, version 1 -> hosting-web, the new version
";
    assert_eq!(plan.stdout.matches(region).count(), 2, "{}", plan.stdout);
    assert!(
        plan.stdout
            .ends_with("\n4 steps, 42 objects are as they should be\n"),
        "{}",
        plan.stdout
    );
    let ran = account.apply(&changed, &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["format"], 1);
    assert_eq!(report["done"].as_array().unwrap().len(), 4);
    assert_eq!(report["done"][0]["outcome"], "version 2");
    let again = account.apply(&changed, &[]);
    assert_eq!(
        again.stderr,
        "nothing to do, 46 objects are as they should be\n"
    );
}

#[test]
fn more_objects_than_a_page_has_are_all_found() {
    let account = Account::new();
    let many = FLEET.replace(
        "[role.web]\n",
        "[role.storage]\nmin = 60\ndesired = 60\nmax = 60\n\n[role.web]\n",
    );
    assert_eq!(account.apply(&many, &[]).code, 0);
    assert_eq!(account.groups("us-east-1").len(), 65);
    let again = account.apply(&many, &[]);
    assert_eq!(
        (again.code, again.stderr.contains("nothing to do, ")),
        (0, true),
        "{}",
        again.stderr
    );
    let fewer = account.apply(FLEET, &["--plan"]);
    let surplus = "  ? not in the fleet, left alone: Auto Scaling group `hosting-storage-";
    assert_eq!(
        fewer.stdout.matches(surplus).count(),
        2 * 57,
        "{}",
        fewer.stdout
    );
}
