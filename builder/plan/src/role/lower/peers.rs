//! Owns finding the cluster's instances by their tags: every page, of one region or all.

use firstboot::Role;
use firstboot::program::flag;

use super::{Operation, conditions, joined, raw, script, text};
use crate::definition::{BootStep, Template};

/// Reads what EC2 says; it is in the image (recipes/firstboot-launch).
const LIST: &str = "/usr/lib/vmimage/peers";

/// Succeeds when its input has at least `$0` lines.
const COUNT: &str = "[ `grep -c .` -ge $0 ]";

const ENOUGH: &str = "vmimage.enough";
const BODY: &str = "vmimage.body";
const STATUS: &str = "vmimage.status";
const FOUND: &str = "vmimage.found";

/// Lines for curl that ask EC2 for what has the tags of the cluster and of `role`.
pub(super) fn describe(action: &str, role: &str, more: &str) -> Template {
    text(&format!(
        "data = \"Version=2016-11-15&Action={action}\"\ndata = \"Filter.1.Name=tag:vmimage:cluster&Filter.1.Value.1={{{{cluster}}}}&Filter.2.Name=tag:vmimage:role&Filter.2.Value.1={role}&{more}\"\n"
    ))
}

/// `scope` is whether all regions are looked at, and whether the node itself is among them.
pub(super) fn peers(
    step: &BootStep,
    role: Role,
    scope: (bool, bool),
    at_least: &Template,
) -> Vec<Operation> {
    let (all_regions, include_self) = scope;
    let lines = describe(
        "DescribeInstances",
        role.as_str(),
        "Filter.3.Name=instance-state-name&Filter.3.Value.1=pending&Filter.3.Value.2=running&MaxResults=100",
    );
    // An item of a list of words is its field `number`.
    let region = if all_regions {
        "{{.number}}"
    } else {
        "{{region}}"
    };
    let mut ask = Operation::request("ec2", region, Template::default(), lines, &["*"])
        .sets(&[STATUS, BODY])
        .flags(flag::PAGES | flag::APPEND);
    if all_regions {
        ask.each = Some("regions".to_owned());
    }
    let left_out = text(if include_self { "-" } else { "{{instance}}" });
    let found = step.sets.as_deref().unwrap_or(FOUND);
    let list = vec![Template::text(LIST), left_out];
    let clear = Operation::set(BODY, Template::default());
    let list = Operation::run(list, raw(BODY)).sets(&[found]);
    if at_least.literal() == Some("0") {
        return vec![clear, ask, list.title(&step.name)];
    }
    let count = script("sh", "-c", COUNT, vec![at_least.clone()]);
    let about = text(&format!(" nodes of role {}", role.as_str()));
    let about = joined([at_least.clone(), about]);
    vec![
        clear,
        ask,
        list,
        Operation::run(count, raw(found))
            .sets(&[ENOUGH])
            .flags(flag::MAY_FAIL),
        Operation::repeat(conditions(&[ENOUGH]), 4, about),
        Operation::set("", Template::default()).title(&step.name),
    ]
}
