//! Owns `vmimage bake`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use std::fmt::Write as _;
use vmimage_bake::execute::{
    BakeError, BakeReport, BakeRequest, LeftOver, Surroundings, check_places, execute,
    observe_output,
};
use vmimage_bake::fetch::deb_path;
use vmimage_bake::layers::LayerStore;
use vmimage_plan::bake::{BakePlan, Format, Inventory, plan_bake};
use vmimage_plan::definition::Architecture;
use vmimage_plan::layer::with_accepted_keys;
use vmimage_plan::lock::Lock;

use super::killed_bake::KilledBake;
use super::lock::{Prepared, prepare};
use super::source_options::SourceOptions;
use super::{Context, worker};
use crate::failure::Failure;
use crate::printer::{self, Progress};
use crate::project::image_path;

/// `vmimage bake`'s own arguments.
#[derive(Debug, Args)]
pub(super) struct BakeArguments {
    /// The image's name, or its file
    image: String,
    /// The output directory [default: out/IMAGE-ARCHITECTURE]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What to make
    #[arg(long, value_delimiter = ',', default_value = "raw")]
    format: Vec<FormatArgument>,
    /// What to bake for [default: this machine's architecture]
    #[arg(long)]
    architecture: Option<ArchitectureArgument>,
    /// Refuse to bake unless the lock is up to date
    #[arg(long)]
    locked: bool,
    /// The lock's file [default: beside the image's definition]
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Print what would be done, and why, and do nothing
    #[arg(long, visible_alias = "explain")]
    plan: bool,
    /// Print the report, or with --plan the plan, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sources: SourceOptions,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArgument {
    Raw,
    Qcow2,
    Rootfs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ArchitectureArgument {
    #[value(name = "x86_64")]
    X86_64,
    #[value(name = "arm64")]
    Arm64,
}

/// Bakes an image.
pub(super) fn run(context: &Context, arguments: &BakeArguments) -> Result<(), Failure> {
    let out = architecture(arguments.architecture)
        .and_then(|architecture| output_directory(arguments, architecture));
    let killed = match (out, arguments.sources.cache(context)) {
        (Ok(out), Ok(cache)) => Some(KilledBake::new(out, cache, context.project.clone())),
        // The worker will say what is wrong with them, and does nothing.
        (Err(_), _) | (_, Err(_)) => None,
    };
    worker::inside(
        context,
        || bake(context, arguments),
        move |holder| KilledBake::clean_up(killed, holder),
    )
}

fn bake(context: &Context, arguments: &BakeArguments) -> Result<(), Failure> {
    let architecture = architecture(arguments.architecture)?;
    let mut prepared = prepare(
        context,
        &arguments.image,
        arguments.lock.as_deref(),
        &arguments.sources,
    )?;
    let cache = arguments.sources.cache(context)?;
    let out = output_directory(arguments, architecture)?;
    let around = Surroundings {
        cache: &cache,
        project: &context.project,
    };
    let (text, lock, is_new) = current_lock(&prepared, arguments, &out, around)?;
    with_accepted_keys(&mut prepared.image, &lock);
    let formats = arguments
        .format
        .iter()
        .map(|format| format.resolve())
        .collect();
    let inventory = observe(&prepared, &lock, &cache, &out, architecture);
    let plan = plan_bake(&prepared.image, &lock, architecture, &formats, &inventory)
        .map_err(|error| Failure::input(&error, error.hint()))?;
    if arguments.plan {
        let text = if arguments.json {
            printer::json(&plan)
        } else {
            plan.render_text()
        };
        printer::data(&text);
        return Ok(());
    }
    if plan.is_empty() {
        up_to_date(&plan, &out, arguments.json);
        return Ok(());
    }
    let mut progress = Progress::new();
    let request = BakeRequest {
        image: &prepared.image,
        lock: &lock,
        lock_text: &text,
        plan: &plan,
        mirrors: prepared.mirrors(),
        cache: &cache,
        out: &out,
        project: &context.project,
        holder: context.environment.worker.as_deref().unwrap_or_default(),
        attributes: Context::overlay_attributes(),
    };
    let report = execute(&request, &mut |event| progress.draw(event));
    if let Some(error) = &report.failure {
        let new_lock = is_new.then(|| prepared.lock_name());
        return Err(failure(error, report.left_over.as_ref(), new_lock));
    }
    finished(&report, &lock, arguments.json);
    Ok(())
}

/// A failed bake, and what is not as it was before.
fn failure(error: &BakeError, left_over: Option<&LeftOver>, new_lock: Option<&str>) -> Failure {
    let mut changed = Vec::new();
    if let Some(lock) = new_lock {
        changed.push(format!("the lock `{lock}` was written"));
    }
    if let Some(left_over) = left_over {
        changed.push(format!(
            "`{}` stays ({}); the next bake removes it",
            left_over.path.display(),
            left_over.source
        ));
    }
    if error.has_changed_something() || left_over.is_some() {
        return Failure::changed(3, error, error.hint(), &changed.join("; "));
    }
    let nothing = if changed.is_empty() {
        "nothing was changed"
    } else {
        "nothing else was changed"
    };
    changed.push(nothing.to_owned());
    Failure::changed(1, error, error.hint(), &changed.join("; "))
}

/// The lock's text and meaning, and whether it was written just now.
fn current_lock(
    prepared: &Prepared,
    arguments: &BakeArguments,
    out: &Path,
    around: Surroundings<'_>,
) -> Result<(String, Lock, bool), Failure> {
    let there = if arguments.locked {
        Some(prepared.read_current()?)
    } else {
        prepared.read_if_current()?
    };
    if let Some((text, lock)) = there {
        return Ok((text, lock, false));
    }
    if !arguments.plan {
        check_places(out, around, Context::overlay_attributes())
            .map_err(|error| failure(&error, None, None))?;
    }
    printer::talk("the lock is missing or stale: resolving the image\n");
    let (text, lock) = prepared.resolve(around.cache, &arguments.sources)?;
    Ok((text, lock, true))
}

fn observe(
    prepared: &Prepared,
    lock: &Lock,
    cache: &Path,
    out: &Path,
    architecture: Architecture,
) -> Inventory {
    let name = format!("{}-{}", prepared.image.name, architecture.as_str());
    let (layers, last) = LayerStore::observe(cache, &name);
    let packages = lock.targets.iter().flat_map(|target| &target.packages);
    let debs = packages
        .filter(|p| {
            deb_path(cache, p)
                .metadata()
                .is_ok_and(|m| m.len() == p.size)
        })
        .map(|package| package.sha256.clone())
        .collect();
    Inventory {
        layers,
        last,
        debs,
        output: observe_output(out),
    }
}

fn output_directory(
    arguments: &BakeArguments,
    architecture: Architecture,
) -> Result<PathBuf, Failure> {
    // An image's name is its file's.
    let path = PathBuf::from(image_path(&arguments.image));
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("out/{name}-{}", architecture.as_str());
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(name));
    std::path::absolute(out).map_err(|error| Failure::unchanged(&error, None))
}

