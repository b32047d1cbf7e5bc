//! Owns claims: an object of the cluster's state that one node holds. S3 decides who wrote first; an
//! epoch counts how often the holder changed.

use firstboot::program::flag;

use super::{Operation, joined, raw, text};
use crate::definition::{BootStep, Condition, Template};

/// The object `key` of the cluster's state.
pub(super) fn object(key: Template) -> Template {
    joined([text("{{state}}/"), key])
}

/// What S3 wants of requests whose body is not signed: Debian 12's curl does not say so by itself.
const UNSIGNED: &str = "header = \"x-amz-content-sha256: UNSIGNED-PAYLOAD\"\n";

/// A request that puts the text of the fact `document` there, with a header if a fact holds it.
pub(super) fn put(key: Template, document: &str, header: Option<&str>) -> Operation {
    // curl's configuration quotes as JSON does.
    let header = header.map(|fact| format!("header = {{{{{fact}|json}}}}\n"));
    let header = header.unwrap_or_default();
    let lines = text(&format!(
        "{UNSIGNED}request = PUT\nheader = \"content-type: application/json\"\n{header}data-raw = {{{{{document}|json}}}}\n"
    ));
    Operation::request("s3", "{{primary}}", object(key), lines, &[])
}

pub(super) fn claim(
    step: &BootStep,
    key: &Template,
    token: &Template,
    may_claim: &[Condition],
) -> Vec<Operation> {
    let name = step.sets.as_deref().unwrap_or_default();
    let fact = |of: &str| format!("{name}.{of}");
    let [status, mine, instance, address, region, epoch, held, etag] = [
        "status", "mine", "instance", "address", "region", "epoch", "token", "etag",
    ]
    .map(fact);
    let [known, heir, go, document, header] =
        ["known", "heir", "go", "document", "header"].map(fact);
    let is = |fact: &str| text(&format!("{{{{{fact}}}}}"));
    let about = joined([text("a holder of "), key.clone()]);
    let get = Operation::request(
        "s3",
        "{{primary}}",
        object(key.clone()),
        text(UNSIGNED),
        &["instance", "address", "region", "epoch", "token", "<etag>"],
    );
    let facts = [&status, &instance, &address, &region, &epoch, &held, &etag];
    let facts = facts.map(String::as_str);
    let looked = [
        get.sets(&facts).flags(flag::ABSENT),
        Operation::compare(&known, is(&status), Template::text("200")),
        Operation::compare(&mine, is(&instance), text("{{instance}}")),
    ];
    let titled = Operation::set("", Template::default()).title(&step.name);
    if is_never(may_claim) {
        let wait = Operation::repeat(super::conditions(&[&known]), 3, about);
        return looked.into_iter().chain([wait, titled]).collect();
    }
    let mut first = Operation::set(&go, Template::text("1")).when(&[&format!("!{known}")]);
    first.when.extend(may_claim.iter().cloned());
    let written = document_of(&go, token);
    let precondition = text(&format!(
        "{{{{#if {known}}}}}if-match: {{{{{etag}}}}}{{{{/if}}}}{{{{#if !{known}}}}}if-none-match: *{{{{/if}}}}"
    ));
    let next = [text("expr"), is(&epoch), text("+"), text("1")];
    let claimed = [
        Operation::compare(&heir, is(&held), token.clone()),
        Operation::set(&go, Template::default()),
        first,
        // Whoever has what the holder had, and only one can have, succeeds it.
        Operation::run(next.to_vec(), Template::default())
            .sets(&[&go])
            .when(&[&held, &heir, &format!("!{mine}")]),
        Operation::set(&document, written).when(&[&go]),
        Operation::set(&header, precondition).when(&[&go]),
        // Whoever was faster is seen in the next round.
        put(key.clone(), &document, Some(&header))
            .flags(flag::ABSENT)
            .when(&[&go]),
        Operation::repeat(super::conditions(&[&known, &format!("!{go}")]), 10, about),
        titled,
    ];
    looked.into_iter().chain(claimed).collect()
}

/// Whether a node only looks who holds a claim: no instance is without an id.
fn is_never(may_claim: &[Condition]) -> bool {
    matches!(may_claim, [only] if only.negated && only.fact == "instance")
}

/// What the holder of a claim writes; `epoch` is a fact.
fn document_of(epoch: &str, token: &Template) -> Template {
    joined([
        text("{\"epoch\":"),
        raw(epoch),
        text(
            ",\"instance\":\"{{instance}}\",\"region\":\"{{region}}\",\"address\":\"{{address}}\",\"token\":\"",
        ),
        token.clone(),
        text("\"}"),
    ])
}
