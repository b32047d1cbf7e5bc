//! Owns making locks: which Release files are believed, and which packages apt's own solver picks
//! from the indexes they vouch for. Fetches a package only where its archive tells no SHA-256 of it,
//! and never believes an unverified byte: everything fails closed.

mod apt;
mod cleartext;
mod date;
mod error;
mod indexes;
mod keyring;
mod listed;
mod packages;
mod release;
mod releases;
mod signature;
mod solve;
mod sources;
mod stanza;
mod unlisted;
mod unpack;

use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use vmimage_plan::definition::Image;
use vmimage_plan::event::{Event, Sink, millis};
use vmimage_plan::lock::{Asked, FORMAT, Lock, LockedRepository, Target, lock_inputs};

pub use crate::fetch::Mirrors;
use crate::fetch::Transport;
pub use error::{AptExplanation, ResolveError};
pub use keyring::{FoundKey, KeyError, key_fingerprints};
pub use release::ReleaseError;
pub use signature::SignatureError;

/// What [`resolve`] is asked for.
#[derive(Debug)]
pub struct LockRequest<'a> {
    /// The image.
    pub image: &'a Image,
    /// Where its archives are found.
    pub mirrors: &'a Mirrors,
    /// The cache; verified indexes are kept in its `indexes/`.
    pub cache: &'a Path,
    /// Fingerprints of keys that the user accepts for repositories that pin none, now or in an
    /// earlier lock.
    pub accept_keys: &'a [String],
    /// The time that expiry is judged at.
    pub now: Timestamp,
}

/// Resolves an image to exact packages.
pub fn resolve(request: &LockRequest<'_>, sink: Sink<'_>) -> Result<Lock, ResolveError> {
    let image = request.image;
    let sources = sources::collect(image)?;
    let transport = Transport::new(request.mirrors.proxy());
    let began = Instant::now();
    sink(Event::Started {
        step: "verify archives".to_owned(),
        doing: format!(
            "{} Release files and their signatures",
            sources.suites.len()
        ),
    });
    let releases = releases::obtain(request, &transport, &sources, sink)?;
    finish(
        "verify archives",
        format!("{} Release files", releases.len()),
        began,
        sink,
    );

    let mut targets = Vec::new();
    for &architecture in &image.architectures {
        let indexes =
            indexes::obtain(request, &transport, &sources, &releases, architecture, sink)?;
        let step = format!("resolve {}", architecture.as_str());
        let began = Instant::now();
        sink(Event::Started {
            step: step.clone(),
            doing: format!("{} recipes with apt", image.recipes.len()),
        });
        let chosen = solve::solve(request, &sources, &releases, &indexes, architecture, sink)?;
        let packages = unlisted::complete(request, &transport, &sources, chosen, sink)?;
        finish(&step, format!("{} packages", packages.len()), began, sink);
        targets.push(Target {
            architecture,
            packages,
        });
    }
    let repositories: Vec<LockedRepository> = sources
        .suites
        .iter()
        .zip(&releases)
        .map(|(suite, release)| release.locked(suite))
        .collect();
    Ok(Lock {
        format: FORMAT,
        image: image.name.clone(),
        inputs: lock_inputs(image),
        asked: Asked::of(image),
        source_date_epoch: releases
            .iter()
            .map(|release| release.date().as_second())
            .max()
            .unwrap_or(0),
        repositories,
        targets,
    })
}

fn finish(step: &str, outcome: String, began: Instant, sink: Sink<'_>) {
    sink(Event::Finished {
        step: step.to_owned(),
        outcome,
        millis: millis(began.elapsed()),
        reused: false,
    });
}

#[cfg(test)]
mod tests;
