//! Owns `vmimage bake`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use std::fmt::Write as _;
use vmimage_bake::execute::{BakeReport, BakeRequest, execute, observe_output};
use vmimage_bake::fetch::deb_path;
use vmimage_bake::layers::LayerStore;
use vmimage_plan::bake::{BakePlan, Format, Inventory, plan_bake};
use vmimage_plan::definition::Architecture;
use vmimage_plan::layer::with_accepted_keys;
use vmimage_plan::lock::Lock;

use super::lock::{Prepared, prepare};
use super::source_options::SourceOptions;
use super::{Context, worker};
use crate::failure::Failure;
use crate::printer::{self, Progress};

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
    worker::inside(context, || bake(context, arguments))
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
    let (text, lock) = current_lock(&prepared, arguments, &cache)?;
    with_accepted_keys(&mut prepared.image, &lock);
    let out = output_directory(arguments, &prepared, architecture)?;
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
        attributes: Context::overlay_attributes(),
    };
    let report = execute(&request, &mut |event| progress.draw(event));
    if let Some(error) = &report.failure {
        return Err(Failure::unchanged(error, error.hint()));
    }
    finished(&report, &lock, arguments.json);
    Ok(())
}

fn current_lock(
    prepared: &Prepared,
    arguments: &BakeArguments,
    cache: &Path,
) -> Result<(String, Lock), Failure> {
    if arguments.locked {
        return prepared.read_current();
    }
    if let Some(current) = prepared.read_if_current()? {
        return Ok(current);
    }
    printer::talk("the lock is missing or stale: resolving the image\n");
    prepared.resolve(cache, &arguments.sources)
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
    prepared: &Prepared,
    architecture: Architecture,
) -> Result<PathBuf, Failure> {
    let name = format!("out/{}-{}", prepared.image.name, architecture.as_str());
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
