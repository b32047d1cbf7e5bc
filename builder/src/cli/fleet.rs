//! Owns `vmimage fleet`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Args, Subcommand};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use vmimage_cloud::{Account, FleetReport, execute_fleet};
use vmimage_plan::Sources;
use vmimage_plan::definition::{
    Architecture, FLEET_FILE, Fleet, Image, image_file, load_fleet, load_image,
};
use vmimage_plan::fleet::{FleetPlan, FleetUserData, Networks, Shortfall, plan_fleet};
use vmimage_plan::sources::SourceFile;

use super::Context;
use crate::failure::Failure;
use crate::printer::{self, Progress};
use crate::{diagnose, project};

/// `vmimage fleet`'s own arguments.
#[derive(Debug, Args)]
pub(super) struct FleetArguments {
    #[command(subcommand)]
    verb: FleetVerb,
}

#[derive(Debug, Subcommand)]
enum FleetVerb {
    /// Make AWS as the fleet's definition says, or say what that would take
    Apply(ApplyArguments),
}

#[derive(Debug, Args)]
struct ApplyArguments {
    /// The fleet's definition
    #[arg(long, value_name = "FILE", default_value = FLEET_FILE)]
    fleet: String,
    /// Print what would be done, and do nothing
    #[arg(long)]
    plan: bool,
    /// Print the report, or with --plan the plan, as JSON
    #[arg(long)]
    json: bool,
}

/// Why a fleet's file cannot be used.
#[derive(Debug, thiserror::Error)]
enum FleetFileError {
    #[error("cannot read `{path}`")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot listen to signals")]
    Signals(#[source] io::Error),
}

/// Runs `vmimage fleet`.
pub(super) fn run(context: &Context, arguments: &FleetArguments) -> Result<(), Failure> {
    match &arguments.verb {
        FleetVerb::Apply(arguments) => apply(context, arguments),
    }
}

fn apply(context: &Context, arguments: &ApplyArguments) -> Result<(), Failure> {
    let (fleet, image) = load_with_image(context, &arguments.fleet)?;
    let account =
        Account::connect(&fleet).map_err(|error| Failure::unchanged(&error, error.hint()))?;
    let inventory = account.observe_fleet(&fleet);
    let user_data = user_data(&fleet, &Networks::of(&fleet, &inventory), &image)?;
    let plan = plan_fleet(&fleet, &user_data, &inventory);
    if arguments.plan {
        printer::data(&if arguments.json {
            printer::json(&plan)
        } else {
            plan.render_text()
        });
        return planned(&plan);
    }
    let stop = interruptible().map_err(|error| Failure::unchanged(&error, None))?;
    let mut progress = Progress::new();
    let report = execute_fleet(&plan, &account, &stop, &mut |event| progress.draw(event));
    if arguments.json {
        printer::data(&printer::json(&report));
    }
    finished(&plan, &report)
}

/// What the nodes of the fleet run.
fn user_data(fleet: &Fleet, networks: &Networks, image: &Image) -> Result<FleetUserData, Failure> {
    let networks = networks.ranges();
    FleetUserData::new(fleet, &networks, &image.recipes, architecture(image))
        .map_err(|error| Failure::input(&error, error.hint()))
}

/// An image is baked for the first of its architectures unless it is asked for another.
pub(super) fn architecture(image: &Image) -> Architecture {
    let first = image.architectures.first().copied();
    first.expect("a checked image has an architecture")
}

/// Loads a fleet of the project, or from a file anywhere.
pub(super) fn load(context: &Context, path: &str) -> Result<Fleet, Failure> {
    let sources = sources(context, path)?;
    load_from(context, path, &sources)
}

/// As [`load`], with the fleet's image.
pub(super) fn load_with_image(context: &Context, path: &str) -> Result<(Fleet, Image), Failure> {
    load_with(context, path, None)
}

/// As [`load`], with the fleet's image or another.
pub(super) fn load_with(
    context: &Context,
    path: &str,
    image: Option<&str>,
) -> Result<(Fleet, Image), Failure> {
    let sources = sources(context, path)?;
    let fleet = load_from(context, path, &sources)?;
    let file = image_file(image.unwrap_or(&fleet.image));
    if image.is_some() && sources.get(&file).is_none() {
        let message = format!("no image definition `{file}`");
        return Err(Failure::usage(&message, Some("name an image of `images/`")));
    }
    let (image, problems) = load_image(&sources, &file);
    let drawn = || Failure::drawn(diagnose::draw(&sources, &problems, context.colour()));
    let image = image.ok_or_else(drawn)?;
    Ok((fleet, image))
}

/// The project's files, with the fleet's definition where it lies elsewhere.
fn sources(context: &Context, path: &str) -> Result<Sources, Failure> {
    let mut sources =
        project::load(&context.project).map_err(|error| Failure::input(&error, error.hint()))?;
    let path = path.trim_start_matches("./");
    if sources.get(path).is_none() {
        add_file(&mut sources, path)?;
    }
    Ok(sources)
}

fn load_from(context: &Context, path: &str, sources: &Sources) -> Result<Fleet, Failure> {
    let (fleet, problems) = load_fleet(sources, path.trim_start_matches("./"));
    fleet.ok_or_else(|| Failure::drawn(diagnose::draw(sources, &problems, context.colour())))
}

fn add_file(sources: &mut Sources, path: &str) -> Result<(), Failure> {
    let bytes = fs::read(path).map_err(|source| {
        let path = path.to_owned();
        let hint = "name the fleet's definition with `--fleet FILE`".to_owned();
        Failure::input(&FleetFileError::Read { path, source }, Some(hint))
    })?;
    let executable = false;
    sources.insert(path, SourceFile { bytes, executable });
    Ok(())
}

/// Set by the first interrupt, after which the step at hand is finished; the second one ends the
/// program at once.
fn interruptible() -> Result<Arc<AtomicBool>, FleetFileError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 3, Arc::clone(&stop))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .map_err(FleetFileError::Signals)?;
    }
    Ok(stop)
}

