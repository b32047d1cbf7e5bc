//! Owns executing a bake plan: packages, layers, seal, checks, disk, outputs. Must not decide what is
//! built: the plan says it. Must run in the worker's mount namespace.

mod checks;
mod error;
mod finish;
mod output;
mod stack;

pub use error::BakeError;
pub use output::{
    LeftOver, OutputError, OutputState, Surroundings, observe_output, remove_unfinished,
};

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use serde::Serialize;
use vmimage_plan::bake::BakePlan;
use vmimage_plan::definition::Image;
use vmimage_plan::event::{Event, Sink, millis};
use vmimage_plan::lock::{Lock, Target};

use crate::fetch::{Mirrors, fetch};
use crate::layers::LayerStore;
use crate::manifest::StepEntry;
use crate::sandbox;
use crate::sandbox::overlay::Attributes;
use crate::space::free_bytes;
use output::{MadeDirectories, Output, check_output};

pub(crate) type Send<'a> = &'a mut dyn FnMut(Event);

/// How much larger packages are once unpacked and configured: 4.4 times for the Virtualmin image's.
const UNPACKED_TIMES: u64 = 5;

/// What to bake, and where.
#[derive(Clone, Copy, Debug)]
pub struct BakeRequest<'a> {
    /// The image.
    pub image: &'a Image,
    /// Its lock.
    pub lock: &'a Lock,
    /// The lock's text, whose digest the manifest records.
    pub lock_text: &'a str,
    /// What to do.
    pub plan: &'a BakePlan,
    /// Where archives are found.
    pub mirrors: &'a Mirrors,
    /// Packages and layers.
    pub cache: &'a Path,
    /// The output directory.
    pub out: &'a Path,
    /// The folder with the definitions, in which no image may be put.
    pub project: &'a Path,
    /// Who bakes, for whoever finds the output directory locked.
    pub holder: &'a str,
    /// Which extended attributes overlays may use here.
    pub attributes: Attributes,
}

/// How a bake went.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[must_use]
pub struct BakeReport {
    /// 1.
    pub format: u32,
    /// The plan's fingerprint.
    pub fingerprint: String,
    /// The output directory.
    pub out: PathBuf,
    /// Time per step, in the order in which they ended.
    pub steps: Vec<StepEntry>,
    /// The files made.
    pub files: Vec<OutputFile>,
    /// Peak memory of this process in KiB.
    pub peak_memory_kib: u64,
    /// What stays behind and should not; the next bake removes it.
    #[serde(skip)]
    pub left_over: Option<LeftOver>,
    /// Why it failed, if it did.
    #[serde(skip)]
    pub failure: Option<BakeError>,
}

/// A finished file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OutputFile {
    /// Its name in the output directory.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// How much of it is allocated on disk, in bytes.
    pub allocated: u64,
    /// Its SHA-256.
    pub sha256: String,
}

/// Makes one attempt to do what the plan says. A failed attempt leaves the output directory as it
/// was; finished layers and downloads stay for the next one.
pub fn execute(request: &BakeRequest<'_>, sink: Sink<'_>) -> BakeReport {
    let mut report = BakeReport {
        format: 1,
        fingerprint: request.plan.fingerprint.clone(),
        out: request.out.to_owned(),
        steps: Vec::new(),
        files: Vec::new(),
        peak_memory_kib: 0,
        left_over: None,
        failure: None,
    };
    // Work goes on in threads; events come back over a channel, so that the caller's sink is used
    // by the caller's thread alone.
    let (sender, events) = channel::<Event>();
    let steps = Steps::default();
    let result = thread::scope(|scope| {
        let work = scope.spawn(|| {
            // Owned by the thread: the channel must close when the work is over.
            let sender = sender;
            let mut send = |event| {
                steps.record(&event);
                drop(sender.send(event));
            };
            attempt(request, &steps, &mut send)
        });
        for event in events {
            sink(event);
        }
        let lost = |_| (Err(BakeError::Thread), None);
        work.join().unwrap_or_else(lost)
    });
    report.steps = steps.so_far();
    report.peak_memory_kib = peak_memory_kib();
    let (result, left_over) = result;
    report.left_over = left_over;
    match result {
        Ok(files) => report.files = files,
        Err(error) => report.failure = Some(error),
    }
    report
}

/// The steps that have ended.
#[derive(Debug, Default)]
struct Steps(Mutex<Vec<StepEntry>>);

impl Steps {
    fn record(&self, event: &Event) {
        if let Event::Finished {
            step,
            outcome,
            millis,
            reused,
        } = event
        {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(StepEntry {
                    step: step.clone(),
                    outcome: outcome.clone(),
                    millis: *millis,
                    reused: *reused,
                });
        }
    }

