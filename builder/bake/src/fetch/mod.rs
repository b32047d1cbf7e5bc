//! Owns getting .debs into the cache: downloads with resume and retries, and their verification.
//! Must not choose what is fetched: every file is named by the lock with its size and SHA-256, and
//! nothing else is ever requested.
//!
//! The cache may be shared by several processes and survives `kill -9`: a file appears under its
//! final name only when it is whole and verified.

mod control;
mod download;
mod error;
mod mirrors;
mod process;
mod queue;
mod transport;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use vmimage_plan::definition::{Image, Repository};
use vmimage_plan::event::{Event, Sink};
use vmimage_plan::lock::LockedPackage;

pub(crate) use control::Control;
pub(crate) use download::{Wanted, make_room};
pub use download::{DownloadError, Verify};
pub use error::FetchError;
pub use mirrors::Mirrors;
pub(crate) use process::{Outcome, run_bounded};
pub(crate) use queue::{CONNECTIONS, Item, Tally, obtain_all};
pub use transport::TransportError;
pub(crate) use transport::{Transport, encode_path};

/// What [`fetch`] is asked for.
#[derive(Debug)]
pub struct FetchRequest<'a> {
    /// What the lock lists.
    pub packages: &'a [LockedPackage],
    /// The image, for its archives.
    pub image: &'a Image,
    /// Where the archives are found.
    pub mirrors: &'a Mirrors,
    /// The cache; .debs are kept in its `debs/`.
    pub cache: &'a Path,
    /// How far cached files are checked.
    pub verify: Verify,
}

/// What a fetch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Files that were downloaded.
    pub downloaded: usize,
    /// Bytes that came over the network or from a `file:` mirror.
    pub downloaded_bytes: u64,
    /// Files that the cache already had.
    pub cached: usize,
}

/// Where the cache keeps a .deb.
pub fn deb_path(cache: &Path, package: &LockedPackage) -> PathBuf {
    cache.join("debs").join(format!("{}.deb", package.sha256))
}

/// Brings every package into the cache, verified.
pub fn fetch(request: &FetchRequest<'_>, sink: Sink<'_>) -> Result<Fetched, FetchError> {
    const STEP: &str = "fetch packages";
    let began = Instant::now();
    let folder = request.cache.join("debs");
    std::fs::create_dir_all(&folder)
        .map_err(|source| FetchError::Cache { path: folder.clone(), source })?;
    let items = wanted_items(request)?;
    make_room(&folder, items.iter().map(|item| &item.wanted))?;
    sink(Event::Started {
        step: STEP.to_owned(),
        doing: format!("{} packages, {CONNECTIONS} at a time", items.len()),
    });
    let transport = Transport::new(request.mirrors.proxy());
    let tally = obtain_all(STEP, &transport, &items, request.verify, sink)
        .map_err(|(index, source)| package_error(request, &items, index, source))?;
    let fetched = Fetched {
        downloaded: tally.downloaded,
        downloaded_bytes: tally.downloaded_bytes,
        cached: items.len() - tally.downloaded,
    };
    sink(Event::Finished {
        step: STEP.to_owned(),
        outcome: format!("{} downloaded, {} in the cache", fetched.downloaded, fetched.cached),
        millis: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        reused: fetched.downloaded == 0,
    });
    Ok(fetched)
}

/// The distinct files of a request; several targets may list the same .deb.
fn wanted_items(request: &FetchRequest<'_>) -> Result<Vec<Item>, FetchError> {
    let archives = archives_of(request.image);
    let mut items = BTreeMap::new();
    for (index, package) in request.packages.iter().enumerate() {
        if package.sha256.len() != 64
            || !package.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(FetchError::MalformedDigest {
                package: package.name.clone(),
                digest: package.sha256.clone(),
            });
        }
        let repository = archives.get(package.archive.as_str()).ok_or_else(|| {
            FetchError::UnknownArchive {
                package: package.name.clone(),
                archive: package.archive.clone(),
                image: request.image.name.clone(),
            }
        })?;
        let base = request.mirrors.url_for(repository);
        items.entry(package.sha256.as_str()).or_insert_with(|| Item {
            index,
            name: package.name.clone(),
            wanted: Wanted {
                urls: vec![format!("{}/{}", base.trim_end_matches('/'), encode_path(&package.path))],
                path: deb_path(request.cache, package),
                sha256: package.sha256.clone(),
                size: package.size,
            },
        });
    }
    Ok(items.into_values().collect())
}

/// The first repository of every archive that an image names.
fn archives_of(image: &Image) -> BTreeMap<&str, &Repository> {
    let mut archives = BTreeMap::new();
    for repository in image.recipes.iter().flat_map(|recipe| &recipe.repositories) {
        archives.entry(repository.archive.as_str()).or_insert(repository);
    }
    archives
}

/// Says which package a download's failure is about.
fn package_error(
    request: &FetchRequest<'_>,
    items: &[Item],
    failed: usize,
    source: DownloadError,
) -> FetchError {
    let Some(package) = items.get(failed).and_then(|item| request.packages.get(item.index)) else {
        return FetchError::Download(source);
    };
    if let DownloadError::Transport(TransportError::NotFound { url }) = &source {
        return FetchError::Superseded {
            package: package.name.clone(),
            version: package.version.clone(),
            archive: package.archive.clone(),
            url: url.clone(),
        };
    }
    FetchError::Package {
        package: package.name.clone(),
        version: package.version.clone(),
        archive: package.archive.clone(),
        source,
    }
}



