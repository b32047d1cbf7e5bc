//! Owns the way from the boot halves of an image and a fleet to the program of a role.

use std::collections::{BTreeMap, BTreeSet};

use firstboot::Role;
use firstboot::program::{
    CLAIM_FACTS, FACTS, FIELDS, LAST_FACT, NOT, OWN_FACTS_FROM, flag, mark, scope,
};

use super::{Action, Program, Step, Text};
use crate::definition::{BootAction, BootStep, Condition, Fleet, Piece, Recipe, Stage, Template};
use crate::fleet::names;

/// What stands before the names of the facts that hold secrets.
const SECRET: &str = "secret.";

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
    /// There are more steps than a program can count.
    #[error("a program has at most 65535 steps")]
    TooManySteps,
    /// A list has more entries than a program can count.
    #[error("a list has {count} entries, and a program counts 255")]
    ListTooLong {
        /// How many it has.
        count: usize,
    },
    /// A text has a NUL.
    #[error("a text has a NUL character")]
    Nul,
}

/// The program of `role`: what the boot halves of the image's `recipes` say for it.
pub fn compile(fleet: &Fleet, recipes: &[Recipe], role: Role) -> Result<RoleProgram, ProgramError> {
    let mut steps: Vec<&BootStep> = recipes
        .iter()
        .flat_map(|recipe| &recipe.boot_steps)
        .filter(|step| step.roles.contains(&role))
        .collect();
    steps.sort_by_key(|step| step.stage);
    let mut compiler = Compiler::default();
    for step in steps {
        compiler.step(step)?;
    }
    let program = Program {
        role: role.as_str().into(),
        hook: names::LAUNCH_HOOK.into(),
        group: names::group(&fleet.cluster, role, None).as_str().into(),
        primary: fleet.primary.as_str().into(),
        regions: (fleet.regions.iter().map(|region| region.name.as_str()))
            .map(Text::from)
            .collect(),
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

#[derive(Debug, Default)]
struct Compiler {
    steps: Vec<Step>,
    /// The numbers of the facts that steps set.
    numbers: BTreeMap<String, u8>,
    /// The facts that may hold what a secret is.
    secret: BTreeSet<String>,
    /// The secrets that were read by a step that is always done.
    read: BTreeSet<String>,
    /// Whether the stage `report` has begun.
    in_report: bool,
}

/// What is found out about a step while its texts are compiled.
#[derive(Debug)]
struct Context<'a> {
    step: &'a str,
    takes_secret: bool,
}

impl Compiler {
    fn step(&mut self, step: &BootStep) -> Result<(), ProgramError> {
        if step.stage == Stage::Report && !self.in_report {
            // The timer starts the engine anew, with the steps of this stage alone.
            self.in_report = true;
            self.read.clear();
        }
        let mut context = Context {
            step: &step.name,
            takes_secret: false,
        };
        let when = self.conditions(&step.when, &context)?;
        let each = step.each.as_deref();
        let each = each.map_or(Ok(0), |list| self.number(list, &context))?;
        let mut flags = if step.stage == Stage::Report {
            flag::REPORT
        } else {
            0
        };
        if let BootAction::Secrets { names } = &step.action {
            return self.secrets(names, step, flags | flag::SECRET, &when);
        }
        let action = self.action(&step.action, &mut context)?;
        // What the timer repeats is not done once.
        let in_report = step.stage == Stage::Report;
        let repeated = matches!(&step.action, BootAction::Run { always, unless, .. }
            if *always || (in_report && unless.is_empty()));
        if repeated {
            flags |= flag::ALWAYS;
        }
        if context.takes_secret {
            flags |= flag::SECRET;
        }
        let sets = match &step.sets {
            None => 0,
            Some(name) => self.set(name, &step.action, context.takes_secret)?,
        };
        self.steps.push(Step {
            flags,
            sets,
            each,
            deadline_secs: step.deadline_secs,
            when,
            title: step.name.as_str().into(),
            action,
        });
        Ok(())
    }

    /// Gives the facts of a step their numbers and returns the first.
    fn set(
        &mut self,
        name: &str,
        action: &BootAction,
        takes_secret: bool,
    ) -> Result<u8, ProgramError> {
        let passes_on = match action {
            BootAction::Claim { .. } => {
                let names = CLAIM_FACTS.map(|of| format!("{name}.{of}"));
                let numbers: Result<Vec<u8>, _> =
                    names.iter().map(|name| self.give(name)).collect();
                return Ok(numbers?.first().copied().unwrap_or_default());
            }
            BootAction::Set { equals, .. } => equals.is_none(),
            // What a command prints may be what it was given.
            BootAction::Run { .. } | BootAction::Wait { .. } => true,
            BootAction::Write { .. }
            | BootAction::Secrets { .. }
            | BootAction::Peers { .. }
            | BootAction::Volume { .. }
            | BootAction::Start { .. }
            | BootAction::Report { .. } => false,
        };
        if takes_secret && passes_on {
            self.secret.insert(name.to_owned());
        }
        self.give(name)
    }

    /// The number of a fact that is set, the same each time.
    fn give(&mut self, name: &str) -> Result<u8, ProgramError> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = u8::try_from(self.numbers.len())
            .ok()
            .and_then(|count| OWN_FACTS_FROM.checked_add(count))
            .filter(|number| *number <= LAST_FACT)
            .ok_or(ProgramError::TooManyFacts)?;
        self.numbers.insert(name.to_owned(), number);
        Ok(number)
    }

    /// The number of a fact that is used.
    fn number(&self, name: &str, context: &Context<'_>) -> Result<u8, ProgramError> {
        let own = self.numbers.get(name).copied();
        let known = || FACTS.iter().position(|fact| *fact == name);
        own.or_else(|| u8::try_from(known()? + 1).ok())
            .ok_or_else(|| ProgramError::NoFact {
                step: context.step.to_owned(),
                fact: name.to_owned(),
            })
    }

    /// Recipes that need the same secret both ask for it. What is there already is not read again,
    /// and the others are split into runs of consecutive numbers, as the program has them.
    fn secrets(
        &mut self,
        names: &[String],
        step: &BootStep,
        flags: u8,
        when: &[u8],
    ) -> Result<(), ProgramError> {
        let mut runs: Vec<(u8, Vec<Text>)> = Vec::new();
        for name in names {
            if self.read.contains(name) {
                continue;
            }
            if when.is_empty() && step.each.is_none() {
                self.read.insert(name.clone());
            }
            let number = self.give(&format!("{SECRET}{name}"))?;
            match runs.last_mut() {
                Some((first, run)) if usize::from(*first) + run.len() == usize::from(number) => {
                    run.push(name.as_str().into());
                }
                _ => runs.push((number, vec![name.as_str().into()])),
            }
        }
        for (sets, names) in runs {
            self.steps.push(Step {
                flags,
                sets,
                each: 0,
                deadline_secs: step.deadline_secs,
                when: when.to_vec(),
                title: step.name.as_str().into(),
                action: Action::Secrets { names },
            });
        }
        Ok(())
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

    fn text(&self, template: &Template, context: &mut Context<'_>) -> Result<Text, ProgramError> {
        let mut bytes = Vec::new();
        self.pieces(template, &mut bytes, context)?;
        Ok(Text(bytes))
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

    fn texts(
        &self,
        templates: &[Template],
        context: &mut Context<'_>,
    ) -> Result<Vec<Text>, ProgramError> {
        let texts = templates.iter().map(|text| self.text(text, context));
        texts.collect()
    }

    fn action(
        &self,
        action: &BootAction,
        context: &mut Context<'_>,
    ) -> Result<Action, ProgramError> {
        Ok(match action {
            BootAction::Write {
                path,
                content,
                mode,
                owner,
            } => Action::Write {
                mode: *mode,
                owner: owner.as_str().into(),
                path: self.text(path, context)?,
                content: self.text(content, context)?,
            },
            BootAction::Run {
                argv,
                stdin,
                unless,
                ..
            } => self.run(argv, stdin, unless, context)?,
            BootAction::Wait {
                argv,
                stdin,
                expect,
            } => Action::Wait {
                argv: self.texts(argv, context)?,
                stdin: self.text(stdin, context)?,
                expect: self.text(expect, context)?,
            },
            BootAction::Claim {
                key,
                token,
                may_claim,
            } => Action::Claim {
                key: self.text(key, context)?,
                token: self.text(token, context)?,
                may_claim: self.conditions(may_claim, context)?,
            },
            BootAction::Secrets { names } => Action::Secrets {
                names: names.iter().map(|name| name.as_str().into()).collect(),
            },
            BootAction::Start { units } => Action::Start {
                units: self.texts(units, context)?,
            },
            BootAction::Report { members } => Action::Report {
                members: self.text(members, context)?,
            },
            BootAction::Peers { role, at_least, .. } => Action::Peers {
                scope: scope_of(action),
                role: role.as_str().into(),
                at_least: self.text(at_least, context)?,
            },
            BootAction::Volume { mount, filesystem } => Action::Volume {
                mount: mount.as_str().into(),
                filesystem: filesystem.as_str().into(),
            },
            BootAction::Set { text, equals } => Action::Set {
                compare: equals.is_some(),
                text: self.text(text, context)?,
                equals: self.optional(equals.as_ref(), context)?,
            },
        })
    }

    fn run(
        &self,
        argv: &[Template],
        stdin: &Template,
        unless: &[Template],
        context: &mut Context<'_>,
    ) -> Result<Action, ProgramError> {
        Ok(Action::Run {
            argv: self.texts(argv, context)?,
            stdin: self.text(stdin, context)?,
            unless: self.texts(unless, context)?,
        })
    }

    fn optional(
        &self,
        template: Option<&Template>,
        context: &mut Context<'_>,
    ) -> Result<Text, ProgramError> {
        template.map_or(Ok(Text::default()), |text| self.text(text, context))
    }
}

/// The bits of where a step that finds peers looks.
fn scope_of(action: &BootAction) -> u8 {
    let BootAction::Peers {
        all_regions,
        include_self,
        ..
    } = action
    else {
        return 0;
    };
    let regions = if *all_regions { scope::ALL_REGIONS } else { 0 };
    regions | if *include_self { scope::SELF } else { 0 }
}
