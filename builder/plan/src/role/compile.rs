//! Owns the way from the boot halves of an image and a fleet to the program of a role: the order of the
//! steps, the numbers of facts, and which steps a secret takes part in.

use std::collections::{BTreeMap, BTreeSet};

use firstboot::Role;
use firstboot::program::{FACTS, FIELDS, LAST_FACT, NOT, OWN_FACTS_FROM, flag, mark, op};

use super::lower::{Field, MEMBERS, Operation, derive, lower, report_of, stop};
use super::places::SecretPlaces;
use super::{Program, Step};
use crate::address::AddressRange;
use crate::definition::{
    BootAction, BootStep, Condition, Fleet, Piece, Recipe, Stage, Template, internal_template,
};
use crate::fleet::names;

/// What stands before the names of the facts that hold secrets.
pub(super) const SECRET: &str = "secret.";

/// A program, and what its facts are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleProgram {
    /// The program.
    pub program: Program,
    /// The names of the facts that its steps set.
    pub facts: BTreeMap<u8, String>,
}

/// Why there is no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// A step uses what no step before it sets.
    #[error("the step `{step}` uses the fact `{fact}`, which no step before it sets")]
    NoFact {
        /// The step.
        step: String,
        /// The fact.
        fact: String,
    },
    /// The steps set more facts than there are numbers for.
    #[error("the steps set more facts than a program can number")]
    TooManyFacts,
    /// A text has a NUL.
    #[error("a text has a NUL character")]
    Nul,
}

/// The program of `role`: what the boot halves of the image's `recipes` say for it. `networks` is where
/// the fleet's nodes have their addresses.
pub fn compile(
    fleet: &Fleet,
    networks: &[AddressRange],
    recipes: &[Recipe],
    role: Role,
) -> Result<RoleProgram, ProgramError> {
    let mut steps: Vec<&BootStep> = recipes
        .iter()
        .flat_map(|recipe| &recipe.boot_steps)
        .filter(|step| step.roles.contains(&role))
        .collect();
    steps.sort_by_key(|step| step.stage);
    let mut compiler = Compiler::new(fleet, networks, SecretPlaces::of(&steps));
    let mut units = Vec::new();
    for step in steps {
        if let BootAction::Start { units: started } = &step.action {
            units.extend(started.iter().cloned());
        }
        compiler.step(step)?;
    }
    compiler.give(&[MEMBERS.to_owned()])?;
    compiler.operations(&report_of(flag::REPORT), "report")?;
    if !units.is_empty() {
        compiler.operations(&[stop(units)], "stop")?;
    }
    compiler.operations(&report_of(flag::FAILED), "report")?;
    let regions: Vec<&str> = fleet.regions.iter().map(|r| r.name.as_str()).collect();
    let program = Program {
        role: role.as_str().into(),
        hook: names::LAUNCH_HOOK.into(),
        group: compiler.group(role)?,
        primary: fleet.primary.clone().into_bytes(),
        regions: regions.join("\n").into_bytes(),
        endpoint: Vec::new(),
        steps: compiler.steps,
    };
    let facts = compiler
        .numbers
        .into_iter()
        .map(|(name, number)| (number, name));
    Ok(RoleProgram {
        program,
        facts: facts.collect(),
    })
}

#[derive(Debug)]
struct Compiler<'a> {
    fleet: &'a Fleet,
    networks: &'a [AddressRange],
    steps: Vec<Step>,
    /// The facts that steps of ours were put before others for, with the task of those.
    derived: BTreeSet<(u8, String)>,
    /// The numbers of the facts that steps set.
    numbers: BTreeMap<String, u8>,
    /// How many numbers are given.
    given: usize,
    /// The facts that may hold what a secret is.
    secret: BTreeSet<String>,
    /// The secrets that were read by a step that is always done.
    read: BTreeSet<String>,
    /// Whether the stage `report` has begun.
    in_report: bool,
    places: SecretPlaces,
}

/// What is found out about an operation while its texts are compiled.
#[derive(Debug)]
struct Context<'a> {
    step: &'a str,
    takes_secret: bool,
}

