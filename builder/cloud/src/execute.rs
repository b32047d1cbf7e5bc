//! Owns the execution of a fleet plan: one attempt at each step, in order in a region, all regions at
//! once. Must not decide anything: the plan has. A region that fails does not stop the others.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures_util::future::join_all;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use vmimage_plan::event::{Event, Sink, millis};
use vmimage_plan::fleet::inventory::Unreadable;
use vmimage_plan::fleet::{Action, FleetPlan, Step};

use crate::account::Account;
use crate::error::CloudError;

/// Does one action in one region.
pub trait Perform {
    /// Does it; `made` has what earlier steps made there.
    fn perform(
        &self,
        region: &str,
        action: &Action,
        made: &Made,
    ) -> impl Future<Output = Result<Outcome, CloudError>>;
}

/// What an action came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done; in a word, or the id of what was made.
    Done(String),
    /// It made a version of a launch template.
    TemplateVersion {
        /// The template's name.
        template: String,
        /// The version's number.
        number: u64,
    },
    /// It made a target group.
    TargetGroup {
        /// Its name.
        name: String,
        /// Its ARN.
        arn: String,
    },
}

impl Outcome {
    /// Done, in a word.
    pub(crate) fn done(word: &str) -> Self {
        Self::Done(word.to_owned())
    }

    fn describe(&self) -> String {
        match self {
            Self::Done(word) => word.clone(),
            Self::TemplateVersion { number, .. } => format!("version {number}"),
            Self::TargetGroup { arn, .. } => arn.clone(),
        }
    }
}

/// What the steps of a region have made so far, that later ones name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Launch template versions, by the template's name.
    pub versions: BTreeMap<String, u64>,
    /// ARNs of target groups, by name.
    pub target_groups: BTreeMap<String, String>,
}

impl Made {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Done(_) => {}
            Outcome::TemplateVersion { template, number } => {
                self.versions.insert(template.clone(), *number);
            }
            Outcome::TargetGroup { name, arn } => {
                self.target_groups.insert(name.clone(), arn.clone());
            }
        }
    }
}

/// How a plan was carried out.
#[must_use]
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FleetReport {
    /// 1.
    pub format: u32,
    /// What was done, in the plan's order.
    pub done: Vec<StepReport>,
    /// What could not be planned, and so was not tried.
    pub problems: Vec<Unplanned>,
    /// What was not done because of a failure; at most one for each region.
    pub failures: Vec<StepFailure>,
    /// What was not tried, because something before it failed or the user interrupted.
    pub left: Vec<StepLeft>,
    /// Whether the user interrupted.
    pub interrupted: bool,
}

/// A region, or the fleet's own part, that could not be planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unplanned {
    /// The region.
    pub region: String,
    /// Why.
    #[serde(rename = "problem")]
    pub why: Unreadable,
}

/// One step that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepReport {
    /// The region.
    pub region: String,
    /// The object, as the plan names it.
    pub object: String,
    /// What it came to.
    pub outcome: String,
    /// How long it took.
    pub millis: u64,
}

/// One step that was not tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepLeft {
    /// The region.
    pub region: String,
    /// The object, as the plan names it.
    pub object: String,
}

/// One step that failed.
#[derive(Debug)]
pub struct StepFailure {
    /// The region.
    pub region: String,
    /// The object, as the plan names it.
    pub object: String,
    /// Why.
    pub error: CloudError,
}

impl Serialize for StepFailure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let said = self.error.to_unreadable();
        let mut failure = serializer.serialize_struct("failure", 5)?;
        failure.serialize_field("region", &self.region)?;
        failure.serialize_field("object", &self.object)?;
        failure.serialize_field("message", &said.message)?;
        failure.serialize_field("causes", &said.causes)?;
        failure.serialize_field("hint", &said.hint)?;
        failure.end()
    }
}

