//! Whatever step fails, before or after its effect, the next run ends as if nothing had.

use vmimage_plan::definition::Fleet;
use vmimage_plan::fleet::FleetInventory;

use super::account::{Account, FLEET, Fault, fleet};

/// Fails at every step of an apply of `wanted` in what `prepare` makes, and runs again.
fn check(wanted: &Fleet, prepare: impl Fn() -> Account, steps: usize) {
    let whole = prepare();
    assert_eq!(whole.plan(wanted).step_count(), steps);
    let report = whole.apply(wanted, None);
    assert_eq!((report.failures.len(), report.done.len()), (0, steps));
    assert!(whole.plan(wanted).is_empty(), "a second apply does nothing");
    let end = sorted(&whole);
    for step in 0..steps {
        for fault in [Fault::Before(step), Fault::After(step)] {
            let account = prepare();
            let report = account.apply(wanted, Some(fault));
            assert_eq!(report.failures.len(), 1, "{fault:?}");
            let tried = report.done.len() + report.left.len() + 1;
            assert_eq!(tried, steps, "{fault:?}: every step is in the report");
            let report = account.apply(wanted, None);
            assert_eq!(report.failures.len(), 0, "{fault:?}");
            assert!(account.plan(wanted).is_empty(), "{fault:?}");
            assert_eq!(sorted(&account), end, "{fault:?}");
        }
    }
}

/// What an account has, in an order that does not tell how it came there.
fn sorted(account: &Account) -> FleetInventory {
    let mut inventory = account.inventory.borrow().clone();
    for region in &mut inventory.regions {
        let found = region.found.as_mut().expect("it can be read");
        found.groups.sort_by(|a, b| a.name.cmp(&b.name));
        found.templates.sort_by(|a, b| a.name.cmp(&b.name));
        found.target_groups.sort_by(|a, b| a.name.cmp(&b.name));
        found.volumes.sort_by(|a, b| a.id.cmp(&b.id));
    }
    inventory
}

#[test]
fn a_first_apply_that_fails_anywhere_is_finished_by_the_next() {
    let wanted = fleet(FLEET);
    // The bucket's three, the secret and its copy; in each region the pointer, the networks, two target groups,
    // five templates, three groups without slots, two and three slots with a volume each.
    check(
        &wanted,
        || Account::new(&wanted),
        3 + 2 + 2 * (2 + 2 + 5 + 3 + 5 * 2),
    );
}

#[test]
fn a_change_that_fails_anywhere_is_finished_by_the_next() {
    let before = fleet(FLEET);
    let after = FLEET.replace(
        "[role.database]\n",
        "[role.web]\ninstance-type = \"m7i.large\"\nmin = 3\nhealth.every-secs = 20\nhealth.at-most-secs = 400\n\n[role.database]\n",
    );
    let prepare = || {
        let account = Account::new(&before);
        assert_eq!(account.apply(&before, None).failures.len(), 0);
        account.change("us-west-2", |found| {
            let group = &mut found.groups[1];
            group.launch_hooks.clear();
            group.target_groups.clear();
            group
                .tags
                .insert("vmimage:domain".to_owned(), "example.com".to_owned());
            group.unpropagated.insert("vmimage:role".to_owned());
        });
        account
    };
    // In each region the target group, the template and the group of the web; in one of them the
    // hook, the target group and the tags of the api.
    check(&fleet(&after), prepare, 2 * 3 + 3);
}

#[test]
fn a_changed_instance_type_makes_a_version_of_that_template_only() {
    let before = fleet(FLEET);
    let account = Account::new(&before);
    assert_eq!(account.apply(&before, None).failures.len(), 0);
    let after = fleet(&FLEET.replace(
        "[role.database]\n",
        "[role.database]\ninstance-type = \"r7i.large\"\n",
    ));
    let report = account.apply(&after, None);
    let objects: Vec<&str> = report
        .done
        .iter()
        .map(|step| step.object.as_str())
        .collect();
    let expected = [
        "launch template `hosting-database`, a version after 1",
        "Auto Scaling group `hosting-database-1`",
        "Auto Scaling group `hosting-database-2`",
    ];
    assert_eq!(objects, [expected, expected].concat());
    for region in &account.inventory.borrow().regions {
        for group in &region.found.as_ref().unwrap().groups {
            let expected = if group.name.contains("database") {
                "2"
            } else {
                "1"
            };
            assert_eq!(group.version, expected, "{}", group.name);
        }
    }
    // Back again: what version 1 said is not in use any more, so a third one says it.
    let report = account.apply(&before, None);
    assert_eq!(report.done[0].outcome, "version 3");
}
