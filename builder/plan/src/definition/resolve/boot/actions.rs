//! Owns the resolution of what a step does.

use firstboot::Role;
use toml::Spanned;

use super::super::behaviour::program_problem;
use super::report_role;
use super::texts::{Texts, shape};
use crate::definition::boot::{BootAction, BootKind};
use crate::definition::defaults;
use crate::definition::similar::similar_name;
use crate::definition::syntax::{
    absolute_path_problem, is_account, is_secret_name, is_unit, parse_mode, relative_path_problem,
};
use crate::definition::template::{Quote, Template};
use crate::definition::written::{BootStepDefinition, Words};

/// Where every process of a node can see it.
const ARGUMENTS: &str = "an argument list, which every process can read";

/// What a step of `kind` does.
pub(super) fn resolve(
    kind: BootKind,
    written: &BootStepDefinition,
    texts: &mut Texts<'_>,
) -> BootAction {
    match kind {
        BootKind::Write => resolve_write(written, texts),
        BootKind::Run => BootAction::Run {
            argv: argv("run", written.run.as_ref(), texts),
            stdin: stdin(written, texts),
            unless: argv("unless", written.unless.as_ref(), texts),
            always: written
                .always
                .as_ref()
                .is_some_and(|always| *always.get_ref()),
        },
        BootKind::Wait => BootAction::Wait {
            argv: argv("wait", written.wait.as_ref(), texts),
            stdin: stdin(written, texts),
            expect: optional(written.expect.as_ref(), texts),
        },
        BootKind::Claim => resolve_claim(written, texts),
        BootKind::Secrets => resolve_secrets(written.secrets.as_ref(), texts),
        BootKind::Peers => resolve_peers(written, texts),
        BootKind::Volume => resolve_volume(written, texts),
        BootKind::Start => BootAction::Start {
            units: resolve_units(written.start.as_ref(), texts),
        },
        BootKind::Set => BootAction::Set {
            text: optional(written.set.as_ref(), texts),
            equals: (written.equals.as_ref()).map(|text| texts.inline(text, Quote::Plain, None)),
        },
        BootKind::Report => BootAction::Report {
            members: one_of(
                ("report", written.report.as_ref()),
                ("report-content", written.report_content.as_ref()),
                Quote::Json,
                Some("the node report"),
                texts,
            ),
        },
    }
}

/// A text in the definition that may be left out.
fn optional(written: Option<&Spanned<String>>, texts: &mut Texts<'_>) -> Template {
    written.map_or_else(Template::default, |text| {
        texts.inline(text, Quote::Plain, None)
    })
}

/// The template of a file, or the text in the definition; not both.
fn one_of(
    file: (&str, Option<&Spanned<String>>),
    text: (&str, Option<&Spanned<String>>),
    quote: Quote,
    shown: Option<&'static str>,
    texts: &mut Texts<'_>,
) -> Template {
    match (file.1, text.1) {
        (Some(path), None) => texts.of_file(path, quote, shown),
        (None, Some(text)) => texts.inline(text, quote, shown),
        (None, None) => Template::default(),
        (Some(_), Some(second)) => {
            let message = format!("the step has both `{}` and `{}`", file.0, text.0);
            texts.findings.report(second.span(), message);
            Template::default()
        }
    }
}

/// The names of the formats, and how values are quoted in each.
const FORMATS: [(&str, Quote); 7] = [
    ("plain", Quote::Plain),
    ("sql", Quote::Sql),
    ("shell", Quote::Shell),
    ("json", Quote::Json),
    ("ini", Quote::Plain),
    ("option-file", Quote::OptionFile),
    ("environment", Quote::Environment),
];

fn format(written: Option<&Spanned<String>>, texts: &mut Texts<'_>) -> Quote {
    let Some(written) = written else {
        return Quote::Plain;
    };
    let format = FORMATS.iter().find(|(name, _)| name == written.get_ref());
    if format.is_none() {
        let names = FORMATS.map(|(name, _)| name);
        let hint = similar_name(written.get_ref(), names)
            .map(|name| format!("a similar name exists: `{name}`"));
        texts.findings.report_with_label(
            written.span(),
            format!("no format named `{}`", written.get_ref()),
            format!("the formats are `{}`", names.join("`, `")),
            hint,
        );
    }
    format.map_or(Quote::Plain, |(_, quote)| *quote)
}