impl<'a> Compiler<'a> {
    fn new(fleet: &'a Fleet, networks: &'a [AddressRange], places: SecretPlaces) -> Self {
        Self {
            fleet,
            networks,
            steps: Vec::new(),
            derived: BTreeSet::new(),
            numbers: BTreeMap::new(),
            given: 0,
            secret: BTreeSet::new(),
            read: BTreeSet::new(),
            in_report: false,
            places,
        }
    }

    /// The group's name where no tag says it.
    fn group(&self, role: Role) -> Result<Vec<u8>, ProgramError> {
        let mut name = Template::text(names::group(&self.fleet.cluster, role, None));
        let roles = &self.fleet.roles;
        let has_slots = roles
            .iter()
            .any(|of| of.role == role && of.data_volume_gib.is_some());
        if has_slots {
            name.0.extend(internal_template("-{{slot}}").0);
        }
        let mut context = Context {
            step: "",
            takes_secret: false,
        };
        self.field(&Field::Text(name), &mut context)
    }

    fn step(&mut self, step: &BootStep) -> Result<(), ProgramError> {
        if step.stage == Stage::Report && !self.in_report {
            // The timer starts the engine anew, with the steps of this stage alone.
            self.in_report = true;
            self.read.clear();
        }
        let mut step = step.clone();
        let mut checks = Vec::new();
        if let BootAction::Secrets { names } = &mut step.action {
            // Recipes that need the same secret all ask for it.
            names.retain(|name| !self.read.contains(name));
            if step.when.is_empty() {
                self.read.extend(names.iter().cloned());
            }
            // A report goes on with what is there.
            if step.stage != Stage::Report {
                checks = names
                    .iter()
                    .filter_map(|name| self.places.check(name))
                    .collect();
            }
        }
        let mut operations = lower(&step);
        operations.extend(checks.into_iter().map(|check| check.under(&step.when)));
        self.operations(&operations, &step.name)
    }

    /// Operations that belong together, and before them what finds out the facts that they use.
    fn operations(&mut self, operations: &[Operation], step: &str) -> Result<(), ProgramError> {
        for operation in operations {
            let task = operation.flags & (flag::REPORT | flag::FAILED);
            for fact in operation.facts() {
                let Some(found) = derive(&fact, self.fleet, self.networks) else {
                    continue;
                };
                if self.derived.insert((task, fact)) {
                    let found = found.flags(task);
                    self.operation(&found, step)?;
                }
            }
        }
        // Facts that need numbers in a row get them before one of them gets a number by itself.
        for operation in operations.iter().filter(|o| o.sets.len() > 1) {
            self.give(&operation.sets)?;
        }
        let mut operations = operations.iter();
        operations.try_for_each(|operation| self.operation(operation, step))
    }

    fn operation(&mut self, operation: &Operation, step: &str) -> Result<(), ProgramError> {
        let mut context = Context {
            step,
            takes_secret: false,
        };
        let when = self.conditions(&operation.when, &context)?;
        let each = operation.each.as_deref();
        let each = each.map_or(Ok(0), |list| self.number(list, &context))?;
        let mut compiled = Step {
            op: operation.op,
            flags: operation.flags,
            each,
            deadline_secs: operation.deadline_secs,
            when,
            title: operation.title.clone().into_bytes(),
            ..Step::default()
        };
        for (place, field) in compiled.fields.iter_mut().zip(&operation.fields) {
            *place = self.field(field, &mut context)?;
        }
        if context.takes_secret {
            compiled.flags |= flag::SECRET;
        }
        compiled.sets = self.give(&operation.sets)?;
        // What a command prints may be what it was given.
        let is_compared = operation.op == op::SET && operation.flags & flag::COMPARE != 0;
        if context.takes_secret && !is_compared && operation.op != op::WRITE {
            self.secret.extend(operation.sets.iter().cloned());
        }
        self.tell_apart(&mut compiled);
        self.steps.push(compiled);
        Ok(())
    }

