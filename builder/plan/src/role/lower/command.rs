//! Owns the steps that are one operation or little more: files, commands, units, secrets, facts.

use firstboot::program::{flag, op};

use super::{Field, Operation, script, text};
use crate::definition::{BootAction, BootStep, Stage, Template, defaults};

/// Prints the states of units until all are active.
const ACTIVE: &str = include_str!("active.sh");

/// What [`ACTIVE`] prints when waiting is of no use.
const UNIT_FAILED: &str = "failed";

/// Steps of one operation.
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
        } => {
            let mut run = Operation::run(argv.clone(), stdin.clone());
            // What the report's timer repeats is not done once.
            if unless.is_empty() && !always && step.stage != Stage::Report {
                run = run.flags(flag::ONCE);
            }
            run.fields.push(Field::List(unless.clone()));
            run
        }
        BootAction::Wait {
            argv,
            stdin,
            expect,
        } => {
            let mut run = Operation::run(argv.clone(), stdin.clone()).flags(flag::RETRY);
            run.fields.push(Field::List(Vec::new()));
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

fn write(
    step: &BootStep,
    path: &Template,
    content: &Template,
    mode: u16,
    owner: &str,
) -> Vec<Operation> {
    let mode = if mode == defaults::STEP_FILE_MODE {
        Vec::new()
    } else {
        mode.to_le_bytes().to_vec()
    };
    let fields = vec![
        Field::Text(path.clone()),
        Field::Text(content.clone()),
        Field::Bytes(mode),
    ];
    let sets: Vec<&str> = step.sets.as_deref().into_iter().collect();
    let write = Operation::new(op::WRITE, fields);
    let mut operations = vec![write.sets(&sets).title(&step.name)];
    if owner != defaults::OWNER {
        // Always: whoever was interrupted before it finds the content as it should be.
        let argv = [Template::text("chown"), Template::text(owner), path.clone()];
        operations.push(Operation::run(argv.to_vec(), Template::default()));
    }
    operations
}

pub(super) fn start(step: &BootStep, units: &[Template]) -> Vec<Operation> {
    let active = script(
        "sh",
        "-c",
        ACTIVE,
        [&[Template::text("sh")], units].concat(),
    );
    let start = ["systemctl", "start", "--no-block"].map(Template::text);
    let mut run = Operation::run([&start, units].concat(), Template::default());
    run.fields.push(Field::List(active.clone()));
    let mut wait = Operation::run(active, Template::default()).flags(flag::RETRY);
    wait.fields.push(Field::List(Vec::new()));
    wait.fields.push(Field::Text(Template::default()));
    wait.fields.push(Field::Text(Template::text(UNIT_FAILED)));
    vec![run, wait.title(&step.name)]
}

pub(super) fn secrets(names: &[String]) -> Vec<Operation> {
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
    let named = requests.zip(names).map(|(request, name)| {
        let fact = format!("secret.{name}");
        request
            .sets(&[&format!("{fact}.status"), &fact])
            .flags(flag::SECRET)
            .title(&format!("secret {name}"))
    });
    named.collect()
}