    fn so_far(&self) -> Vec<StepEntry> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

type Attempted = (Result<Vec<OutputFile>, BakeError>, Option<LeftOver>);

/// Locks the output directory around the work; what cannot be removed after it is said.
fn attempt(request: &BakeRequest<'_>, steps: &Steps, send: Send<'_>) -> Attempted {
    let around = Surroundings {
        cache: request.cache,
        project: request.project,
    };
    let mut output = match Output::begin(request.out, around, request.holder) {
        Ok(output) => output,
        Err(error) => return (Err(error.into()), None),
    };
    match bake_into(&output, request, steps, send) {
        Ok(files) => match output.commit(&request.plan.fingerprint, &request.plan.outputs) {
            Ok(left_over) => (Ok(files), left_over),
            Err(error) => (Err(error.into()), None),
        },
        Err(error) => (Err(error), output.abandon()),
    }
}

fn bake_into(
    output: &Output,
    request: &BakeRequest<'_>,
    steps: &Steps,
    send: Send<'_>,
) -> Result<Vec<OutputFile>, BakeError> {
    let target = target(request)?;
    probe_cache(request.cache, request.attributes)?;
    let store = LayerStore::open(request.cache).map_err(BakeError::Store)?;
    if !request.plan.fetch.is_empty() {
        step(send, "fetch", "downloading packages", |send| {
            let fetched = fetch(
                &request.plan.fetch,
                request.image,
                request.mirrors,
                request.cache,
                send,
            )
            .map_err(|error| BakeError::Fetch(Box::new(error)))?;
            Ok((fetched.to_string(), ()))
        })?;
    }
    check_room(request, target)?;
    let layers = stack::build(request, target, &store, send)?;
    let files = finish::finish(request, output.path(), &store, &layers, (steps, send))?;
    let name = format!(
        "{}-{}",
        request.image.name,
        request.plan.architecture.as_str()
    );
    let inputs: Vec<_> = request
        .plan
        .layers
        .iter()
        .map(|layer| layer.inputs.clone())
        .collect();
    store.finish(&name, &inputs).map_err(BakeError::Store)?;
    Ok(files)
}

/// Fails, before anything is resolved or baked, where no image can be put into `out` or the cache
/// cannot hold layers. A bake looks again: this saves the work before it.
pub fn check_places(
    out: &Path,
    around: Surroundings<'_>,
    attributes: Attributes,
) -> Result<(), BakeError> {
    check_output(out, around)?;
    probe_cache(around.cache, attributes)
}

fn probe_cache(cache: &Path, attributes: Attributes) -> Result<(), BakeError> {
    let made = MadeDirectories::make(cache).map_err(BakeError::file("make", cache))?;
    sandbox::probe(cache, attributes).map_err(|error| BakeError::Cache(Box::new(error)))?;
    made.keep();
    Ok(())
}

/// Fails before anything is unpacked if the layers that have to be built do not fit.
fn check_room(request: &BakeRequest<'_>, target: &Target) -> Result<(), BakeError> {
    let is_built = |recipe: &str| {
        let mut built = request
            .plan
            .layers
            .iter()
            .filter(|layer| !layer.is_reused());
        built.any(|layer| layer.inputs.recipe == recipe)
    };
    let packed: u64 = target
        .packages
        .iter()
        .filter(|package| is_built(&package.recipe))
        .map(|package| package.size)
        .sum();
    let needed = packed.saturating_mul(UNPACKED_TIMES);
    let free = free_bytes(request.cache)
        .map_err(BakeError::file("ask for the free space of", request.cache))?;
    if free >= needed {
        return Ok(());
    }
    Err(BakeError::NoSpace {
        path: request.cache.display().to_string(),
        what: "unpacking the layers",
        needed_mib: needed.div_ceil(1 << 20),
        free_mib: free >> 20,
    })
}

/// The packages that the plan was made from.
fn target<'a>(request: &BakeRequest<'a>) -> Result<&'a Target, BakeError> {
    let architecture = request.plan.architecture;
    request
        .lock
        .targets
        .iter()
        .find(|target| target.architecture == architecture)
        .ok_or_else(|| BakeError::Plan {
            what: format!(
                "the lock of `{}` has no packages for {}",
                request.image.name,
                architecture.as_str()
            ),
        })
}

/// Runs one step between its events.
fn step<T>(
    send: Send<'_>,
    name: &str,
    doing: &str,
    work: impl FnOnce(Send<'_>) -> Result<(String, T), BakeError>,
) -> Result<T, BakeError> {
    let begun = Instant::now();
    send(Event::Started {
        step: name.to_owned(),
        doing: doing.to_owned(),
    });
    let (outcome, value) = work(send)?;
    send(Event::Finished {
        step: name.to_owned(),
        outcome,
        millis: millis(begun.elapsed()),
        reused: false,
    });
    Ok(value)
}

/// `VmHWM` of `/proc/self/status` (`proc_pid_status(5)`); 0 where it cannot be read.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}
