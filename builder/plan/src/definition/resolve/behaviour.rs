//! Owns what recipes ask for beside files: packages, debconf answers, commands, units, seals, checks.

use toml::Spanned;

use super::Findings;
use super::recipe::Folder;
use crate::Diagnostic;
use crate::definition::glob::parse_glob;
use crate::definition::secrets::secret_in;
use crate::definition::similar::similar_name;
use crate::definition::syntax::{UNIT_STATES, absolute_path_problem, is_package, is_unit};
use crate::definition::written::{
    CheckDefinition, CommandDefinition, DebconfDefinition, SealDefinition, SealVerb,
    UnitsDefinition,
};
use crate::definition::{Check, CheckKind, Command, Debconf, PathState, Seal, SealAction, Units};

pub(super) fn resolve_package(
    written: &Spanned<String>,
    folder: &Folder<'_>,
    earlier: &[String],
    findings: &mut Findings,
) -> String {
    let package = folder.in_suite(written.get_ref());
    if !is_package(&package) {
        findings.report(
            written.span(),
            format!("`{}` is not a package name", written.get_ref()),
        );
    } else if earlier.contains(&package) {
        findings.report(
            written.span(),
            format!("package `{package}` is listed twice"),
        );
    }
    package
}

/// What debconf-set-selections(1) takes, without `password`: a password is a secret.
const DEBCONF_TYPES: [&str; 5] = ["string", "boolean", "select", "multiselect", "note"];

pub(super) fn resolve_debconf(written: DebconfDefinition, findings: &mut Findings) -> Debconf {
    let kind = written.kind.get_ref().as_str();
    if kind == "password" {
        findings.report(written.kind.span(), "a password in a definition");
    } else if !DEBCONF_TYPES.contains(&kind) {
        let hint = similar_name(kind, DEBCONF_TYPES);
        let message = format!(
            "`{kind}` is not a type of debconf: `{}`",
            DEBCONF_TYPES.join("`, `")
        );
        let hint = hint.map(|name| format!("a similar name exists: `{name}`"));
        findings.report_with_label(written.kind.span(), message, "unknown type", hint);
    }
    if written.value.get_ref().chars().any(char::is_control) {
        findings.report(written.value.span(), "the answer has more than one line");
    }
    let question = written.question.get_ref();
    if question.is_empty() || question.chars().any(char::is_whitespace) {
        findings.report(
            written.question.span(),
            format!("`{question}` is not a question"),
        );
    }
    Debconf {
        owner: findings.judged(&written.owner, is_package, "a package name"),
        question: written.question.into_inner(),
        kind: written.kind.into_inner(),
        value: written.value.into_inner(),
    }
}

pub(super) fn resolve_command(written: CommandDefinition, findings: &mut Findings) -> Command {
    Command {
        argv: resolve_argv("argv", written.argv, findings),
        reason: findings.sentence("reason", written.reason),
    }
}

fn resolve_argv(field: &str, argv: Spanned<Vec<String>>, findings: &mut Findings) -> Vec<String> {
    let span = argv.span();
    let argv = argv.into_inner();
    let nul = argv.iter().any(|argument| argument.contains('\0'));
    let problem = program_problem(field, argv.first().map(String::as_str));
    let problem = problem.or_else(|| nul.then(|| format!("`{field}` has a NUL character")));
    if let Some(problem) = problem {
        findings.report(span, problem);
    }
    argv
}

/// Why the list `field` cannot be run, judged by its program.
pub(super) fn program_problem(field: &str, program: Option<&str>) -> Option<String> {
    match program {
        None | Some("") => Some(format!("`{field}` names no program")),
        Some(program) if program.contains('/') && !program.starts_with('/') => {
            Some(format!("the program `{program}` is a relative path"))
        }
        Some(_) => None,
    }
}

pub(super) fn add_units(units: &mut Units, written: &UnitsDefinition, findings: &mut Findings) {
    let lists = [
        (&written.enable, "enabled"),
        (&written.disable, "disabled"),
        (&written.mask, "masked"),
    ];
    for (list, word) in lists {
        for text in list {
            let unit = text.get_ref();
            let earlier = [
                (&units.enable, "enabled"),
                (&units.disable, "disabled"),
                (&units.mask, "masked"),
            ]
            .into_iter()
            .find(|(list, _)| list.contains(unit));
            if !is_unit(unit) {
                findings.report_with_hint(
                    text.span(),
                    format!("`{unit}` is not a unit name"),
                    "write the unit with its type, for example `ssh.service`",
                );
            } else if let Some((_, earlier)) = earlier {
                findings.report(text.span(), format!("unit `{unit}` is {earlier} already"));
            }
            match word {
                "enabled" => units.enable.push(unit.clone()),
                "disabled" => units.disable.push(unit.clone()),
                _ => units.mask.push(unit.clone()),
            }
        }
    }
}

