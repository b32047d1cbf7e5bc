//! Fleet plans as scenarios: a folder below `tests/fleet/` holds a fleet, what AWS has, and the plan.
//! `UPDATE=1` writes the plans anew; look at what changes.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test may panic as the test itself may"
)]

use std::path::{Path, PathBuf};

use firstboot::Role;
use vmimage_plan::definition::{Architecture, FLEET_FILE, Fleet, load_fleet};
use vmimage_plan::fleet::{FleetInventory, FleetPlan, FleetUserData, plan_fleet};
use vmimage_plan::sources::SourceFile;

use super::project::with;

#[expect(
    clippy::disallowed_methods,
    reason = "the crate is pure, the scenarios of its tests are files"
)]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the crate is pure, the scenarios of its tests are files"
)]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// User data in an inventory is written `current ROLE` where it is what this version makes, and in a
/// plan it is shown like that, so that a change of the engine is no change of the scenarios.
fn user_data(data: &FleetUserData, role: Role) -> (String, String, String) {
    let id = data.of(role).id();
    let name = format!("current {}", role.as_str());
    let written = format!("{{ sha256 = \"{name}\", bytes = 0 }}");
    let found = format!("{{ sha256 = \"{}\", bytes = {} }}", id.sha256, id.bytes);
    let shown = format!("{} bytes, sha256 {}", id.bytes, &id.sha256[..12]);
    (written, found, shown)
}

fn folder(scenario: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fleet");
    tests.join(scenario)
}

fn plan(scenario: &str) -> FleetPlan {
    let (fleet, data, inventory) = load(scenario);
    plan_fleet(&fleet, &data, &inventory)
}

pub(crate) fn load(scenario: &str) -> (Fleet, FleetUserData, FleetInventory) {
    let mut sources = with(&[]);
    let bytes = read(&folder(scenario).join("fleet.toml")).into_bytes();
    let executable = false;
    sources.insert(FLEET_FILE, SourceFile { bytes, executable });
    let (fleet, problems) = load_fleet(&sources, FLEET_FILE);
    assert_eq!(problems, []);
    let fleet = fleet.unwrap();
    let data = FleetUserData::new(&fleet, &[], &[], Architecture::X86_64).unwrap();
    let mut inventory = read(&folder(scenario).join("inventory.toml"));
    for role in Role::ALL {
        let (written, found, _) = user_data(&data, role);
        inventory = inventory.replace(&written, &found);
    }
    (fleet, data, toml::from_str(&inventory).unwrap())
}

#[track_caller]
fn check(scenario: &str) -> FleetPlan {
    let (fleet, data, inventory) = load(scenario);
    let plan = plan_fleet(&fleet, &data, &inventory);
    let mut text = plan.render_text();
    for role in Role::ALL {
        let (_, _, shown) = user_data(&data, role);
        text = text.replace(&shown, &format!("current {}", role.as_str()));
    }
    let path = folder(scenario).join("plan.txt");
    if std::env::var_os("UPDATE").is_some() {
        write(&path, &text);
    }
    assert_eq!(text, read(&path), "UPDATE=1 writes {}", path.display());
    plan
}

#[test]
fn a_first_apply_makes_everything() {
    let plan = check("first");
    assert!(!plan.is_empty());
    assert_eq!(
        plan,
        self::plan("first"),
        "the same inputs give the same plan"
    );
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["format"], 1);
    let template = &json["regions"][0]["steps"][2]["action"];
    assert_eq!(template["call"], "create-launch-template");
    assert_eq!(template["version"]["data"]["instance-type"], "t3.medium");
    assert_eq!(
        template["version"]["user-data"],
        serde_json::Value::Null,
        "the bytes are not printed"
    );
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    assert!(check("nothing").is_empty());
}

#[test]
fn what_differs_is_changed_and_nothing_else() {
    check("changes");
}

#[test]
fn what_cannot_be_planned_is_said_for_each_region() {
    let plan = check("problems");
    assert_eq!(plan.problems().count(), 7);
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(
        json["regions"][0]["problem"]["causes"][0],
        "DescribeImages got no answer: timed out"
    );
}

#[test]
fn a_secret_that_the_primary_region_may_have_is_not_made_up() {
    let (fleet, data, mut inventory) = load("problems");
    for region in &mut inventory.regions {
        if let Ok(found) = &mut region.found {
            found.parameters.clear();
        }
    }
    let plan = plan_fleet(&fleet, &data, &inventory);
    let problem = plan.regions[4].problem.as_ref().unwrap();
    assert_eq!(
        problem.to_string(),
        "whether `/vmimage/hosting/database/replication` exists is not known, because `us-east-1` cannot be read"
    );
    assert_eq!(plan.steps, []);
}