fn up_to_date(plan: &BakePlan, out: &Path, json: bool) {
    if json {
        printer::data(&printer::json(plan));
    } else {
        printer::talk(&format!(
            "nothing to do: `{}` is up to date\n",
            out.display()
        ));
    }
}

fn finished(report: &BakeReport, lock: &Lock, json: bool) {
    for repository in lock
        .repositories
        .iter()
        .filter(|repository| repository.stand_in)
    {
        printer::talk(&format!(
            "warning: packages of `{}` are stand-ins, not the vendor's\n",
            repository.archive
        ));
    }
    if let Some(left_over) = &report.left_over {
        printer::talk(&format!(
            "warning: the replaced image stays in `{}` ({}); the next bake removes it\n",
            left_over.path.display(),
            left_over.source
        ));
    }
    if json {
        printer::data(&printer::json(report));
        return;
    }
    let mut text = String::from("\n");
    for file in &report.files {
        let _ = writeln!(
            text,
            "{:<24} {:>10}  {:>10} on disk  sha256 {}",
            file.name,
            printer::bytes(file.size),
            printer::bytes(file.allocated),
            file.sha256
        );
    }
    let reused = report.steps.iter().filter(|step| step.reused).count();
    let layers = report
        .steps
        .iter()
        .filter(|step| step.step.starts_with("layer "))
        .count();
    let _ = writeln!(
        text,
        "{reused} of {layers} layers reused, {} peak memory, fingerprint {}",
        printer::bytes(report.peak_memory_kib * 1024),
        report.fingerprint
    );
    printer::talk(&text);
    printer::data(&format!("{}\n", report.out.display()));
}

impl FormatArgument {
    fn resolve(self) -> Format {
        match self {
            Self::Raw => Format::Raw,
            Self::Qcow2 => Format::Qcow2,
            Self::Rootfs => Format::Rootfs,
        }
    }
}

/// Maintainer scripts run in the image, so it is baked on a machine of its own architecture.
fn architecture(asked: Option<ArchitectureArgument>) -> Result<Architecture, Failure> {
    let here = match std::env::consts::ARCH {
        "x86_64" => Some(Architecture::X86_64),
        "aarch64" => Some(Architecture::Arm64),
        _ => None,
    };
    let asked = asked.map(|asked| match asked {
        ArchitectureArgument::X86_64 => Architecture::X86_64,
        ArchitectureArgument::Arm64 => Architecture::Arm64,
    });
    match (asked, here) {
        (None, Some(here)) => Ok(here),
        (Some(asked), Some(here)) if asked == here => Ok(here),
        (asked, _) => Err(Failure::usage(
            &format!(
                "cannot bake for {} on a machine with {} processors",
                asked.map_or("this machine", Architecture::as_str),
                std::env::consts::ARCH
            ),
            Some(
                "bake on a machine of the image's own architecture, for example a Graviton instance for arm64",
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{ArchitectureArgument, architecture};

    #[test]
    fn only_the_machine_s_own_architecture_is_baked() {
        let foreign = if cfg!(target_arch = "x86_64") {
            ArchitectureArgument::Arm64
        } else {
            ArchitectureArgument::X86_64
        };
        assert!(architecture(None).is_ok());
        assert_eq!(architecture(Some(foreign)).expect_err("foreign").code, 2);
    }
}
