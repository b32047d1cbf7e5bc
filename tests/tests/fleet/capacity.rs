//! Zones that do not offer an instance type, and zones without room, as `fleet apply` meets them.

use std::time::Duration;

use vmimage_tests::wait::wait_until;

use super::account::{Account, FLEET};

/// A fleet of one region and one slot, so that what is said is short.
fn one_slot() -> String {
    let (head, _) = FLEET.split_once("[[region]]").unwrap();
    let roles = ["web", "api", "storage", "monitoring"];
    let none: Vec<String> = roles
        .iter()
        .map(|role| format!("[role.{role}]\nmin = 0\ndesired = 0\n"))
        .collect();
    format!(
        "{head}[[region]]\nname = \"us-east-1\"\nwave = 1\n[role.database]\nmin = 1\ndesired = 1\n{}",
        none.concat()
    )
}

fn zones(account: &Account, group: &str) -> Vec<String> {
    let groups = account.groups("us-east-1");
    let group = groups.iter().find(|found| found.name == group).unwrap();
    let members = group.members.iter();
    members.map(|member| member.zone.clone()).collect()
}

#[test]
fn a_zone_that_does_not_offer_the_type_is_left_out() {
    let account = Account::new();
    account.fault("not-offered zone=us-east-1a type=t3.medium");
    let fleet = one_slot();
    let plan = account.apply(&fleet, &["--plan"]);
    let note = "  ? `us-east-1a` does not offer `t3.medium`: left out for web, api, database\n";
    assert!(plan.stdout.contains(note), "{}", plan.stdout);
    let ran = account.apply(&fleet, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(zones(&account, "hosting-database-1"), ["us-east-1b"]);
    let again = account.apply(&fleet, &[]);
    assert!(
        again.stderr.starts_with("nothing to do, "),
        "{}",
        again.stderr
    );
}

#[test]
fn a_zone_without_room_is_said_until_the_slot_has_its_instance() {
    let account = Account::new();
    let full = account.fault("capacity zone=us-east-1a");
    let fleet = one_slot();
    assert_eq!(account.apply(&fleet, &[]).code, 0);
    assert_eq!(zones(&account, "hosting-database-1"), [""; 0]);
    let again = account.apply(&fleet, &[]);
    let volume = again.stderr.split("--volume-id ").nth(1).unwrap();
    let volume = volume.split('`').next().unwrap();
    assert_eq!(again.code, 1);
    assert_eq!(
        again.stderr,
        format!(
            "nothing to change, 15 objects are as they should be, 1 shortfall\n\
             error: in `us-east-1`, Auto Scaling group `hosting-database-1` has 0 of 1 instances in service: \
             We currently do not have sufficient t3.medium capacity in the Availability Zone you requested (us-east-1a). \
             Our system will be working on provisioning additional capacity. \
             You can currently get t3.medium capacity by not specifying an Availability Zone in your request or choosing us-east-1b, us-east-1c. \
             Launching EC2 instance failed.\n\
             hint: wait until `us-east-1a` has room, or set an `instance-type` in `[role.database]` that `us-east-1a` has; \
             no instance of this slot has ever started, so the volume is empty: \
             `aws ec2 delete-volume --region us-east-1 --volume-id {volume}`, then apply again, puts the slot into another zone\n\
             nothing was changed\n"
        )
    );
    let json = account.apply(&fleet, &["--plan", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let shortfalls = plan["regions"][0]["shortfalls"].as_array().unwrap();
    assert_eq!(shortfalls.len(), 1);
    account.clear(full);
    // The group tries again by itself.
    wait_until(Duration::from_mins(2), "the slot has its instance", || {
        zones(&account, "hosting-database-1") == ["us-east-1a"]
    });
}
