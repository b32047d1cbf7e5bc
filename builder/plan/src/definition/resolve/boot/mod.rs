//! Owns the resolution of one step of a boot half: its kind, and what every kind has. What a kind has
//! of its own is in `actions`.

mod actions;
mod texts;

use std::ops::Range;

use firstboot::Role;
use firstboot::program::CLAIM_FACTS;
use toml::Spanned;

use self::texts::Texts;
use super::Findings;
use super::facts::{FactSet, StepFacts, is_known};
use super::recipe::Folder;
use crate::definition::BootAction;
use crate::definition::boot::{BootKind, BootStep, Stage};
use crate::definition::defaults;
use crate::definition::similar::similar_name;
use crate::definition::template::is_fact_name;
use crate::definition::written::{BootStepDefinition, Words};

/// The console shows a step's name behind what happens to it, on one line.
const NAME_AT_MOST: usize = 60;

/// The longest that a step may take.
const DEADLINE_AT_MOST_SECS: u32 = 3_600;

/// What stands before the names of the facts that hold secrets.
pub(super) const SECRET: &str = "secret.";

/// Resolves one `[[boot]]`; `None` when it does not say what to do.
pub(super) fn resolve_step(
    written: &BootStepDefinition,
    folder: &Folder<'_>,
    findings: &mut Findings,
) -> Option<BootStep> {
    let kind = resolve_kind(written, findings);
    let roles = resolve_roles(&written.roles, findings);
    let name = resolve_name(&written.name, findings);
    let kind = kind?;
    check_keys(kind, written, findings);
    let stage = resolve_stage(kind, written.stage.as_ref(), findings);
    let deadline_secs = resolve_deadline(kind, written.at_most_secs.as_ref(), findings);
    let mut texts = Texts::new(folder, findings, written.each.is_some());
    let when = texts.conditions(&written.when);
    let each = written.each.as_ref().map(|list| texts.list(list));
    let action = actions::resolve(kind, written, &mut texts);
    let uses = texts.into_uses();
    let sets = resolve_sets(kind, written, &action, findings);
    findings.steps.push(StepFacts {
        roles: roles.clone(),
        stage,
        uses,
        sets,
        passes_on: matches!(action, BootAction::Set { equals: None, .. }),
    });
    Some(BootStep {
        name,
        roles,
        stage,
        when,
        each,
        sets: written.sets.as_ref().map(|text| text.get_ref().clone()),
        deadline_secs,
        action,
    })
}

/// The kinds whose keys are there, each with its place.
fn kinds(written: &BootStepDefinition) -> Vec<(BootKind, Range<usize>)> {
    let text = |written: &Option<Spanned<String>>| written.as_ref().map(Spanned::span);
    let words = |written: &Option<Words>| written.as_ref().map(Spanned::span);
    let report = text(&written.report).or_else(|| text(&written.report_content));
    let places = BootKind::ALL.map(|kind| {
        let place = match kind {
            BootKind::Write => text(&written.write),
            BootKind::Run => words(&written.run),
            BootKind::Wait => words(&written.wait),
            BootKind::Claim => text(&written.claim),
            BootKind::Secrets => words(&written.secrets),
            BootKind::Peers => text(&written.peers),
            BootKind::Volume => text(&written.volume),
            BootKind::Start => words(&written.start),
            BootKind::Set => text(&written.set),
            BootKind::Report => report.clone(),
        };
        place.map(|place| (kind, place))
    });
    places.into_iter().flatten().collect()
}

fn resolve_kind(written: &BootStepDefinition, findings: &mut Findings) -> Option<BootKind> {
    let kinds = kinds(written);
    match &kinds[..] {
        [(kind, _)] => return Some(*kind),
        [] => findings.report_with_hint(
            written.name.span(),
            "the step does not say what to do",
            format!(
                "give one of `{}`",
                BootKind::ALL.map(BootKind::as_str).join("`, `")
            ),
        ),
        [(first, _), (second, place), ..] => findings.report_with_hint(
            place.clone(),
            format!(
                "the step has both `{}` and `{}`",
                first.as_str(),
                second.as_str()
            ),
            "write two steps",
        ),
    }
    None
}

