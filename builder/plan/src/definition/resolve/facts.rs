//! Owns the check of the facts that the boot halves of an image use: for every role, each must be set
//! before it is used, and none that holds a secret may be where it is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use firstboot::Role;
use firstboot::program::{FACTS, LAST_FACT, OWN_FACTS_FROM};

use super::boot::SECRET;
use crate::Diagnostic;
use crate::definition::boot::{BootKind, Stage};
use crate::definition::similar::similar_name;
use crate::definition::template::Usage;
use crate::role::DERIVED;

/// The facts that a step uses and sets.
#[derive(Debug)]
pub(super) struct StepFacts {
    pub(super) roles: Vec<Role>,
    pub(super) stage: Stage,
    pub(super) uses: Vec<FactUse>,
    pub(super) sets: Vec<FactSet>,
    /// Whether the fact that it sets holds the text of those that it uses.
    pub(super) passes_on: bool,
}

/// A place that uses a fact.
#[derive(Debug)]
pub(super) struct FactUse {
    pub(super) fact: String,
    pub(super) usage: Usage,
    pub(super) file: String,
    pub(super) span: Range<usize>,
    /// Where the fact can be seen then.
    pub(super) shown: Option<&'static str>,
}

/// A fact that a step sets.
#[derive(Debug)]
pub(super) struct FactSet {
    pub(super) fact: String,
    pub(super) kind: BootKind,
    pub(super) file: String,
    pub(super) span: Range<usize>,
}

/// How many facts the steps of one role may set.
const FACTS_AT_MOST: usize = (LAST_FACT - OWN_FACTS_FROM + 1) as usize;

/// Checks the steps of an image, given in the order of its recipes and as written in each.
pub(super) fn check_facts<'a>(steps: impl IntoIterator<Item = &'a StepFacts>) -> Vec<Diagnostic> {
    let mut steps: Vec<&StepFacts> = steps.into_iter().collect();
    steps.sort_by_key(|step| step.stage);
    let all: BTreeSet<&str> = steps
        .iter()
        .flat_map(|step| step.sets.iter().map(|set| set.fact.as_str()))
        .collect();
    let mut problems = Vec::new();
    for role in Role::ALL {
        let own = steps.iter().filter(|step| step.roles.contains(&role));
        let mut check = Check::new(role, &all, own.clone().copied());
        for step in own {
            check.step(step);
        }
        problems.append(&mut check.problems);
    }
    problems
}

/// Whether every node has a fact.
pub(super) fn is_known(fact: &str) -> bool {
    FACTS.contains(&fact) || DERIVED.contains(&fact)
}

/// The check of one role's steps.
struct Check<'a> {
    role: Role,
    /// What any step of the image sets.
    all: &'a BTreeSet<&'a str>,
    /// What any step of the role sets.
    of_role: BTreeSet<&'a str>,
    set: BTreeMap<&'a str, &'a FactSet>,
    /// Whether the stage `report` has begun.
    in_report: bool,
    /// What was set before it.
    launched: BTreeSet<&'a str>,
    /// The facts that hold what a secret is.
    secret: BTreeSet<&'a str>,
    problems: Vec<Diagnostic>,
}

