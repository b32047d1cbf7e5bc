//! Owns how a fleet plan reads. `+` is new, `~` changes, `!` is a problem, `?` is for somebody to know.

use std::fmt::Write as _;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::action::{Detail, Step, Verb};
use super::{FleetPlan, RegionPlan, RegionProblem, Shortfall};

impl FleetPlan {
    /// The plan as text, exactly what would be done.
    pub fn render_text(&self) -> String {
        let mut text = format!(
            "fleet {} ({}), account {}, image {}\n",
            self.cluster, self.definition, self.account, self.image
        );
        if !self.steps.is_empty() || self.problem.is_some() {
            let _ = writeln!(text, "\nfirst, in {}", self.primary);
            self.steps
                .iter()
                .for_each(|step| step_lines(&mut text, step));
            problem_lines(&mut text, self.problem.as_ref());
        }
        for region in &self.regions {
            region_lines(&mut text, region);
        }
        let _ = writeln!(text, "\n{}", self.summary());
        text
    }

    /// How much is to do, in a line.
    pub fn summary(&self) -> String {
        let (steps, problems) = (self.step_count(), self.problems().count());
        let shortfalls = self.shortfalls().count();
        let unchanged: usize = self.regions.iter().map(|region| region.unchanged).sum();
        let mut text = match (steps, problems, shortfalls) {
            (0, 0, 0) => "nothing to do".to_owned(),
            (0, 0, _) => "nothing to change".to_owned(),
            (0, _, _) => "nothing can be done".to_owned(),
            (steps, _, _) => counted(steps, "step"),
        };
        let _ = write!(text, ", {unchanged} objects are as they should be");
        for (count, what) in [(problems, "problem"), (shortfalls, "shortfall")] {
            if count > 0 {
                let _ = write!(text, ", {}", counted(count, what));
            }
        }
        text
    }
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn region_lines(text: &mut String, plan: &RegionPlan) {
    let _ = write!(text, "\n{}, wave {}", plan.region, plan.wave);
    if let Some(place) = &plan.place {
        let fingerprint = place.fingerprint.as_deref().unwrap_or("unknown");
        let network = &place.network;
        let subnets = network.subnets.iter();
        let subnets: Vec<String> = subnets.map(|s| format!("{} ({})", s.id, s.zone)).collect();
        let _ = writeln!(
            text,
            "\n    image {}, fingerprint {fingerprint}\n    {}: {}; {}",
            place.image,
            network.vpc,
            subnets.join(", "),
            network.security_groups.join(", ")
        );
    } else {
        text.push('\n');
    }
    plan.steps.iter().for_each(|step| step_lines(text, step));
    problem_lines(text, plan.problem.as_ref());
    for surplus in &plan.surplus {
        let _ = writeln!(text, "  ? not in the fleet, left alone: {surplus}");
    }
    for note in &plan.notes {
        let _ = writeln!(text, "  ? {note}");
    }
    for Shortfall { message, hint } in &plan.shortfalls {
        let _ = writeln!(text, "  ! {message}");
        if let Some(hint) = hint {
            let _ = writeln!(text, "      hint: {hint}");
        }
    }
    if plan.steps.is_empty() && plan.problem.is_none() && plan.shortfalls.is_empty() {
        let _ = writeln!(text, "  nothing to do");
    }
}

fn step_lines(text: &mut String, step: &Step) {
    let sign = match step.verb {
        Verb::Create => '+',
        Verb::Change => '~',
    };
    let _ = writeln!(text, "  {sign} {}", step.object);
    for Detail { field, from, to } in &step.details {
        let to = to.as_deref().unwrap_or("none");
        let _ = match (step.verb, from) {
            (Verb::Create, None) => writeln!(text, "      {field}: {to}"),
            (_, from) => {
                let from = from.as_deref().unwrap_or("none");
                writeln!(text, "      {field}: {from} -> {to}")
            }
        };
    }
}

fn problem_lines(text: &mut String, problem: Option<&RegionProblem>) {
    let Some(problem) = problem else {
        return;
    };
    let _ = writeln!(text, "  ! {problem}");
    for cause in problem.causes() {
        let _ = writeln!(text, "      caused by: {cause}");
    }
    if let Some(hint) = problem.hint() {
        let _ = writeln!(text, "      hint: {hint}");
    }
}

/// A problem as message, causes and hint.
#[expect(
    clippy::ref_option,
    reason = "serde's `serialize_with` passes a reference"
)]
pub(super) fn problem<S: Serializer>(
    problem: &Option<RegionProblem>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    struct Said<'a>(&'a RegionProblem);
    impl Serialize for Said<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut said = serializer.serialize_struct("problem", 3)?;
            said.serialize_field("message", &self.0.to_string())?;
            said.serialize_field("causes", self.0.causes())?;
            said.serialize_field("hint", &self.0.hint())?;
            said.end()
        }
    }
    problem.as_ref().map(Said).serialize(serializer)
}
