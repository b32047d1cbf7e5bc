//! Owns building the stack of layers: reused ones from the store, the others in order, each layer's
//! packages being unpacked while the one below is still being configured.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvError, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use vmimage_plan::bake::PlannedLayer;
use vmimage_plan::definition::Recipe;
use vmimage_plan::event::{Event, millis};
use vmimage_plan::lock::Target;

use super::{BakeError, BakeRequest, Send};
use crate::deb::Deb;
use crate::fetch::deb_path;
use crate::install::{
    Answers, Extracted, FileBefore, Namespace, Progress, configure, extract, reconcile,
};
use crate::layers::{
    LayerStore, StoredLayer, UnfinishedLayer, apply_files_before_packages, apply_recipe, freeze,
};
use crate::sandbox::Sandbox;
use crate::sandbox::overlay::{Overlay, Upper};

/// What the packages of a layer and of those below it ship; kept with each layer for the one above.
const NAMESPACE: &str = "namespace";

/// The first layer is unpacked on both cores, for nothing can be configured before it is there; the
/// others on one, beside the configuration of the layer below.
const FIRST_THREADS: usize = 2;
const OTHER_THREADS: usize = 1;

struct Work<'a> {
    planned: &'a PlannedLayer,
    recipe: &'a Recipe,
    layer: UnfinishedLayer,
    debs: Vec<Deb>,
}

/// Builds or finds every layer; the result is lowest first.
pub(super) fn build(
    request: &BakeRequest<'_>,
    target: &Target,
    store: &LayerStore,
    send: Send<'_>,
) -> Result<Vec<StoredLayer>, BakeError> {
    let mut layers = Vec::new();
    let planned = &request.plan.layers;
    let reused = planned.iter().take_while(|layer| layer.is_reused()).count();
    for layer in planned.iter().take(reused) {
        let stored = store.get(&layer.key).ok_or_else(|| vanished(layer))?;
        send(Event::Finished {
            step: step_name(layer),
            outcome: outcome(layer),
            millis: 0,
            reused: true,
        });
        layers.push(stored);
    }
    let work = prepare(request, target, store, reused)?;
    if work.is_empty() {
        return Ok(layers);
    }
    let namespace = read_namespace(
        layers.last(),
        reused.checked_sub(1).and_then(|top| planned.get(top)),
    )?;
    let (sender, extracted) = sync_channel(work.len());
    thread::scope(|scope| {
        let work = &work;
        let unpack = scope.spawn(move || unpack_ahead(work, namespace, &sender));
        let built = build_each(request, store, work, &extracted, &mut layers, send);
        drop(extracted);
        unpack.join().map_err(BakeError::panicked)?;
        built
    })?;
    Ok(layers)
}

fn prepare<'a>(
    request: &BakeRequest<'a>,
    target: &Target,
    store: &LayerStore,
    reused: usize,
) -> Result<Vec<Work<'a>>, BakeError> {
    let by_name: BTreeMap<&str, &Recipe> = request
        .image
        .recipes
        .iter()
        .map(|recipe| (recipe.name.as_str(), recipe))
        .collect();
    let mut work = Vec::new();
    for planned in request.plan.layers.iter().skip(reused) {
        let name = planned.inputs.recipe.as_str();
        let recipe = *by_name.get(name).ok_or_else(|| BakeError::Plan {
            what: format!("`{}` has no recipe `{name}`", request.image.name),
        })?;
        let debs = target
            .packages
            .iter()
            .filter(|package| package.recipe == recipe.name)
            .map(|package| Deb {
                locked: package.clone(),
                path: deb_path(request.cache, package),
            })
            .collect();
        let layer = store.begin(&planned.key).map_err(BakeError::Store)?;
        work.push(Work {
            planned,
            recipe,
            layer,
            debs,
        });
    }
    Ok(work)
}