fn resolve_write(written: &BootStepDefinition, texts: &mut Texts<'_>) -> BootAction {
    let mode = mode(written.mode.as_ref(), texts);
    let owner = owner(written.owner.as_ref(), texts);
    let path = optional(written.write.as_ref(), texts);
    if let (Some(text), Some(problem)) = (&written.write, absolute_path_problem(&shape(&path))) {
        let message = format!("the path `{}` {problem}", text.get_ref());
        texts.findings.report(text.span(), message);
    }
    if let (None, None, Some(at)) = (&written.template, &written.content, &written.write) {
        let message = "the step has neither `template` nor `content`";
        texts.findings.report(at.span(), message);
    }
    let quote = format(written.format.as_ref(), texts);
    let shown = (mode & 0o004 != 0).then_some("a file that every user can read");
    BootAction::Write {
        path,
        content: one_of(
            ("template", written.template.as_ref()),
            ("content", written.content.as_ref()),
            quote,
            shown,
            texts,
        ),
        mode,
        owner,
    }
}

fn mode(written: Option<&Spanned<String>>, texts: &mut Texts<'_>) -> u16 {
    let Some(text) = written else {
        return defaults::STEP_FILE_MODE;
    };
    let bits = parse_mode(text.get_ref()).and_then(|bits| u16::try_from(bits).ok());
    bits.unwrap_or_else(|| {
        texts.findings.report_with_hint(
            text.span(),
            format!("`{}` is not a mode", text.get_ref()),
            "write permission bits in octal, for example \"0644\"",
        );
        defaults::STEP_FILE_MODE
    })
}

fn owner(written: Option<&Spanned<String>>, texts: &mut Texts<'_>) -> String {
    let Some(text) = written else {
        return defaults::OWNER.to_owned();
    };
    let owner = text.get_ref();
    if owner.split(':').count() > 2 || !owner.split(':').all(is_account) {
        let message = format!("`{owner}` is not an owner");
        let hint = "write `user` or `user:group`";
        texts.findings.report_with_hint(text.span(), message, hint);
    }
    owner.clone()
}

fn argv(field: &str, written: Option<&Words>, texts: &mut Texts<'_>) -> Vec<Template> {
    let Some(written) = written else {
        return Vec::new();
    };
    let words = written.get_ref().iter();
    let argv: Vec<Template> = words
        .map(|word| texts.inline(word, Quote::Plain, Some(ARGUMENTS)))
        .collect();
    let program = argv.first().map(shape);
    if let Some(problem) = program_problem(field, program.as_deref()) {
        texts.findings.report(written.span(), problem);
    }
    argv
}

fn stdin(written: &BootStepDefinition, texts: &mut Texts<'_>) -> Template {
    let quote = format(written.format.as_ref(), texts);
    let template = ("stdin-template", written.stdin_template.as_ref());
    texts.is_input = true;
    let input = one_of(
        template,
        ("stdin", written.stdin.as_ref()),
        quote,
        None,
        texts,
    );
    texts.is_input = false;
    input
}

fn resolve_claim(written: &BootStepDefinition, texts: &mut Texts<'_>) -> BootAction {
    let shown = Some("the cluster's state");
    let mut text = |written: Option<&Spanned<String>>| {
        written.map_or_else(Template::default, |text| {
            texts.inline(text, Quote::Plain, shown)
        })
    };
    let key = text(written.claim.as_ref());
    let token = text(written.token.as_ref());
    if let Some(text) = &written.claim {
        let name = shape(&key);
        let problem = relative_path_problem(&name).or_else(|| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
            (!name.bytes().all(plain))
                .then_some("has a character that names of objects do not need")
        });
        if let Some(problem) = problem {
            let message = format!("the object `{}` {problem}", text.get_ref());
            texts.findings.report(text.span(), message);
        }
        if token == Template::default() {
            let message = "a `claim` step needs `token`";
            let hint = "give what the next holder must have in common with this one";
            texts.findings.report_with_hint(text.span(), message, hint);
        }
    }
    let may_claim = written.may_claim.as_ref().map(Spanned::get_ref);
    BootAction::Claim {
        key,
        token,
        may_claim: texts.conditions(may_claim.map_or(&[], Vec::as_slice)),
    }
}