/// A plan with problems is a failure: what it prints is not all that the fleet needs.
fn planned(plan: &FleetPlan) -> Result<(), Failure> {
    match plan.problems().count() {
        0 => Ok(()),
        _ => Err(Failure {
            code: 1,
            text: format!("{}nothing was changed\n", problems(plan)),
        }),
    }
}

fn problems(plan: &FleetPlan) -> String {
    let mut text = String::new();
    for (region, problem) in plan.problems() {
        let _ = writeln!(text, "error: cannot plan `{}` in `{region}`", plan.cluster);
        let _ = writeln!(text, "  caused by: {problem}");
        for cause in problem.causes() {
            let _ = writeln!(text, "  caused by: {cause}");
        }
        if let Some(hint) = problem.hint() {
            let _ = writeln!(text, "hint: {hint}");
        }
    }
    text
}

fn finished(plan: &FleetPlan, report: &FleetReport) -> Result<(), Failure> {
    if plan.is_empty() {
        printer::talk(&format!("{}\n", plan.summary()));
        return Ok(());
    }
    if let Some(failure) = failure(plan, report) {
        return Err(failure);
    }
    if plan.step_count() == 0 {
        return Err(lacking(plan));
    }
    let (steps, regions) = (report.done.len(), plan.regions.len());
    let shortfalls = shortfalls(plan, "warning: before these steps,");
    printer::talk(&format!(
        "{shortfalls}fleet `{}` is as `{}` says: {steps} steps done in {regions} regions\n",
        plan.cluster, plan.definition
    ));
    Ok(())
}

/// AWS is as the fleet says, and does not give what the fleet asks for.
fn lacking(plan: &FleetPlan) -> Failure {
    let (summary, shortfalls) = (plan.summary(), shortfalls(plan, "error:"));
    Failure {
        code: 1,
        text: format!("{summary}\n{shortfalls}nothing was changed\n"),
    }
}

fn shortfalls(plan: &FleetPlan, begin: &str) -> String {
    let mut text = String::new();
    for (region, Shortfall { message, hint }) in plan.shortfalls() {
        let _ = writeln!(text, "{begin} in `{region}`, {message}");
        if let Some(hint) = hint {
            let _ = writeln!(text, "hint: {hint}");
        }
    }
    text
}