/// Unpacks layer after layer, as far ahead of their configuration as it gets.
fn unpack_ahead(
    work: &[Work<'_>],
    mut namespace: Namespace,
    sender: &SyncSender<Result<Extracted, BakeError>>,
) {
    for (index, item) in work.iter().enumerate() {
        let threads = if index == 0 {
            FIRST_THREADS
        } else {
            OTHER_THREADS
        };
        let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
        let observer = |_: Progress<'_>| ();
        let result = extract(
            &item.debs,
            &item.layer.files(),
            &mut namespace,
            threads,
            &observer,
        )
        .map_err(|source| BakeError::Install {
            recipe: item.recipe.name.clone(),
            source: Box::new(source),
        })
        .and_then(|extracted| {
            write_namespace(&item.layer.side(NAMESPACE), &namespace)?;
            Ok(extracted)
        });
        let failed = result.is_err();
        if sender.send(result).is_err() || failed {
            return;
        }
    }
}

fn build_each(
    request: &BakeRequest<'_>,
    store: &LayerStore,
    work: &[Work<'_>],
    extracted: &Receiver<Result<Extracted, BakeError>>,
    layers: &mut Vec<StoredLayer>,
    send: Send<'_>,
) -> Result<(), BakeError> {
    for item in work {
        let begun = Instant::now();
        let step = step_name(item.planned);
        send(Event::Started {
            step: step.clone(),
            doing: "unpacking packages".to_owned(),
        });
        let mut extracted = extracted.recv().map_err(|RecvError| BakeError::Thread)??;
        build_layer(request, store, item, &mut extracted, layers, send)?;
        let stored = store
            .commit(&item.layer, &item.planned.inputs)
            .map_err(BakeError::Store)?;
        layers.push(stored);
        send(Event::Finished {
            step,
            outcome: outcome(item.planned),
            millis: millis(begun.elapsed()),
            reused: false,
        });
    }
    Ok(())
}

fn build_layer(
    request: &BakeRequest<'_>,
    store: &LayerStore,
    item: &Work<'_>,
    extracted: &mut Extracted,
    below: &[StoredLayer],
    send: Send<'_>,
) -> Result<(), BakeError> {
    let epoch = request.plan.source_date_epoch;
    let recipe = item.recipe;
    let what = step_name(item.planned);
    let target = store.scratch("root").map_err(BakeError::Store)?;
    let files = item.layer.files();
    let mut lower = vec![files.clone()];
    lower.extend(trees(below));
    let lower: Vec<&Path> = lower.iter().map(PathBuf::as_path).collect();
    let install = |source| BakeError::Install {
        recipe: recipe.name.clone(),
        source: Box::new(source),
    };
    let below_files = lower.get(1..).unwrap_or_default();
    reconcile(extracted, below_files, &files_before(recipe)).map_err(install)?;
    let changes = item.layer.changes();
    let upper = Upper {
        changes: &changes,
        work: item.layer.work(),
    };
    let overlay = Overlay::mount(&lower, Some(upper), &target, request.attributes)
        .map_err(BakeError::sandbox(&what))?;
    let apply = |source| BakeError::Apply {
        recipe: recipe.name.clone(),
        source: Box::new(source),
    };
    let sandbox = Sandbox::new(overlay.path(), epoch).map_err(BakeError::sandbox(&what))?;
    apply_files_before_packages(overlay.path(), recipe).map_err(apply)?;
    let own = own_files(request, recipe);
    let before: Vec<&str> = files_before(recipe).iter().map(|file| file.path).collect();
    let answers = Answers {
        debconf: &recipe.debconf,
        before_packages: &before,
        files: &own,
    };
    let configured = configure(extracted, &sandbox, &answers, &mut |progress| {
        send(progress_event(&what, progress));
    });
    configured.map_err(install)?;
    apply_recipe(overlay.path(), recipe, &sandbox, send).map_err(apply)?;
    drop(sandbox);
    drop(overlay);
    for directory in [&files, &changes] {
        freeze(directory, epoch).map_err(BakeError::file("freeze", directory))?;
    }
    Ok(())
}

fn files_before(recipe: &Recipe) -> Vec<FileBefore<'_>> {
    let files = recipe.files.iter().filter(|file| file.before_packages);
    files
        .map(|file| FileBefore {
            path: &file.path,
            content: &file.content.bytes,
        })
        .collect()
}

/// The files that are there before the recipe's packages: its own of that kind, and those of the
/// recipes below it.
fn own_files<'a>(request: &BakeRequest<'a>, recipe: &'a Recipe) -> Vec<&'a str> {
    let recipes = request.image.recipes.iter();
    recipes
        .take_while(|below| below.name != recipe.name)
        .flat_map(|below| &below.files)
        .chain(recipe.files.iter().filter(|file| file.before_packages))
        .map(|file| file.path.as_str())
        .collect()
}

/// The directories of layers, topmost first, as an overlay wants them.
pub(super) fn trees(layers: &[StoredLayer]) -> Vec<PathBuf> {
    layers
        .iter()
        .rev()
        .flat_map(|layer| [layer.changes(), layer.files()])
        .collect()
}

fn step_name(layer: &PlannedLayer) -> String {
    format!("layer {}", layer.inputs.recipe)
}

fn outcome(layer: &PlannedLayer) -> String {
    let files = layer.inputs.files.len();
    format!("{} packages, {files} files of its own", layer.packages)
}

fn read_namespace(
    top: Option<&StoredLayer>,
    planned: Option<&PlannedLayer>,
) -> Result<Namespace, BakeError> {
    let Some(top) = top else {
        return Ok(Namespace::default());
    };
    File::open(top.side(NAMESPACE))
        .and_then(|file| Namespace::read(&mut BufReader::new(file)))
        .map_err(|source| BakeError::DamagedLayer {
            recipe: planned.map_or_else(String::new, |layer| layer.inputs.recipe.clone()),
            path: top
                .side("")
                .display()
                .to_string()
                .trim_end_matches('/')
                .to_owned(),
            source,
        })
}

fn write_namespace(path: &Path, namespace: &Namespace) -> Result<(), BakeError> {
    let file = File::create(path).map_err(BakeError::file("write", path))?;
    let mut output = BufWriter::new(file);
    namespace
        .write(&mut output)
        .and_then(|()| output.flush())
        .map_err(BakeError::file("write", path))
}

fn progress_event(step: &str, progress: Progress<'_>) -> Event {
    Event::Progress {
        step: step.to_owned(),
        done: progress.done,
        total: progress.total,
        unit: progress.unit.to_owned(),
        doing: progress.doing.to_owned(),
    }
}

/// The store is locked by this bake, so only another program can have removed a layer.
fn vanished(layer: &PlannedLayer) -> BakeError {
    BakeError::File {
        verb: "reuse",
        path: layer.key.short().to_owned(),
        source: std::io::Error::from(std::io::ErrorKind::NotFound),
    }
}