    /// The journal knows a step by all that it says, so no two that are done once may be the same.
    fn tell_apart(&self, step: &mut Step) {
        while step.op == op::RUN && step.flags & flag::ONCE != 0 && self.steps.contains(step) {
            step.deadline_secs += 1;
        }
    }

    /// Gives facts their numbers, the same each time; returns the first.
    fn give(&mut self, names: &[String]) -> Result<u8, ProgramError> {
        let Some(first) = names.first().filter(|name| !name.is_empty()) else {
            return Ok(0);
        };
        let known = self.numbers.get(first).copied();
        let known = known.or_else(|| builtin(first).filter(|_| names.len() == 1));
        let in_row = known.filter(|first| {
            let mut row = (*first..).zip(names).skip(1);
            row.all(|(number, name)| self.numbers.get(name) == Some(&number))
        });
        if let Some(first) = in_row {
            return Ok(first);
        }
        let begin = usize::from(OWN_FACTS_FROM) + self.given;
        if begin + names.len() > usize::from(LAST_FACT) + 1 {
            return Err(ProgramError::TooManyFacts);
        }
        self.given += names.len();
        let begin = u8::try_from(begin).map_err(|_beyond| ProgramError::TooManyFacts)?;
        let numbered = names.iter().cloned().zip(begin..);
        self.numbers.extend(numbered);
        Ok(begin)
    }

    /// The number of a fact that is used.
    fn number(&self, name: &str, context: &Context<'_>) -> Result<u8, ProgramError> {
        let own = self.numbers.get(name).copied();
        own.or_else(|| builtin(name))
            .ok_or_else(|| ProgramError::NoFact {
                step: context.step.to_owned(),
                fact: name.to_owned(),
            })
    }

    fn field(&self, field: &Field, context: &mut Context<'_>) -> Result<Vec<u8>, ProgramError> {
        let mut bytes = Vec::new();
        match field {
            Field::Text(template) => self.pieces(template, &mut bytes, context)?,
            Field::List(list) => {
                for template in list {
                    self.pieces(template, &mut bytes, context)?;
                    bytes.push(mark::ITEM);
                }
            }
            Field::Conditions(conditions) => bytes = self.conditions(conditions, context)?,
        }
        Ok(bytes)
    }

    fn conditions(
        &self,
        conditions: &[Condition],
        context: &Context<'_>,
    ) -> Result<Vec<u8>, ProgramError> {
        let numbers = conditions.iter().map(|c| self.condition(c, context));
        numbers.collect()
    }

    fn condition(&self, condition: &Condition, context: &Context<'_>) -> Result<u8, ProgramError> {
        let number = self.number(&condition.fact, context)?;
        Ok(if condition.negated {
            number | NOT
        } else {
            number
        })
    }

    fn pieces(
        &self,
        template: &Template,
        bytes: &mut Vec<u8>,
        context: &mut Context<'_>,
    ) -> Result<(), ProgramError> {
        for piece in &template.0 {
            match piece {
                Piece::Text(text) => bytes.extend(text.as_bytes()),
                Piece::Fact { name, quote } => {
                    context.takes_secret |= name.starts_with(SECRET) || self.secret.contains(name);
                    bytes.extend([mark::FACT, self.number(name, context)?, quote.number()]);
                }
                Piece::Field { name, quote } => {
                    let field = FIELDS.iter().position(|field| field == name);
                    let field = field.and_then(|at| u8::try_from(at + 1).ok());
                    let field = field.expect("the parser takes no other field");
                    bytes.extend([mark::FIELD, field, quote.number()]);
                }
                Piece::Each { list, body } => {
                    bytes.extend([mark::EACH, self.number(list, context)?]);
                    self.pieces(body, bytes, context)?;
                    bytes.push(mark::END);
                }
                Piece::If { condition, body } => {
                    bytes.extend([mark::IF, self.condition(condition, context)?]);
                    self.pieces(body, bytes, context)?;
                    bytes.push(mark::END);
                }
            }
        }
        Ok(())
    }
}

/// The number of a fact that every node has.
fn builtin(name: &str) -> Option<u8> {
    let at = FACTS.iter().position(|fact| *fact == name)?;
    u8::try_from(at + 1).ok()
}