/// A key that not all kinds have.
struct OwnKey {
    name: &'static str,
    of: &'static [BootKind],
    place: Option<Range<usize>>,
}

/// The keys that not all kinds have.
fn own_keys(written: &BootStepDefinition) -> Vec<OwnKey> {
    use BootKind::{Claim, Peers, Run, Secrets, Set, Start, Volume, Wait, Write};
    const SETTING: &[BootKind] = &[Write, Run, Wait, Claim, Peers, Volume, Set];
    const WAITING: &[BootKind] = &[Run, Wait, Claim, Secrets, Peers, Volume, Start];
    let text = |name, of, written: &Option<Spanned<String>>| OwnKey {
        name,
        of,
        place: written.as_ref().map(Spanned::span),
    };
    let words = |name, of, written: &Option<Words>| OwnKey {
        name,
        of,
        place: written.as_ref().map(Spanned::span),
    };
    let truth = |name, of, written: &Option<Spanned<bool>>| OwnKey {
        name,
        of,
        place: written.as_ref().map(Spanned::span),
    };
    vec![
        text("as", SETTING, &written.sets),
        text("template", &[Write], &written.template),
        text("content", &[Write], &written.content),
        text("format", &[Write, Run, Wait], &written.format),
        text("mode", &[Write], &written.mode),
        text("owner", &[Write], &written.owner),
        words("unless", &[Run], &written.unless),
        truth("always", &[Run], &written.always),
        text("expect", &[Wait], &written.expect),
        text("stdin", &[Run, Wait], &written.stdin),
        text("stdin-template", &[Run, Wait], &written.stdin_template),
        text("token", &[Claim], &written.token),
        words("may-claim", &[Claim], &written.may_claim),
        text("regions", &[Peers], &written.regions),
        text("at-least", &[Peers], &written.at_least),
        truth("self", &[Peers], &written.include_self),
        text("filesystem", &[Volume], &written.filesystem),
        text("equals", &[Set], &written.equals),
        OwnKey {
            name: "at-most-secs",
            of: WAITING,
            place: written.at_most_secs.as_ref().map(Spanned::span),
        },
    ]
}

/// Every key that not all kinds have must be one of this kind's.
fn check_keys(kind: BootKind, written: &BootStepDefinition, findings: &mut Findings) {
    for key in own_keys(written) {
        if let Some(place) = key.place.filter(|_| !key.of.contains(&kind)) {
            let message = format!("a `{}` step has no `{}`", kind.as_str(), key.name);
            findings.report(place, message);
        }
    }
    if let (Some(_), Some(always)) = (&written.unless, &written.always) {
        let message = "the step has both `unless` and `always`";
        findings.report_with_hint(
            always.span(),
            message,
            "a step with `unless` is looked at at every boot; leave `always` out",
        );
    }
}

fn resolve_roles(written: &Words, findings: &mut Findings) -> Vec<Role> {
    let mut roles = Vec::new();
    if written.get_ref().is_empty() {
        findings.report_with_hint(
            written.span(),
            "`roles` is empty",
            "name the roles, or write `[\"*\"]` for every node",
        );
    }
    for text in written.get_ref() {
        let name = text.get_ref();
        if name == "*" {
            if written.get_ref().len() > 1 {
                findings.report(text.span(), "`*` is every role; name no other");
            }
            return Role::ALL.to_vec();
        }
        match Role::parse(name) {
            Some(role) if roles.contains(&role) => {
                findings.report(text.span(), format!("role `{name}` is listed twice"));
            }
            Some(role) => roles.push(role),
            None => report_role(text, findings),
        }
    }
    roles
}

/// There is no such role.
fn report_role(text: &Spanned<String>, findings: &mut Findings) {
    let names = Role::ALL.map(Role::as_str);
    let hint = similar_name(text.get_ref(), names)
        .map(|name| format!("a role with a similar name exists: `{name}`"));
    findings.report_with_label(
        text.span(),
        format!("no role named `{}`", text.get_ref()),
        format!("the roles are `{}`", names.join("`, `")),
        hint,
    );
}

