//! Owns the node's report: one small JSON document in the cluster's state. And what is left to do when
//! a launch has failed.

use firstboot::program::flag;

use super::claim::put;
use super::{Field, Operation, joined, raw, text};
use crate::definition::{BootStep, Template};

/// The fact that holds the members that steps added.
pub(in super::super) const MEMBERS: &str = "vmimage.members";
const DOCUMENT: &str = "vmimage.report";
const UNREADY: &str = "vmimage.unready";

/// What a member says of a node that is not what it should be.
const NOT_READY: &str = "\"ready\":false";

/// How long a report may take, in seconds.
const REPORT_SECS: u16 = 30;

/// How long the stopping of units may take, in seconds; nothing waits for their end.
const STOP_SECS: u16 = 10;

/// Adds members to the report.
pub(super) fn members(step: &BootStep, members: &Template) -> Vec<Operation> {
    let more = joined([text(","), members.clone()]);
    let set = Operation::set(MEMBERS, more).flags(flag::APPEND);
    vec![set.title(&step.name)]
}

/// Writes the report; `flags` says on which occasion. Its state is `unready` while a member says that
/// something of the node is not what it should be.
pub(in super::super) fn report_of(flags: u8) -> Vec<Operation> {
    let mut operations = Vec::new();
    let mut state = "{{outcome}}".to_owned();
    if flags == flag::REPORT {
        let mut look = Operation::run(vec![Template::text("cat")], raw(MEMBERS));
        look.fields.push(Field::Text(Template::text(NOT_READY)));
        operations.push(look.sets(&[UNREADY]).flags(flag::MAY_FAIL));
        state.insert_str(0, &format!("{{{{#if {UNREADY}}}}}un{{{{/if}}}}"));
    }
    let document = joined([
        text(&format!("{{\"format\":1,\"state\":\"{state}\",")),
        text(
            "\"reason\":{{reason|json}},\"time\":\"{{time}}\",\"instance\":\"{{instance}}\",\"role\":\"{{role}}\",\"slot\":\"{{slot}}\",\"region\":\"{{region}}\",\"zone\":\"{{zone}}\",\"address\":\"{{address}}\",\"image\":\"{{image}}\",\"program\":\"{{program}}\"",
        ),
        raw(MEMBERS),
        text("}\n"),
    ]);
    let key = text("{{region}}/nodes/{{instance}}.json");
    operations.extend([Operation::set(DOCUMENT, document), put(key, DOCUMENT, None)]);
    let flagged = operations.into_iter();
    flagged
        .map(|operation| {
            operation
                .flags(flags)
                .at_most_secs(REPORT_SECS)
                .title(" report")
        })
        .collect()
}

/// Stops what was started: a node that is half configured serves nobody.
pub(in super::super) fn stop(units: Vec<Template>) -> Operation {
    let stop = ["systemctl", "stop", "--no-block"].map(Template::text);
    Operation::run([stop.to_vec(), units].concat(), Template::default())
        .flags(flag::FAILED | flag::MAY_FAIL)
        .at_most_secs(STOP_SECS)
        .title(" stop")
}
