//! Owns the way from a step of a boot half to the engine's operations, still with facts by name. What
//! the engine need not know (how a claim, a volume or peers work) is said here, in text, which costs
//! less of the user data than code would.

mod claim;
mod command;
mod derived;
mod peers;
mod report;
mod volume;

pub(super) use command::check_secret;
pub(crate) use derived::DERIVED;
pub(super) use derived::derive;
pub(super) use report::{MEMBERS, report_of, stop};

use firstboot::program::{flag, op};

use crate::definition::internal_template;
use crate::definition::{BootAction, BootStep, Condition, Piece, Quote, Stage, Template};

/// One of the engine's operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) op: u8,
    pub(super) flags: u8,
    /// The facts that it sets, which get numbers in a row.
    pub(super) sets: Vec<String>,
    pub(super) each: Option<String>,
    pub(super) deadline_secs: u16,
    pub(super) when: Vec<Condition>,
    /// What the console shows; with [`SILENTLY`] before it only when the operation fails.
    pub(super) title: String,
    pub(super) fields: Vec<Field>,
}

/// A field of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Text(Template),
    /// Texts, each with a mark at its end.
    List(Vec<Template>),
    Conditions(Vec<Condition>),
}

impl Operation {
    fn new(op: u8, fields: Vec<Field>) -> Self {
        Self {
            op,
            flags: 0,
            sets: Vec::new(),
            each: None,
            deadline_secs: 0,
            when: Vec::new(),
            title: String::new(),
            fields,
        }
    }

    fn run(argv: Vec<Template>, stdin: Template) -> Self {
        Self::new(op::RUN, vec![Field::List(argv), Field::Text(stdin)])
    }

    fn set(fact: &str, text: Template) -> Self {
        Self::new(op::SET, vec![Field::Text(text)]).sets(&[fact])
    }

    /// Sets `fact` to whether `text` is `equals`.
    fn compare(fact: &str, text: Template, equals: Template) -> Self {
        let fields = vec![Field::Text(text), Field::Text(equals)];
        Self::new(op::SET, fields)
            .sets(&[fact])
            .flags(flag::COMPARE)
    }

    /// Goes `back` so many operations unless `conditions` hold. `about` is what is missing then.
    fn repeat(conditions: Vec<Condition>, back: u8, about: Template) -> Self {
        let back = Field::Text(Template::text(back.to_string()));
        let fields = vec![Field::Conditions(conditions), back, Field::Text(about)];
        Self::new(op::REPEAT, fields)
    }

    /// Asks a service. `lines` are curl's, `taken` is what the facts after the first are set to.
    fn request(
        service: &str,
        region: &str,
        path: Template,
        lines: Template,
        taken: &[&str],
    ) -> Self {
        let taken = taken.iter().map(|what| Template::text(*what));
        let fields = vec![
            Field::Text(Template::text(service)),
            Field::Text(text(region)),
            Field::Text(path),
            Field::Text(lines),
            Field::List(taken.collect()),
        ];
        Self::new(op::REQUEST, fields)
    }

    /// The facts that it uses, each as often as it does.
    pub(super) fn facts(&self) -> Vec<String> {
        let mut facts: Vec<String> = self.when.iter().map(|c| c.fact.clone()).collect();
        for field in &self.fields {
            match field {
                Field::Text(text) => add_facts(text, &mut facts),
                Field::List(list) => list.iter().for_each(|text| add_facts(text, &mut facts)),
                Field::Conditions(list) => facts.extend(list.iter().map(|c| c.fact.clone())),
            }
        }
        facts
    }

    /// The facts whose text it puts somewhere, and how that is quoted there.
    pub(super) fn texts(&self) -> Vec<(String, Quote)> {
        let mut texts = Vec::new();
        for field in &self.fields {
            match field {
                Field::Text(text) => add_texts(text, &mut texts),
                Field::List(list) => list.iter().for_each(|text| add_texts(text, &mut texts)),
                Field::Conditions(_) => {}
            }
        }
        texts
    }

    fn sets(mut self, facts: &[&str]) -> Self {
        self.sets = facts.iter().map(|fact| (*fact).to_owned()).collect();
        self
    }