impl<'a> Check<'a> {
    fn new(
        role: Role,
        all: &'a BTreeSet<&'a str>,
        steps: impl Iterator<Item = &'a StepFacts>,
    ) -> Self {
        let sets = steps.flat_map(|step| &step.sets);
        Self {
            role,
            all,
            of_role: sets.map(|set| set.fact.as_str()).collect(),
            set: BTreeMap::new(),
            in_report: false,
            launched: BTreeSet::new(),
            secret: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    fn step(&mut self, step: &'a StepFacts) {
        if step.stage == Stage::Report && !self.in_report {
            // The timer starts the engine anew, with the steps of this stage alone.
            self.in_report = true;
            self.launched = std::mem::take(&mut self.set).into_keys().collect();
        }
        let mut takes_secret = false;
        for used in &step.uses {
            let problem = self.problem_of(used);
            if let Some((message, label, hint)) = problem {
                let mut problem = Diagnostic::new(&used.file, Some(used.span.clone()), message);
                (problem.label, problem.hint) = (label, hint);
                self.problems.push(problem);
            }
            takes_secret |= used.usage == Usage::Text && self.is_secret(&used.fact);
        }
        for set in &step.sets {
            self.set_by(set);
            if takes_secret && step.passes_on {
                self.secret.insert(&set.fact);
            }
        }
    }

    fn is_secret(&self, fact: &str) -> bool {
        fact.starts_with(SECRET) || self.secret.contains(fact)
    }

    /// What is wrong with a use: message, label, hint.
    fn problem_of(&self, used: &FactUse) -> Option<(String, Option<String>, Option<String>)> {
        let fact = used.fact.as_str();
        let set = self.set.get(fact);
        let role = self.role.as_str();
        let is_list = set.is_some_and(|set| set.kind == BootKind::Peers);
        if set.is_none() && !is_known(fact) {
            return Some(if self.launched.contains(fact) {
                let message = format!("the fact `{fact}` is not known in the stage `report`");
                let label = "the report's timer does the steps of this stage alone";
                let hint = format!("set `{fact}` by a step of the stage `report` too");
                (message, Some(label.to_owned()), Some(hint))
            } else if self.of_role.contains(fact) {
                let message = format!("the fact `{fact}` is used before a step sets it");
                (
                    message,
                    Some(format!("in the program of role `{role}`")),
                    None,
                )
            } else if self.all.contains(fact) {
                let message = format!("no step of role `{role}` sets the fact `{fact}`");
                (message, None, None)
            } else {
                self.unknown(fact)
            });
        }
        let message = match used.usage {
            Usage::List if !is_list => format!("the fact `{fact}` is not a list"),
            Usage::Text if is_list => format!("the fact `{fact}` is a list"),
            Usage::List | Usage::Text | Usage::Condition => {
                let shown = used.shown.filter(|_| used.usage == Usage::Text)?;
                if !self.is_secret(fact) {
                    return None;
                }
                let message = format!("the fact `{fact}` holds a secret");
                let hint = "leave it out; a command takes it by `stdin`, a file of mode \"0600\" may hold it";
                return Some((
                    message,
                    Some(format!("this goes into {shown}")),
                    Some(hint.to_owned()),
                ));
            }
        };
        let hint = match used.usage {
            Usage::List => "only a `peers` step sets a list".to_owned(),
            Usage::Text | Usage::Condition => {
                format!("go through it with `{{{{#each {fact}}}}}`")
            }
        };
        Some((message, None, Some(hint)))
    }

    fn unknown(&self, fact: &str) -> (String, Option<String>, Option<String>) {
        let known = FACTS.into_iter().chain(DERIVED);
        let known = known.chain(self.all.iter().copied());
        let hint = similar_name(fact, known)
            .map(|name| format!("a fact with a similar name exists: `{name}`"));
        let label = "no node has it and no step sets it";
        (
            format!("no fact named `{fact}`"),
            Some(label.to_owned()),
            hint,
        )
    }

    fn set_by(&mut self, set: &'a FactSet) {
        let span = Some(set.span.clone());
        match self.set.get(set.fact.as_str()) {
            Some(earlier) if earlier.kind != set.kind => {
                let message = format!(
                    "the fact `{}` is set by a `{}` step and by a `{}` step",
                    set.fact,
                    earlier.kind.as_str(),
                    set.kind.as_str()
                );
                let label = format!("also in `{}`", earlier.file);
                self.problems
                    .push(Diagnostic::new(&set.file, span, message).label(label));
            }
            Some(_) => {}
            None => {
                self.set.insert(&set.fact, set);
                if self.set.len() == FACTS_AT_MOST + 1 {
                    let role = self.role.as_str();
                    let message =
                        format!("the steps of role `{role}` set more than {FACTS_AT_MOST} facts");
                    self.problems
                        .push(Diagnostic::new(&set.file, span, message));
                }
            }
        }
    }
}
