//! Owns bake plans: what a bake will do, complete and printable. Must not look at a disk; what is
//! there comes in as an [`Inventory`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::definition::{Architecture, Image};
use crate::layer::{LayerInputs, LayerKey, digest, layer_inputs};
use crate::lock::{Lock, LockedPackage, Target};

/// Raised whenever sealing or disk making changes what comes out for the same inputs.
pub const ENGINE: u32 = 2;

/// A file format of a finished image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `disk.raw`, sparse.
    Raw,
    /// `disk.qcow2`.
    Qcow2,
    /// `rootfs.tar.zst`.
    Rootfs,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Qcow2, Self::Rootfs];

    /// Its name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Rootfs => "rootfs",
        }
    }

    /// The file's name in the output directory.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Raw => "disk.raw",
            Self::Qcow2 => "disk.qcow2",
            Self::Rootfs => "rootfs.tar.zst",
        }
    }
}

/// What is there before a bake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Layers in the store, by the short form of their keys.
    pub layers: BTreeSet<String>,
    /// The inputs of the image's layers at its last bake, by recipe.
    pub last: BTreeMap<String, LayerInputs>,
    /// SHA-256 of the .debs in the package cache.
    pub debs: BTreeSet<String>,
    /// Fingerprint and formats of the finished image in the output directory, if it is intact.
    pub output: Option<(String, BTreeSet<Format>)>,
}

/// What a bake will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BakePlan {
    /// 1.
    pub format: u32,
    /// The image's name.
    pub image: String,
    /// The architecture.
    pub architecture: Architecture,
    /// Identity of the result: the same fingerprint means the same bytes.
    pub fingerprint: String,
    /// What times are clamped to.
    pub source_date_epoch: i64,
    /// .debs to download.
    pub fetch: Vec<LockedPackage>,
    /// Layers, lowest first.
    pub layers: Vec<PlannedLayer>,
    /// Files to make; empty when the output is up to date.
    pub outputs: BTreeSet<Format>,
}

/// One layer of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedLayer {
    /// Its key.
    pub key: LayerKey,
    /// What goes into it.
    pub inputs: LayerInputs,
    /// How many packages it installs.
    pub packages: usize,
    /// Why it has to be built; empty when the store has it.
    pub reasons: Vec<String>,
}

impl PlannedLayer {
    /// Whether the store has it.
    pub fn is_reused(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// Why there can be no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BakePlanError {
    /// The lock has no packages for the architecture.
    #[error("cannot bake `{image}` for {architecture}: its lock has no packages for it")]
    NoTarget {
        /// The image.
        image: String,
        /// The architecture.
        architecture: &'static str,
    },
}

impl BakePlanError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoTarget {
                image,
                architecture,
            } => Some(format!(
                "add `{architecture}` to `architectures` in `images/{image}.toml`, then run \
                 `vmimage lock {image}`"
            )),
        }
    }
}

/// Plans a bake of `image` as locked, given what is there.
pub fn plan_bake(
    image: &Image,
    lock: &Lock,
    architecture: Architecture,
    formats: &BTreeSet<Format>,
    inventory: &Inventory,
) -> Result<BakePlan, BakePlanError> {
    let target = find_target(image, lock, architecture)?;
    let inputs = layer_inputs(image, target, lock.source_date_epoch);
    let fingerprint = fingerprint(image, lock, &inputs);
    let outputs = match &inventory.output {
        Some((there, have)) if *there == fingerprint && have == formats => BTreeSet::new(),
        Some(_) | None => formats.clone(),
    };
    let layers = plan_layers(inputs, target, inventory);
    let fetch = if outputs.is_empty() {
        Vec::new()
    } else {
        to_fetch(target, &layers, inventory)
    };
    Ok(BakePlan {
        format: 1,
        image: image.name.clone(),
        architecture,
        fingerprint,
        source_date_epoch: lock.source_date_epoch,
        fetch,
        layers,
        outputs,
    })
}

fn find_target<'a>(
    image: &Image,
    lock: &'a Lock,
    architecture: Architecture,
) -> Result<&'a Target, BakePlanError> {
    lock.targets
        .iter()
        .find(|target| target.architecture == architecture)
        .ok_or_else(|| BakePlanError::NoTarget {
            image: image.name.clone(),
            architecture: architecture.as_str(),
        })
}

