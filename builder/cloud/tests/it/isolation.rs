//! What a failure, a problem or an interrupt leaves out, and what it does not.

use std::sync::atomic::AtomicBool;

use vmimage_plan::fleet::inventory::Unreadable;

use super::account::{Account, FLEET, Fault, fleet};

#[test]
fn a_region_that_fails_does_not_stop_the_other() {
    let fleet = fleet(FLEET);
    let account = Account::new(&fleet);
    // The bucket's three steps and the secret come first; then the regions take turns.
    let report = account.apply(&fleet, Some(Fault::Before(4)));
    assert_eq!(report.failures[0].region, "us-west-2");
    assert!(report.left.iter().all(|left| left.region == "us-west-2"));
    let of = |region: &str| {
        report
            .done
            .iter()
            .filter(|step| step.region == region)
            .count()
    };
    assert_eq!((of("us-west-2"), of("us-east-1")), (0, 4 + 22));
    assert_eq!(report.left.len(), 22);
}

#[test]
fn what_every_region_needs_stops_all_of_them() {
    let fleet = fleet(FLEET);
    let account = Account::new(&fleet);
    let steps = account.plan(&fleet).step_count();
    let report = account.apply(&fleet, Some(Fault::Before(1)));
    assert_eq!(report.done.len(), 1);
    assert_eq!(report.left.len(), steps - 2);
    assert_eq!(
        report.failures[0].error.to_string(),
        "cannot do what was asked in `us-east-1`"
    );
}

#[test]
fn a_region_that_cannot_be_planned_is_reported_and_the_other_is_done() {
    let fleet = fleet(FLEET);
    let account = Account::new(&fleet);
    account.inventory.borrow_mut().regions[0].found = Err(Unreadable {
        message: "cannot read launch templates in `us-west-2`".to_owned(),
        causes: vec!["DescribeLaunchTemplates got no answer: timed out".to_owned()],
        hint: None,
    });
    let report = account.apply(&fleet, None);
    assert_eq!(report.done.len(), 4 + 22);
    let problem = &report.problems[0];
    assert_eq!(problem.region, "us-west-2");
    assert_eq!(problem.why.causes.len(), 1);
    assert!(
        !account.plan(&fleet).is_empty(),
        "a problem is something to do"
    );
}

#[test]
fn an_interrupt_leaves_everything_for_the_next_run() {
    let fleet = fleet(FLEET);
    let account = Account::new(&fleet);
    let plan = account.plan(&fleet);
    let report = account.execute(&plan, None, &AtomicBool::new(true));
    assert!(report.interrupted);
    assert_eq!(
        (report.done.len(), report.left.len()),
        (0, plan.step_count())
    );
}