/// Carries out `plan` in `account`. Between steps `stop` is looked at.
pub fn execute_fleet(
    plan: &FleetPlan,
    account: &Account,
    stop: &AtomicBool,
    sink: Sink<'_>,
) -> FleetReport {
    account
        .runtime
        .block_on(execute_plan(plan, account, stop, sink))
}

/// Carries out `plan` by whatever performs its actions.
pub async fn execute_plan<P: Perform>(
    plan: &FleetPlan,
    performer: &P,
    stop: &AtomicBool,
    sink: Sink<'_>,
) -> FleetReport {
    let run = Run {
        performer,
        stop,
        sink: RefCell::new(sink),
    };
    let mut report = run.steps(&plan.primary, &plan.steps).await;
    if report.failures.is_empty() && !report.interrupted {
        let regions = plan.regions.iter();
        let reports = join_all(regions.map(|region| run.steps(&region.region, &region.steps)));
        reports
            .await
            .into_iter()
            .for_each(|other| report.add(other));
    } else {
        let left = plan.regions.iter();
        let left = left.flat_map(|region| {
            region
                .steps
                .iter()
                .map(|step| left_over(&region.region, step))
        });
        report.left.extend(left);
    }
    report.format = 1;
    report.problems = plan
        .problems()
        .map(|(region, problem)| Unplanned {
            region: region.to_owned(),
            why: Unreadable {
                message: problem.to_string(),
                causes: problem.causes().to_vec(),
                hint: problem.hint(),
            },
        })
        .collect();
    report
}

impl FleetReport {
    fn add(&mut self, other: Self) {
        self.done.extend(other.done);
        self.failures.extend(other.failures);
        self.left.extend(other.left);
        self.interrupted |= other.interrupted;
    }
}

struct Run<'a, P> {
    performer: &'a P,
    stop: &'a AtomicBool,
    // Regions run on one thread, and no borrow is held while one waits.
    sink: RefCell<Sink<'a>>,
}

impl<P: Perform> Run<'_, P> {
    async fn steps(&self, region: &str, steps: &[Step]) -> FleetReport {
        let mut report = FleetReport::default();
        let mut made = Made::default();
        for (index, step) in steps.iter().enumerate() {
            report.interrupted = self.stop.load(Ordering::Relaxed);
            let failed =
                !report.interrupted && !self.step(region, step, &mut made, &mut report).await;
            if failed || report.interrupted {
                let rest = &steps[index + usize::from(failed)..];
                report
                    .left
                    .extend(rest.iter().map(|step| left_over(region, step)));
                break;
            }
        }
        report
    }

    /// Does one step; whether that worked.
    async fn step(
        &self,
        region: &str,
        step: &Step,
        made: &mut Made,
        report: &mut FleetReport,
    ) -> bool {
        let name = format!("{region} {}", step.object);
        let started = Instant::now();
        self.say(Event::Started {
            step: name.clone(),
            doing: step.object.clone(),
        });
        let region = region.to_owned();
        let object = step.object.clone();
        match self.performer.perform(&region, &step.action, made).await {
            Ok(outcome) => {
                made.add(&outcome);
                let millis = millis(started.elapsed());
                let outcome = outcome.describe();
                self.say(Event::Finished {
                    step: name,
                    outcome: outcome.clone(),
                    millis,
                    reused: false,
                });
                report.done.push(StepReport {
                    region,
                    object,
                    outcome,
                    millis,
                });
                true
            }
            Err(error) => {
                self.say(Event::Failed {
                    step: name,
                    millis: millis(started.elapsed()),
                });
                report.failures.push(StepFailure {
                    region,
                    object,
                    error,
                });
                false
            }
        }
    }

    fn say(&self, event: Event) {
        let mut sink = self.sink.borrow_mut();
        (*sink)(event);
    }
}

fn left_over(region: &str, step: &Step) -> StepLeft {
    StepLeft {
        region: region.to_owned(),
        object: step.object.clone(),
    }
}