fn resolve_name(written: &Spanned<String>, findings: &mut Findings) -> String {
    let name = findings.sentence("name", written.clone());
    if name.chars().count() > NAME_AT_MOST {
        let message = format!("`name` is longer than {NAME_AT_MOST} characters");
        findings.report(written.span(), message);
    }
    if name.contains("{{") {
        findings.report(written.span(), "`name` is shown as it is, without facts");
    }
    name
}

fn resolve_stage(
    kind: BootKind,
    written: Option<&Spanned<String>>,
    findings: &mut Findings,
) -> Stage {
    let Some(written) = written else {
        return if kind == BootKind::Report {
            Stage::Report
        } else {
            Stage::Configure
        };
    };
    let names = Stage::ALL.map(Stage::as_str);
    let found = Stage::ALL
        .into_iter()
        .find(|stage| stage.as_str() == written.get_ref());
    match found {
        None => {
            let hint = similar_name(written.get_ref(), names)
                .map(|name| format!("a similar name exists: `{name}`"));
            findings.report_with_label(
                written.span(),
                format!("no stage named `{}`", written.get_ref()),
                format!("the stages are `{}`", names.join("`, `")),
                hint,
            );
            Stage::Configure
        }
        Some(stage) => {
            if kind == BootKind::Report && stage != Stage::Report {
                findings.report(
                    written.span(),
                    "the node report is made in the stage `report`",
                );
            }
            stage
        }
    }
}

fn resolve_deadline(
    kind: BootKind,
    written: Option<&Spanned<u32>>,
    findings: &mut Findings,
) -> u16 {
    let Some(written) = written else {
        return defaults::deadline_secs(kind);
    };
    let secs = *written.get_ref();
    if !(1..=DEADLINE_AT_MOST_SECS).contains(&secs) {
        let message =
            format!("`at-most-secs` is not between 1 and {DEADLINE_AT_MOST_SECS}: {secs}");
        findings.report(written.span(), message);
    }
    u16::try_from(secs).unwrap_or_default()
}

/// The facts that a step sets.
fn resolve_sets(
    kind: BootKind,
    written: &BootStepDefinition,
    action: &BootAction,
    findings: &mut Findings,
) -> Vec<FactSet> {
    let file = findings.file.clone();
    let set = |fact: String, span: Range<usize>| FactSet {
        fact,
        kind,
        file: file.clone(),
        span,
    };
    if let (BootAction::Secrets { names }, Some(list)) = (action, &written.secrets) {
        let names = names.iter().map(|name| format!("{SECRET}{name}"));
        return names.map(|fact| set(fact, list.span())).collect();
    }
    let Some(fact) = &written.sets else {
        if matches!(kind, BootKind::Claim | BootKind::Set) {
            findings.report_with_hint(
                written.name.span(),
                format!("a `{}` step needs `as`", kind.as_str()),
                "name the fact that it sets",
            );
        }
        return Vec::new();
    };
    let name = fact.get_ref();
    if !is_fact_name(name) {
        findings.report_with_hint(
            fact.span(),
            format!("`{name}` is not the name of a fact"),
            "write lower-case letters, digits, `.` and `-`, a letter first, 60 at most",
        );
    } else if name.starts_with(SECRET) {
        findings.report(fact.span(), "only a `secrets` step sets facts of this name");
    }
    let facts = if kind == BootKind::Claim {
        CLAIM_FACTS.map(|of| format!("{name}.{of}")).to_vec()
    } else {
        vec![name.clone()]
    };
    if let Some(known) = facts.iter().find(|fact| is_known(fact)) {
        findings.report_with_hint(
            fact.span(),
            format!("`{known}` is a fact that every node has"),
            "give the fact another name",
        );
    }
    facts
        .into_iter()
        .map(|name| set(name, fact.span()))
        .collect()
}
