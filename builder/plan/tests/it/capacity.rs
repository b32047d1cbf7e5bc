//! What a plan does and says of zones that do not offer an instance type, and of groups whose launches
//! fail.

use vmimage_plan::fleet::action::Action;
use vmimage_plan::fleet::inventory::{
    GroupInventory, LaunchInventory, RegionInventory, SecurityGroupInventory, SubnetInventory,
    VpcInventory,
};
use vmimage_plan::fleet::{FleetInventory, FleetPlan, Networks, plan_fleet};

use super::fleet::load;

/// EC2's words, as Auto Scaling repeats them.
const FULL: &str = "We currently do not have sufficient t3.medium capacity in the Availability Zone you requested (us-west-2a). Our system will be working on provisioning additional capacity. You can currently get t3.medium capacity by not specifying an Availability Zone in your request or choosing us-west-2b. Launching EC2 instance failed.";

/// The plan of a scenario whose only region has changed so.
fn plan(scenario: &str, change: impl FnOnce(&mut RegionInventory)) -> FleetPlan {
    let (fleet, data, mut inventory) = load(scenario);
    change(inventory.regions[0].found.as_mut().expect("it can be read"));
    plan_fleet(&fleet, &data, &inventory)
}

fn subnets(plan: &FleetPlan, group: &str) -> Vec<String> {
    let mut steps = plan.regions[0].steps.iter();
    let found = steps.find_map(|step| {
        if let Action::CreateGroup(new) = &step.action {
            return (new.name == group).then(|| new.subnets.clone());
        }
        let Action::UpdateGroup { name, changes } = &step.action else {
            return None;
        };
        (name == group).then(|| changes.subnets.clone())?
    });
    found.unwrap_or_default()
}

fn offer(found: &mut RegionInventory, instance_type: &str, zones: &[&str]) {
    let zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
    found.offerings.insert(instance_type.to_owned(), zones);
}

fn group<'a>(found: &'a mut RegionInventory, name: &str) -> &'a mut GroupInventory {
    let mut groups = found.groups.iter_mut();
    groups
        .find(|group| group.name == name)
        .expect("it is there")
}

/// The last launch of a group failed.
fn fail(group: &mut GroupInventory, zone: &str, instance: Option<&str>, failure: &str) {
    group.in_service = group.desired - 1;
    group.launched = instance.is_some();
    group.launches.push(LaunchInventory {
        zone: Some(zone.to_owned()),
        instance: instance.map(str::to_owned),
        failure: Some(failure.to_owned()),
        reason: None,
    });
}

#[track_caller]
fn check_shortfall(plan: &FleetPlan, message: &str, hint: &str) {
    let shortfalls: Vec<_> = plan.shortfalls().collect();
    assert_eq!(shortfalls.len(), 1, "{shortfalls:?}");
    let (region, shortfall) = shortfalls[0];
    assert_eq!(region, "us-west-2");
    assert_eq!(shortfall.message, message);
    assert_eq!(shortfall.hint.as_deref().unwrap_or_default(), hint);
    assert!(!plan.is_empty(), "there is something to do about it");
    let text = plan.render_text();
    assert!(text.contains(&format!("\n  ! {message}\n")), "{text}");
}

#[test]
fn zones_that_do_not_offer_a_type_are_left_out_and_named() {
    let plan = plan("first", |found| {
        offer(found, "t3.medium", &["us-west-2b"]);
        offer(found, "t3.large", &["us-west-2a", "us-west-2b"]);
    });
    assert_eq!(subnets(&plan, "hosting-web"), ["subnet-b"]);
    assert_eq!(subnets(&plan, "hosting-database-1"), ["subnet-b"]);
    assert_eq!(subnets(&plan, "hosting-database-2"), ["subnet-b"]);
    assert_eq!(subnets(&plan, "hosting-storage-1"), ["subnet-a"]);
    assert_eq!(
        subnets(&plan, "hosting-monitoring"),
        ["subnet-a", "subnet-b"]
    );
    assert_eq!(
        plan.regions[0].notes,
        ["`us-west-2a` does not offer `t3.medium`: left out for web, api, database"]
    );
}

