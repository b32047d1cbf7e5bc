//! Owns the steps that are one operation or little more: files, commands, units, secrets, facts.

use firstboot::program::{flag, op};

use super::{Field, Operation, SILENTLY, script, text};
use crate::definition::{BootAction, BootStep, Stage, Template, defaults};

/// Runs what comes before `--`, and what comes after it if that fails.
const UNLESS: &str = "push@p,$_ while($_=shift)ne'--';system(@p)and exec(@ARGV),exit 127";

/// Whether a command need not be run.
const NEEDLESS: &str = "vmimage.needless";

/// Steps of one operation or two.
pub(super) fn simple(step: &BootStep) -> Vec<Operation> {
    let sets: Vec<&str> = step.sets.as_deref().into_iter().collect();
    let operation = match &step.action {
        BootAction::Write {
            path,
            content,
            mode,
            owner,
        } => return write(step, path, content, *mode, owner),
        BootAction::Run {
            argv,
            stdin,
            unless,
            always,
        } => return run(step, argv, stdin, unless, *always),
        BootAction::Wait {
            argv,
            stdin,
            expect,
        } => {
            let mut run = Operation::run(argv.clone(), stdin.clone()).flags(flag::RETRY);
            run.fields.push(Field::Text(expect.clone()));
            run
        }
        BootAction::Set {
            text,
            equals: Some(equals),
        } => Operation::compare("", text.clone(), equals.clone()),
        BootAction::Set { text, equals: None } => Operation::set("", text.clone()),
        BootAction::Claim { .. }
        | BootAction::Secrets { .. }
        | BootAction::Peers { .. }
        | BootAction::Volume { .. }
        | BootAction::Start { .. }
        | BootAction::Report { .. } => return Vec::new(),
    };
    vec![operation.sets(&sets).title(&step.name)]
}

fn run(
    step: &BootStep,
    argv: &[Template],
    stdin: &Template,
    unless: &[Template],
    always: bool,
) -> Vec<Operation> {
    let sets: Vec<&str> = step.sets.as_deref().into_iter().collect();
    let finish = |run: Operation| run.sets(&sets).title(&step.name);
    if unless.is_empty() {
        let run = Operation::run(argv.to_vec(), stdin.clone());
        // What the report's timer repeats is not done once.
        let is_once = !always && step.stage != Stage::Report;
        return vec![finish(run.flags(if is_once { flag::ONCE } else { 0 }))];
    }
    if step.each.is_some() {
        // Whether to run it is decided for each item.
        let both = [unless, &[Template::text("--")], argv].concat();
        let argv = script("perl", "-e", UNLESS, both);
        return vec![finish(Operation::run(argv, stdin.clone()))];
    }
    vec![
        Operation::run(unless.to_vec(), Template::default())
            .sets(&[NEEDLESS])
            .flags(flag::MAY_FAIL),
        finish(Operation::run(argv.to_vec(), stdin.clone())).when(&[&format!("!{NEEDLESS}")]),
    ]
}

/// The mode that the engine gives a file unless it is told another.
const ENGINES_MODE: u16 = 0o600;

fn write(
    step: &BootStep,
    path: &Template,
    content: &Template,
    mode: u16,
    owner: &str,
) -> Vec<Operation> {
    let mode = if mode == ENGINES_MODE {
        String::new()
    } else {
        mode.to_string()
    };
    let fields = vec![
        Field::Text(path.clone()),
        Field::Text(content.clone()),
        Field::Text(Template::text(mode)),
    ];
    let sets: Vec<&str> = step.sets.as_deref().into_iter().collect();
    let write = Operation::new(op::WRITE, fields);
    let mut operations = vec![write.sets(&sets).title(&step.name)];
    if owner != defaults::OWNER {
        // Always: whoever was interrupted before it finds the content as it should be.
        let argv = [Template::text("chown"), Template::text(owner), path.clone()];
        // Shown only if it fails.
        let run = Operation::run(argv.to_vec(), Template::default());
        operations.push(run.title(&format!("{SILENTLY}{}", step.name)));
    }
    operations
}

/// systemctl waits until they are active, and fails as soon as one has failed.
pub(super) fn start(step: &BootStep, units: &[Template]) -> Vec<Operation> {
    let start = ["systemctl", "start"].map(Template::text);
    let run = Operation::run([&start, units].concat(), Template::default());
    vec![run.title(&step.name)]
}

/// In a report nothing waits for a secret: without it what is on the node's disk goes on being used.
pub(super) fn secrets(names: &[String], stage: Stage) -> Vec<Operation> {
    let optional = if stage == Stage::Report {
        flag::MAY_FAIL
    } else {
        0
    };
    let requests = names.iter().map(|name| {
        let name = Template::text(name.as_str());
        let lines = super::joined([
            text(
                "header = \"content-type: application/x-amz-json-1.1\"\nheader = \"x-amz-target: AmazonSSM.GetParameter\"\ndata-raw = \"{\\\"WithDecryption\\\":true,\\\"Name\\\":\\\"/vmimage/{{cluster}}/",
            ),
            name,
            text("\\\"}\"\n"),
        ]);
        Operation::request("ssm", "{{region}}", Template::default(), lines, &["Value"])
    });
    let secrets = requests.zip(names).map(|(request, name)| {
        let fact = format!("secret.{name}");
        request
            .sets(&[&format!("{fact}.status"), &fact])
            .flags(flag::SECRET | optional)
            .title(&format!("secret {name}"))
    });
    secrets.collect()
}

/// Looks at a secret; it is in the image (recipes/firstboot-launch).
const CHECK_SECRET: &str = "/usr/lib/vmimage/secret";

/// Fails, with a line that names it, where the secret `name` does not fit into all `places`.
pub(in super::super) fn check_secret<'a>(
    name: &'a str,
    places: impl Iterator<Item = &'a str>,
) -> Operation {
    let argv = [CHECK_SECRET, name].into_iter().chain(places);
    let argv = argv.map(Template::text).collect();
    // Shown only if it fails, and what it says names the secret.
    Operation::run(argv, super::raw(&format!("secret.{name}")))
        .at_most_secs(super::COMMAND_SECS)
        .title(&format!("{SILENTLY}secrets"))
}