/// The identity of a finished image: its layers, how it is sealed, checked and laid out, and where
/// its packages came from (the manifest names the repositories).
fn fingerprint(image: &Image, lock: &Lock, inputs: &[LayerInputs]) -> String {
    let seals: Vec<_> = image
        .recipes
        .iter()
        .map(|r| (&r.name, &r.seals, &r.checks))
        .collect();
    let top = inputs.last().map(LayerInputs::key);
    digest(&(
        (
            ENGINE,
            env!("CARGO_PKG_VERSION"),
            &image.name,
            &image.description,
            top,
        ),
        (seals, &image.disk, &image.boot, &lock.repositories),
    ))
}

/// A layer is built on the one below it, so everything above a layer that is built is built too.
fn plan_layers(
    inputs: Vec<LayerInputs>,
    target: &Target,
    inventory: &Inventory,
) -> Vec<PlannedLayer> {
    let mut layers: Vec<PlannedLayer> = Vec::new();
    for inputs in inputs {
        let mut layer = plan_layer(inputs, target, inventory);
        let below_is_built = layers.last().is_some_and(|below| !below.is_reused());
        if below_is_built && layer.is_reused() {
            layer
                .reasons
                .push("the layer below is built anew".to_owned());
        }
        layers.push(layer);
    }
    layers
}

fn plan_layer(inputs: LayerInputs, target: &Target, inventory: &Inventory) -> PlannedLayer {
    let key = inputs.key();
    let reasons = if inventory.layers.contains(key.short()) {
        Vec::new()
    } else {
        match inventory.last.get(&inputs.recipe) {
            None => vec!["never baked before".to_owned()],
            Some(last) => {
                let differences = inputs.differences(last);
                if differences.is_empty() {
                    vec!["its layer is no longer in the store".to_owned()]
                } else {
                    differences
                }
            }
        }
    };
    let packages = target
        .packages
        .iter()
        .filter(|p| p.recipe == inputs.recipe)
        .count();
    PlannedLayer {
        key,
        inputs,
        packages,
        reasons,
    }
}

/// Only layers that are built need their packages.
fn to_fetch(target: &Target, layers: &[PlannedLayer], inventory: &Inventory) -> Vec<LockedPackage> {
    let built: BTreeSet<&str> = layers
        .iter()
        .filter(|layer| !layer.is_reused())
        .map(|layer| layer.inputs.recipe.as_str())
        .collect();
    let mut packages: Vec<LockedPackage> = target
        .packages
        .iter()
        .filter(|p| built.contains(p.recipe.as_str()) && !inventory.debs.contains(&p.sha256))
        .cloned()
        .collect();
    packages.sort_by(|a, b| a.sha256.cmp(&b.sha256));
    packages.dedup_by(|a, b| a.sha256 == b.sha256);
    packages
}

impl BakePlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    /// The plan for people: what is fetched, built and made, and why.
    pub fn render_text(&self) -> String {
        let mut text = format!(
            "bake {} for {}, fingerprint {}\n",
            self.image,
            self.architecture.as_str(),
            self.fingerprint.get(..16).unwrap_or_default()
        );
        if self.is_empty() {
            text.push_str("nothing to do: the output is up to date\n");
        }
        if !self.fetch.is_empty() {
            let bytes: u64 = self.fetch.iter().map(|package| package.size).sum();
            let _ = writeln!(text, "fetch  {} packages, {bytes} bytes", self.fetch.len());
        }
        for layer in &self.layers {
            let verb = if layer.is_reused() { "reuse" } else { "build" };
            let _ = writeln!(
                text,
                "{verb}  layer {} ({} packages) {}",
                layer.inputs.recipe,
                layer.packages,
                layer.key.as_str().get(..16).unwrap_or_default()
            );
            for reason in &layer.reasons {
                let _ = writeln!(text, "         {reason}");
            }
        }
        for output in &self.outputs {
            let _ = writeln!(text, "make   {}", output.file_name());
        }
        text
    }
}
