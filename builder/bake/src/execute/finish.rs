//! Owns the end of a bake: the seal, the checks, the disk and the other outputs.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use vmimage_plan::bake::Format;
use vmimage_plan::definition::Seal;
use vmimage_plan::digest::sha256_hex;
use vmimage_plan::event::{Event, millis};

use super::{BakeError, BakeRequest, OutputFile, Send, Steps, checks, stack, step};
use crate::disk::{
    DiskReport, DiskRequest, FileDigest, check_space, digest_files, explain, make_disk, make_qcow2,
    make_rootfs,
};
use crate::layers::{LayerStore, StoredLayer, freeze};
use crate::manifest::{self, AllocatedEntry, BakeRecord, Manifest, ManifestInput, make_manifest};
use crate::sandbox::Sandbox;
use crate::sandbox::overlay::{Overlay, Upper};
use crate::sbom;
use crate::seal::{SealError, SealedRow, check_seal, seal};

/// Seals the tree and makes every output in the directory `unfinished`; returns the files.
pub(super) fn finish(
    request: &BakeRequest<'_>,
    unfinished: &Path,
    store: &LayerStore,
    layers: &[StoredLayer],
    (steps, send): (&Steps, Send<'_>),
) -> Result<Vec<OutputFile>, BakeError> {
    let mut trees = stack::trees(layers);
    let rows = step(send, "seal", "removing identities and secrets", |_| {
        let (changes, rows) = seal_tree(request, store, &trees)?;
        trees.insert(0, changes);
        let removed: usize = rows.iter().map(|row| row.changed.len()).sum();
        Ok((
            format!("{} rows, {removed} paths changed", rows.len()),
            rows,
        ))
    })?;
    let view = View {
        request,
        store,
        trees: &trees,
    };
    let sealed = view.read_only("sealed")?;
    let disk = check_and_make_disk(&view, sealed.path(), unfinished, send)?;
    let digests = step(send, "outputs", "writing and hashing the files", |_| {
        let digests = make_outputs(request, sealed.path(), unfinished)?;
        Ok((format!("{} files", digests.len()), digests))
    })?;
    let description = Description {
        rows: &rows,
        disk: &disk,
        digests: &digests,
    };
    step(send, "manifest", "describing the image", |_| {
        let manifest = description.write(request, sealed.path(), unfinished)?;
        let outside = manifest.files.len();
        Ok((
            format!("{outside} files that no package has as they are"),
            (),
        ))
    })?;
    description.write_report(request, unfinished, steps)?;
    Ok(digests.iter().map(output_file).collect())
}

fn output_file(digest: &FileDigest) -> OutputFile {
    OutputFile {
        name: file_name(&digest.path),
        size: digest.size,
        allocated: digest.allocated,
        sha256: digest.sha256.clone(),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Makes what is asked for beside disk.raw, hashes it all, and removes disk.raw if it is not.
fn make_outputs(
    request: &BakeRequest<'_>,
    sealed: &Path,
    unfinished: &Path,
) -> Result<Vec<FileDigest>, BakeError> {
    let path = |format: Format| unfinished.join(format.file_name());
    let wanted = &request.plan.outputs;
    if wanted.contains(&Format::Qcow2) {
        let raw = path(Format::Raw);
        let metadata = fs::metadata(&raw).map_err(BakeError::file("read", &raw))?;
        // As much as of the raw disk is stored; its tables are less than what it leaves out.
        check_space(unfinished, "disk.qcow2", metadata.blocks() * 512, sealed)
            .map_err(|error| BakeError::disk(explain(error, request.out, sealed)))?;
    }
    thread::scope(|scope| {
        let rootfs = wanted.contains(&Format::Rootfs).then(|| {
            let epoch = request.plan.source_date_epoch;
            scope.spawn(move || make_rootfs(sealed, &path(Format::Rootfs), epoch))
        });
        let qcow2 = if wanted.contains(&Format::Qcow2) {
            make_qcow2(&path(Format::Raw), &path(Format::Qcow2))
        } else {
            Ok(())
        };
        let rootfs = rootfs.map_or(Ok(Ok(())), thread::ScopedJoinHandle::join);
        qcow2
            .and(rootfs.map_err(BakeError::panicked)?)
            .map_err(|error| BakeError::disk(explain(error, request.out, sealed)))
    })?;
    if !wanted.contains(&Format::Raw) {
        let raw = path(Format::Raw);
        fs::remove_file(&raw).map_err(BakeError::file("remove", &raw))?;
    }
    let paths: Vec<PathBuf> = wanted.iter().map(|format| path(*format)).collect();
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    digest_files(&paths).map_err(BakeError::disk)
}

/// What is known about a finished image.
struct Description<'a> {
    rows: &'a [SealedRow],
    disk: &'a DiskReport,
    digests: &'a [FileDigest],
}

impl Description<'_> {
    /// Writes the manifest and the bills of materials.
    fn write(
        &self,
        request: &BakeRequest<'_>,
        sealed: &Path,
        unfinished: &Path,
    ) -> Result<Manifest, BakeError> {
        let lock_sha256 = sha256_hex(request.lock_text.as_bytes());
        let manifest = make_manifest(&ManifestInput {
            tree: sealed,
            image: request.image,
            lock: request.lock,
            lock_sha256: &lock_sha256,
            architecture: request.plan.architecture,
            fingerprint: &request.plan.fingerprint,
            version: env!("CARGO_PKG_VERSION"),
            sealed: self.rows,
            disk: Some(self.disk),
            outputs: self.digests,
        })
        .map_err(|error| BakeError::Manifest(Box::new(error)))?;
        for (name, text) in [
            (manifest::FILE_NAME, manifest.to_json()),
            (sbom::SPDX_FILE_NAME, sbom::spdx(&manifest)),
            (sbom::CYCLONEDX_FILE_NAME, sbom::cyclonedx(&manifest)),
        ] {
            write_json(&unfinished.join(name), text)?;
        }
        Ok(manifest)
    }

    /// Writes what differs between two bakes of the same image: times, and blocks on disk.
    fn write_report(
        &self,
        request: &BakeRequest<'_>,
        unfinished: &Path,
        steps: &Steps,
    ) -> Result<(), BakeError> {
        let allocated = self.digests.iter().map(|digest| AllocatedEntry {
            name: file_name(&digest.path),
            bytes: digest.allocated,
        });
        let report = BakeRecord {
            format: manifest::FORMAT,
            fingerprint: request.plan.fingerprint.clone(),
            steps: steps.so_far(),
            allocated: allocated.collect(),
        };
        write_json(
            &unfinished.join(manifest::REPORT_FILE_NAME),
            report.to_json(),
        )
    }
}

fn write_json(path: &Path, text: Result<String, serde_json::Error>) -> Result<(), BakeError> {
    text.map_err(io::Error::from)
        .and_then(|text| fs::write(path, text))
        .map_err(BakeError::file("write", path))
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
            self.store
                .scratch(&format!("{name}.{part}"))
                .map_err(BakeError::Store)
        };
        let (target, changes, work) = (scratch("root")?, scratch("changes")?, scratch("work")?);
        let upper = Upper {
            changes: &changes,
            work: &work,
        };
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
    let upper = Upper {
        changes: &changes,
        work: &work,
    };
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
    for (name, doing) in [
        ("check", "looking at the finished tree"),
        ("disk", "making disk.raw"),
    ] {
        send(Event::Started {
            step: name.to_owned(),
            doing: doing.to_owned(),
        });
    }
    let (checked, made) = thread::scope(|scope| {
        let checking = scope.spawn(|| {
            let (overlay, sandbox) = view.throwaway("check")?;
            let count = checks::run(overlay.path(), &sandbox, request.image)?;
            Ok((count, millis(begun.elapsed())))
        });
        let made = make(view, sealed, unfinished);
        (checking.join().unwrap_or(Err(BakeError::Thread)), made)
    });
    let (count, checked_millis) = checked?;
    let disk = made?;
    for (name, outcome, millis) in [
        ("check", format!("{count} checks hold"), checked_millis),
        (
            "disk",
            format!("{} MiB", disk.size >> 20),
            millis(begun.elapsed()),
        ),
    ] {
        let step = name.to_owned();
        send(Event::Finished {
            step,
            outcome,
            millis,
            reused: false,
        });
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
    disk.map_err(|error| BakeError::disk(explain(error, request.out, sealed)))
}