    pub(super) fn flags(mut self, flags: u8) -> Self {
        self.flags |= flags;
        self
    }

    fn when(self, conditions: &[&str]) -> Self {
        self.under(&self::conditions(conditions))
    }

    /// The same, only where these hold as well.
    pub(super) fn under(mut self, conditions: &[Condition]) -> Self {
        self.when.extend_from_slice(conditions);
        self
    }

    pub(super) fn title(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    fn at_most_secs(mut self, secs: u16) -> Self {
        self.deadline_secs = secs;
        self
    }
}

/// Before the title of what is only shown when it fails. What comes before the step's titled operation
/// needs none: the engine looks ahead.
pub(super) const SILENTLY: char = ' ';

/// How long a command of a step may take that waits for nothing, in seconds.
const COMMAND_SECS: u16 = 60;

/// The operations of a step, for all of which its conditions must hold.
pub(super) fn lower(step: &BootStep) -> Vec<Operation> {
    let mut operations = match &step.action {
        BootAction::Write { .. }
        | BootAction::Set { .. }
        | BootAction::Run { .. }
        | BootAction::Wait { .. } => command::simple(step),
        BootAction::Start { units } => command::start(step, units),
        BootAction::Secrets { names } => command::secrets(names, step.stage),
        BootAction::Claim {
            key,
            token,
            may_claim,
        } => claim::claim(step, key, token, may_claim),
        BootAction::Peers {
            role,
            all_regions,
            include_self,
            at_least,
        } => peers::peers(step, *role, (*all_regions, *include_self), at_least),
        BootAction::Volume { mount, filesystem } => volume::volume(step, mount, filesystem),
        BootAction::Report { members } => report::members(step, members),
    };
    for operation in &mut operations {
        operation.when.splice(0..0, step.when.iter().cloned());
        operation.each = operation.each.take().or_else(|| step.each.clone());
        operation.deadline_secs = if step.deadline_secs == 0 {
            COMMAND_SECS
        } else {
            step.deadline_secs
        };
        if step.stage == Stage::Report {
            operation.flags |= flag::REPORT;
        }
    }
    operations
}

fn add_texts(template: &Template, texts: &mut Vec<(String, Quote)>) {
    for piece in &template.0 {
        match piece {
            Piece::Text(_) | Piece::Field { .. } => {}
            Piece::Fact { name, quote } => texts.push((name.clone(), *quote)),
            Piece::Each { body, .. } | Piece::If { body, .. } => add_texts(body, texts),
        }
    }
}

fn add_facts(template: &Template, facts: &mut Vec<String>) {
    for piece in &template.0 {
        match piece {
            Piece::Text(_) | Piece::Field { .. } => {}
            Piece::Fact { name, .. } => facts.push(name.clone()),
            Piece::Each { list: name, body } => {
                facts.push(name.clone());
                add_facts(body, facts);
            }
            Piece::If { condition, body } => {
                facts.push(condition.fact.clone());
                add_facts(body, facts);
            }
        }
    }
}

/// A template of ours.
fn text(text: &str) -> Template {
    internal_template(text)
}

/// One template behind the other.
fn joined(parts: impl IntoIterator<Item = Template>) -> Template {
    Template(parts.into_iter().flat_map(|part| part.0).collect())
}

/// A fact for the input of a command: whatever it is.
fn raw(fact: &str) -> Template {
    let name = fact.to_owned();
    let quote = Quote::Raw;
    Template(vec![Piece::Fact { name, quote }])
}

/// `fact` and `!fact`.
fn conditions(facts: &[&str]) -> Vec<Condition> {
    let facts = facts.iter().map(|text| Condition {
        fact: text.trim_start_matches('!').to_owned(),
        negated: text.starts_with('!'),
    });
    facts.collect()
}

/// A command with a script of ours, whose arguments begin with `$0` or what perl calls the first.
fn script(interpreter: &str, flag: &str, source: &str, arguments: Vec<Template>) -> Vec<Template> {
    let mut argv = [interpreter, flag, &compact(source)]
        .map(Template::text)
        .to_vec();
    argv.extend(arguments);
    argv
}

/// A script without what only its readers need.
fn compact(source: &str) -> String {
    let lines = source.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}