#[test]
fn a_type_that_no_zone_of_the_fleet_offers_is_a_problem() {
    let said = |zones: &[&str]| {
        let plan = plan("first", |found| offer(found, "t3.large", zones));
        let problem = plan.regions[0].problem.clone().expect("there is one");
        (problem.to_string(), problem.hint().unwrap_or_default())
    };
    let message = "no subnet of the fleet in `us-west-2` lies in a zone that offers `t3.large`, the instance type of storage";
    let hint = "set another `instance-type` in `[role.storage]`";
    assert_eq!(said(&[]), (message.to_owned(), hint.to_owned()));
    let hint = format!("{hint}, or have a subnet in `us-west-2c`");
    assert_eq!(said(&["us-west-2c"]), (message.to_owned(), hint));
}

#[test]
fn a_slot_whose_volume_lies_where_its_type_is_not_offered_is_said() {
    let plan = plan("nothing", |found| {
        offer(found, "t3.medium", &["us-west-2b"]);
        let web = group(found, "hosting-web");
        web.subnets = vec!["subnet-b".to_owned()];
        group(found, "hosting-api").subnets = vec!["subnet-b".to_owned()];
        group(found, "hosting-database-1").launched = true;
    });
    assert_eq!(plan.step_count(), 0, "{}", plan.render_text());
    check_shortfall(
        &plan,
        "slot 1 of database cannot have an instance: its data volume `vol-database-1` lies in `us-west-2a`, which does not offer `t3.medium`",
        "`vol-database-1` holds the slot's data and keeps it in `us-west-2a`: set an `instance-type` in `[role.database]` that `us-west-2a` has",
    );
}

#[test]
fn a_slot_whose_empty_volume_lies_in_a_full_zone_is_said_with_the_way_out() {
    let stuck = |found: &mut RegionInventory| {
        fail(group(found, "hosting-database-1"), "us-west-2a", None, FULL);
    };
    let said = plan("nothing", stuck);
    check_shortfall(
        &said,
        &format!("Auto Scaling group `hosting-database-1` has 0 of 1 instances in service: {FULL}"),
        "wait until `us-west-2a` has room, or set an `instance-type` in `[role.database]` that `us-west-2a` has; no instance of this slot has ever started, so the volume is empty: `aws ec2 delete-volume --region us-west-2 --volume-id vol-database-1`, then apply again, puts the slot into another zone",
    );
    assert_eq!(
        said.summary(),
        "nothing to change, 22 objects are as they should be, 1 shortfall"
    );
    // That way out: without its volume the slot leaves the zone.
    let moved = plan("nothing", |found| {
        stuck(found);
        found.volumes.retain(|volume| volume.id != "vol-database-1");
    });
    assert_eq!(subnets(&moved, "hosting-database-1"), ["subnet-b"]);
    assert_eq!(moved.shortfalls().count(), 0);
    let mut steps = moved.regions[0].steps.iter();
    let volume = steps.any(
        |step| matches!(&step.action, Action::CreateVolume { zone, .. } if zone == "us-west-2b"),
    );
    assert!(volume, "{}", moved.render_text());
}

#[test]
fn a_volume_that_may_hold_data_is_not_called_empty() {
    let plan = plan("nothing", |found| {
        let slot = group(found, "hosting-database-1");
        fail(slot, "us-west-2a", None, FULL);
        slot.launched = true;
    });
    let (_, shortfall) = plan.shortfalls().next().expect("there is one");
    assert_eq!(
        shortfall.hint.as_deref(),
        Some(
            "`vol-database-1` holds the slot's data and keeps it in `us-west-2a`: wait until `us-west-2a` has room, or set an `instance-type` in `[role.database]` that `us-west-2a` has"
        )
    );
}

#[test]
fn a_slot_of_full_zones_only_stays_where_it_is() {
    let plan = plan("nothing", |found| {
        let slot = group(found, "hosting-database-1");
        fail(slot, "us-west-2a", None, FULL);
        fail(slot, "us-west-2b", None, FULL);
        found.volumes.retain(|volume| volume.id != "vol-database-1");
    });
    assert_eq!(subnets(&plan, "hosting-database-1"), [""; 0], "not changed");
}

