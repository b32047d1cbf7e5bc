//! Owns the end of a bake: the seal, the checks, the disk and the other outputs.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use vmimage_plan::definition::Seal;
use vmimage_plan::event::Event;
use vmimage_plan::lock::Target;

use super::{BakeError, BakeRequest, OutputFile, Send, checks, millis, output, stack, step};
use crate::disk::{DiskReport, DiskRequest, make_disk};
use crate::layers::{LayerStore, StoredLayer, freeze};
use crate::sandbox::Sandbox;
use crate::sandbox::overlay::{Overlay, Upper};
use crate::seal::{SealError, SealedRow, check_seal, seal};

/// Seals the tree and makes every output; returns the files.
pub(super) fn finish(
    request: &BakeRequest<'_>,
    target: &Target,
    store: &LayerStore,
    layers: &[StoredLayer],
    send: Send<'_>,
) -> Result<Vec<OutputFile>, BakeError> {
    let mut trees = stack::trees(layers);
    let rows = step(send, "seal", "removing identities and secrets", |_| {
        let (changes, rows) = seal_tree(request, store, &trees)?;
        trees.insert(0, changes);
        let removed: usize = rows.iter().map(|row| row.changed.len()).sum();
        Ok((format!("{} rows, {removed} paths changed", rows.len()), rows))
    })?;
    let view = View { request, store, trees: &trees };
    let unfinished = output::begin(request.out)?;
    let sealed = view.read_only("sealed")?;
    let disk = check_and_make_disk(&view, sealed.path(), &unfinished, send)?;
    let _ = (target, rows, disk);
    output::commit(&unfinished, request.out, &request.plan.fingerprint, &request.plan.outputs)?;
    Ok(Vec::new())
}

/// The sealed tree, to be mounted in several ways.
#[derive(Clone, Copy)]
struct View<'a> {
    request: &'a BakeRequest<'a>,
    store: &'a LayerStore,
    trees: &'a [PathBuf],
}

impl View<'_> {
    fn lower(&self) -> Vec<&Path> {
        self.trees.iter().map(PathBuf::as_path).collect()
    }

    fn read_only(&self, name: &str) -> Result<Overlay, BakeError> {
        let target = self.store.scratch(name).map_err(BakeError::Store)?;
        Overlay::mount(&self.lower(), None, &target, self.request.attributes)
            .map_err(BakeError::sandbox(name))
    }

    /// A view whose changes are thrown away, with what programs expect mounted in it.
    fn throwaway(&self, name: &str) -> Result<(Overlay, Sandbox), BakeError> {
        let scratch = |part: &str| {
            self.store.scratch(&format!("{name}.{part}")).map_err(BakeError::Store)
        };
        let (target, changes, work) = (scratch("root")?, scratch("changes")?, scratch("work")?);
        let upper = Upper { changes: &changes, work: &work };
        let attributes = self.request.attributes;
        let overlay = Overlay::mount(&self.lower(), Some(upper), &target, attributes)
            .map_err(BakeError::sandbox(name))?;
        let epoch = self.request.plan.source_date_epoch;
        let sandbox = Sandbox::new(overlay.path(), epoch).map_err(BakeError::sandbox(name))?;
        Ok((overlay, sandbox))
    }
}

/// Returns the directory with the seal's changes and what was done.
fn seal_tree(
    request: &BakeRequest<'_>,
    store: &LayerStore,
    below: &[PathBuf],
) -> Result<(PathBuf, Vec<SealedRow>), BakeError> {
    let scratch = |name: &str| store.scratch(name).map_err(BakeError::Store);
    let (target, changes, work) = (scratch("root")?, scratch("seal")?, scratch("seal.work")?);
    let lower: Vec<&Path> = below.iter().map(PathBuf::as_path).collect();
    let upper = Upper { changes: &changes, work: &work };
    let overlay = Overlay::mount(&lower, Some(upper), &target, request.attributes)
        .map_err(BakeError::sandbox("the seal"))?;
    let table: Vec<(&str, &Seal)> = request
        .image
        .recipes
        .iter()
        .flat_map(|recipe| recipe.seals.iter().map(|row| (recipe.name.as_str(), row)))
        .collect();
    let rows = seal(overlay.path(), &table).map_err(BakeError::Seal)?;
    let findings = check_seal(overlay.path(), &table).map_err(BakeError::Seal)?;
    drop(overlay);
    if !findings.is_empty() {
        return Err(BakeError::Seal(SealError::Findings(findings)));
    }
    freeze(&changes, request.plan.source_date_epoch)
        .map_err(BakeError::file("freeze", &changes))?;
    Ok((changes, rows))
}

/// The checks run beside the making of the disk; each has a throwaway view of its own.
fn check_and_make_disk(
    view: &View<'_>,
    sealed: &Path,
    unfinished: &Path,
    send: Send<'_>,
) -> Result<DiskReport, BakeError> {
    let begun = Instant::now();
    let request = view.request;
    for (name, doing) in [("check", "looking at the finished tree"), ("disk", "making disk.raw")] {
        send(Event::Started { step: name.to_owned(), doing: doing.to_owned() });
    }
    let (checked, made) = thread::scope(|scope| {
        let checking = scope.spawn(|| {
            let (overlay, sandbox) = view.throwaway("check")?;
            let count = checks::run(overlay.path(), &sandbox, request.image)?;
            Ok((count, millis(begun)))
        });
        let made = make(view, sealed, unfinished);
        (checking.join().unwrap_or(Err(BakeError::Thread)), made)
    });
    let (count, checked_millis) = checked?;
    let disk = made?;
    for (name, outcome, millis) in [
        ("check", format!("{count} checks hold"), checked_millis),
        ("disk", format!("{} MiB", disk.size >> 20), millis(begun)),
    ] {
        let step = name.to_owned();
        send(Event::Finished { step, outcome, millis, reused: false });
    }
    Ok(disk)
}

fn make(view: &View<'_>, sealed: &Path, unfinished: &Path) -> Result<DiskReport, BakeError> {
    let request = view.request;
    let (overlay, tools) = view.throwaway("tools")?;
    let disk = make_disk(&DiskRequest {
        tree: sealed,
        tools: &tools,
        image: request.image,
        architecture: request.plan.architecture,
        seed: &request.plan.fingerprint,
        out: unfinished,
    });
    drop(tools);
    drop(overlay);
    disk.map_err(BakeError::Disk)
}