fn resolve_secrets(written: Option<&Words>, texts: &mut Texts<'_>) -> BootAction {
    let mut names = Vec::new();
    if let Some(written) = written {
        if written.get_ref().is_empty() {
            texts.findings.report(written.span(), "`secrets` is empty");
        }
        for secret in written.get_ref() {
            texts.findings.distinct(secret, &names, "secret");
            names.push(texts.findings.judged(
                secret,
                is_secret_name,
                "the name of a secret: words of lower-case letters, digits and `-`, with `/` between them",
            ));
        }
    }
    BootAction::Secrets { names }
}

fn resolve_peers(written: &BootStepDefinition, texts: &mut Texts<'_>) -> BootAction {
    let role = written.peers.as_ref().map(|text| {
        Role::parse(text.get_ref()).unwrap_or_else(|| {
            report_role(text, texts.findings);
            Role::Web
        })
    });
    let all_regions = match written
        .regions
        .as_ref()
        .map(|text| (text, text.get_ref().as_str()))
    {
        None | Some((_, "own")) => false,
        Some((_, "all")) => true,
        Some((text, other)) => {
            let message = format!("`{other}` is neither `own` nor `all`");
            texts.findings.report(text.span(), message);
            false
        }
    };
    let at_least = match &written.at_least {
        None => Template::text(defaults::PEERS_AT_LEAST),
        Some(text) => {
            let template = texts.inline(text, Quote::Number, None);
            if shape(&template).replace('x', "1").parse::<u16>().is_err() {
                let message = format!("`{}` is not a number", text.get_ref());
                texts.findings.report(text.span(), message);
            }
            template
        }
    };
    BootAction::Peers {
        role: role.unwrap_or(Role::Web),
        all_regions,
        include_self: written
            .include_self
            .as_ref()
            .is_some_and(|own| *own.get_ref()),
        at_least,
    }
}

fn resolve_volume(written: &BootStepDefinition, texts: &mut Texts<'_>) -> BootAction {
    let text = |written: &Option<Spanned<String>>| {
        written
            .as_ref()
            .map(|text| text.get_ref().clone())
            .unwrap_or_default()
    };
    let (mount, filesystem) = (text(&written.volume), text(&written.filesystem));
    if let Some(at) = &written.volume {
        if let Some(problem) = absolute_path_problem(&mount) {
            let message = format!("the path `{mount}` {problem}");
            texts.findings.report(at.span(), message);
        }
        let place = written.filesystem.as_ref().map_or(at.span(), Spanned::span);
        match filesystem.as_str() {
            "xfs" | "ext4" => {}
            "" => texts.findings.report_with_hint(
                place,
                "a `volume` step needs `filesystem`",
                "write \"xfs\" or \"ext4\": what is made on a blank volume",
            ),
            other => {
                let message = format!("`{other}` is neither `xfs` nor `ext4`");
                texts.findings.report(place, message);
            }
        }
    }
    BootAction::Volume { mount, filesystem }
}

fn resolve_units(written: Option<&Words>, texts: &mut Texts<'_>) -> Vec<Template> {
    let Some(written) = written else {
        return Vec::new();
    };
    if written.get_ref().is_empty() {
        texts.findings.report(written.span(), "`start` is empty");
    }
    let mut units = Vec::new();
    for text in written.get_ref() {
        let unit = texts.inline(text, Quote::Plain, Some(ARGUMENTS));
        if !is_unit(&shape(&unit)) {
            texts.findings.report_with_hint(
                text.span(),
                format!("`{}` is not a unit name", text.get_ref()),
                "write the unit with its type, for example `ssh.service`",
            );
        }
        units.push(unit);
    }
    units
}