pub(super) fn resolve_seal(written: SealDefinition, findings: &mut Findings) -> Seal {
    let path = written.path.get_ref();
    if let Err(error) = parse_glob(path) {
        let mut problem =
            Diagnostic::new(&findings.file, Some(written.path.span()), error.to_string());
        problem.label = error.detail();
        findings.problems.push(problem);
    }
    let verb = *written.action.get_ref();
    if let Some(content) = &written.content {
        if verb != SealVerb::Write {
            findings.report(content.span(), "only the action `write` has `content`");
        } else if let Some(secret) = secret_in(content.get_ref().as_bytes()) {
            findings.report(content.span(), format!("{secret} in a definition"));
        }
    }
    if let Some(contains) = &written.contains {
        if verb != SealVerb::Forbid {
            findings.report(contains.span(), "only the action `forbid` has `contains`");
        } else if contains.get_ref().is_empty() {
            findings.report(
                contains.span(),
                "`contains` is empty: every file contains that",
            );
        }
    }
    let content = written.content.map(Spanned::into_inner);
    let action = match verb {
        SealVerb::Remove => SealAction::Remove,
        SealVerb::EmptyDirectory => SealAction::EmptyDirectory,
        SealVerb::Truncate => SealAction::Truncate,
        SealVerb::Write => {
            if content.is_none() {
                findings.report(written.action.span(), "the action `write` needs `content`");
            }
            SealAction::Write {
                content: content.unwrap_or_default(),
            }
        }
        SealVerb::Forbid => SealAction::Forbid {
            contains: written.contains.map(Spanned::into_inner),
        },
    };
    Seal {
        path: written.path.into_inner(),
        action,
        reason: findings.sentence("reason", written.reason),
    }
}

pub(super) fn resolve_check(written: CheckDefinition, findings: &mut Findings) -> Check {
    let CheckDefinition {
        reason,
        path,
        state,
        contains,
        unit,
        command,
    } = written;
    let span = reason.span();
    let kind = match (path, state, contains, unit, command) {
        (Some(path), Some(state), None, None, None) => CheckKind::Path {
            path: checked_path(path, findings),
            state: path_state(&state, findings),
        },
        (Some(path), None, Some(text), None, None) => CheckKind::Contains {
            path: checked_path(path, findings),
            text: text.into_inner(),
        },
        (None, Some(state), None, Some(unit), None) => CheckKind::Unit {
            unit: findings.judged(&unit, is_unit, "a unit name"),
            state: unit_state(state, findings),
        },
        (None, None, None, None, Some(argv)) => CheckKind::Command {
            argv: resolve_argv("command", argv, findings),
        },
        _ => {
            findings.report_with_hint(
                span,
                "the check does not say one thing to look at",
                "give `path` with `state`, `path` with `contains`, `unit` with `state`, or `command`",
            );
            CheckKind::Command { argv: Vec::new() }
        }
    };
    Check {
        kind,
        reason: findings.sentence("reason", reason),
    }
}

fn checked_path(path: Spanned<String>, findings: &mut Findings) -> String {
    if let Some(problem) = absolute_path_problem(path.get_ref()) {
        findings.report(
            path.span(),
            format!("the path `{}` {problem}", path.get_ref()),
        );
    }
    path.into_inner()
}

fn path_state(state: &Spanned<String>, findings: &mut Findings) -> PathState {
    match state.get_ref().as_str() {
        "present" => PathState::Present,
        "absent" => PathState::Absent,
        "empty" => PathState::Empty,
        other => {
            let message =
                format!("`{other}` is not a state of a path: `present`, `absent`, `empty`");
            findings.report(state.span(), message);
            PathState::Present
        }
    }
}

fn unit_state(state: Spanned<String>, findings: &mut Findings) -> String {
    let text = state.get_ref();
    if !UNIT_STATES.contains(&text.as_str()) {
        let hint = similar_name(text, UNIT_STATES);
        let hint = hint.map(|name| format!("a similar name exists: `{name}`"));
        let message = format!("`{text}` is not a state of a unit");
        findings.report_with_label(state.span(), message, "see systemctl(1), is-enabled", hint);
    }
    state.into_inner()
}