#[test]
fn a_failed_launch_is_told_in_the_nodes_own_words_where_there_are_some() {
    let abandoned = "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token 1 was abandoned: Lifecycle Action Completed with ABANDON Result";
    let of_web = |reason: Option<&str>| {
        plan("nothing", |found| {
            let web = group(found, "hosting-web");
            fail(web, "us-west-2a", Some("i-1"), abandoned);
            web.launches[0].reason = reason.map(str::to_owned);
        })
    };
    check_shortfall(
        &of_web(None),
        &format!("Auto Scaling group `hosting-web` has 1 of 2 instances in service: {abandoned}"),
        "what the node said is on its console: `aws ec2 get-console-output --region us-west-2 --instance-id i-1`",
    );
    check_shortfall(
        &of_web(Some("database's writer: nobody has claimed it")),
        "Auto Scaling group `hosting-web` has 1 of 2 instances in service: `i-1` did not become a node: database's writer: nobody has claimed it",
        "",
    );
    // A later launch that succeeded says that all is well, and so does a full group.
    let well = plan("nothing", |found| {
        let web = group(found, "hosting-web");
        fail(web, "us-west-2a", Some("i-1"), abandoned);
        web.in_service = web.desired;
    });
    assert!(well.is_empty());
}

fn give_ranges(inventory: &mut FleetInventory) {
    for (index, ranges) in [
        (3, vec!["10.3.0.0/16"]),
        (4, vec!["172.31.0.0/16", "100.64.0.0/16"]),
        (5, vec!["172.31.0.0/16"]),
    ] {
        let found = &mut inventory.regions[index].found;
        found
            .as_mut()
            .expect("it can be read")
            .vpcs
            .push(VpcInventory {
                id: "vpc-1".to_owned(),
                ranges: ranges.into_iter().map(str::to_owned).collect(),
            });
    }
}

#[test]
fn the_ranges_of_all_regions_are_noted_and_survive_a_region_that_cannot_be_read() {
    let (fleet, data, mut inventory) = load("problems");
    give_ranges(&mut inventory);
    let ranges = |inventory: &FleetInventory| {
        let ranges = Networks::of(&fleet, inventory).ranges();
        ranges.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        ranges(&inventory),
        ["100.64.0.0/16", "172.31.0.0/16"],
        "us-west-2 has no subnet"
    );
    let found = inventory.regions[3].found.as_mut().expect("it can be read");
    found.subnets.push(SubnetInventory {
        id: "subnet-1".to_owned(),
        vpc: "vpc-1".to_owned(),
        zone: "us-west-2a".to_owned(),
        tagged: true,
    });
    found.security_groups.push(SecurityGroupInventory {
        id: "sg-1".to_owned(),
        vpc: "vpc-1".to_owned(),
        tagged: false,
    });
    // An earlier apply has noted what us-east-1, which does not answer, has, and a region that is no more.
    let noted = "ap-south-1=10.9.0.0/16 eu-west-1=10.8.0.0/16 us-east-1=10.1.0.0/16";
    let parameter = vmimage_plan::fleet::inventory::ParameterInventory {
        value: Some(noted.to_owned()),
        data_type: "text".to_owned(),
    };
    let found = inventory.regions[4].found.as_mut().expect("it can be read");
    found
        .parameters
        .insert("/vmimage/hosting/networks".to_owned(), parameter);
    assert_eq!(
        ranges(&inventory),
        [
            "10.1.0.0/16",
            "10.3.0.0/16",
            "100.64.0.0/16",
            "172.31.0.0/16"
        ]
    );
    inventory.bucket = vmimage_plan::fleet::inventory::BucketObservation::Missing;
    let text = plan_fleet(&fleet, &data, &inventory).render_text();
    let step = format!(
        "  ~ parameter `/vmimage/hosting/networks`\n      networks: {noted} -> eu-central-1=172.31.0.0/16 eu-west-1=100.64.0.0/16,172.31.0.0/16 us-east-1=10.1.0.0/16 us-west-2=10.3.0.0/16\n"
    );
    assert!(text.contains(&step), "{text}");
    assert!(
        text.contains("  ? `eu-west-1` has addresses that `eu-central-1` has too: nodes of one cannot reach nodes of the other, so give the fleet VPCs of different ranges\n"),
        "{text}"
    );
}