/// How many steps of each region were done and how many not; which they were was said as it happened.
fn counts(report: &FleetReport) -> String {
    let mut regions: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let done = report.done.iter().map(|step| (step.region.as_str(), 0));
    let failed = report.failures.iter().map(|step| (step.region.as_str(), 1));
    let left = report.left.iter().map(|step| (step.region.as_str(), 2));
    for (region, which) in done.chain(failed).chain(left) {
        regions.entry(region).or_default()[which] += 1;
    }
    let mut text = String::new();
    for (region, [done, failed, left]) in regions {
        let _ = writeln!(
            text,
            "{region}: {done} steps done, {failed} failed, {left} not tried"
        );
    }
    text
}

/// What was changed and what is left, and last what went wrong.
fn failure(plan: &FleetPlan, report: &FleetReport) -> Option<Failure> {
    let mut text = problems(plan);
    for failure in &report.failures {
        let said = failure.error.to_unreadable();
        let _ = writeln!(text, "error: {}", said.message);
        for cause in &said.causes {
            let _ = writeln!(text, "  caused by: {cause}");
        }
        if let Some(hint) = &said.hint {
            let _ = writeln!(text, "hint: {hint}");
        }
    }
    if report.interrupted {
        text.push_str("error: interrupted\n");
    }
    if text.is_empty() {
        return None;
    }
    text.insert_str(0, &counts(report));
    let code = if report.done.is_empty() {
        text.push_str("nothing was changed\n");
        1
    } else {
        text.push_str("run the same command again to do the rest\n");
        3
    };
    Some(Failure { code, text })
}

#[cfg(test)]
mod tests {
    use super::failure;
    use vmimage_cloud::{CallError, CloudError, FleetReport, StepFailure, StepLeft, StepReport};
    use vmimage_plan::fleet::FleetPlan;

    fn plan() -> FleetPlan {
        FleetPlan {
            format: 1,
            cluster: "hosting".to_owned(),
            definition: "images/fleet.toml".to_owned(),
            account: "123456789012".to_owned(),
            image: "small".to_owned(),
            primary: "us-east-1".to_owned(),
            steps: Vec::new(),
            problem: None,
            regions: Vec::new(),
        }
    }

    fn refused() -> StepFailure {
        StepFailure {
            region: "eu-west-1".to_owned(),
            object: "data volume `hosting-storage-1`".to_owned(),
            error: CloudError {
                doing: "create data volume `hosting-storage-1`".to_owned(),
                region: "eu-west-1".to_owned(),
                source: CallError::refused(
                    "ec2",
                    "CreateVolume",
                    "UnauthorizedOperation",
                    "You are not authorized to perform this operation.",
                    "b1e3",
                )
                .into(),
            },
        }
    }

    #[test]
    fn a_failed_apply_says_what_was_changed_and_what_is_left() {
        let report = FleetReport {
            done: vec![StepReport {
                region: "eu-west-1".to_owned(),
                object: "launch template `hosting-web`".to_owned(),
                outcome: "version 1".to_owned(),
                millis: 12,
            }],
            failures: vec![refused()],
            left: vec![StepLeft {
                region: "eu-west-1".to_owned(),
                object: "Auto Scaling group `hosting-storage-1`".to_owned(),
            }],
            ..FleetReport::default()
        };
        let failure = failure(&plan(), &report).unwrap();
        assert_eq!(failure.code, 3);
        insta::assert_snapshot!(failure.text, @r"
        eu-west-1: 1 steps done, 1 failed, 1 not tried
        error: cannot create data volume `hosting-storage-1` in `eu-west-1`
          caused by: CreateVolume was refused: UnauthorizedOperation: You are not authorized to perform this operation. (request b1e3)
        hint: allow `ec2:CreateVolume` for these credentials
        run the same command again to do the rest
        ");
    }

    #[test]
    fn an_apply_that_changed_nothing_says_so() {
        let report = FleetReport {
            interrupted: true,
            left: vec![StepLeft {
                region: "us-east-1".to_owned(),
                object: "bucket `b`".to_owned(),
            }],
            ..FleetReport::default()
        };
        let failure = failure(&plan(), &report).unwrap();
        assert_eq!(failure.code, 1);
        insta::assert_snapshot!(failure.text, @r"
        us-east-1: 0 steps done, 0 failed, 1 not tried
        error: interrupted
        nothing was changed
        ");
    }
}
