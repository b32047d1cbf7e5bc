//! Owns getting .debs into the cache: downloads with resume and retries, and their verification.
//! Must not choose what is fetched: every file is named by the lock with its size and SHA-256, and
//! nothing else is ever requested.
//!
//! The cache may be shared by several processes and survives `kill -9`: a file appears under its
//! final name only when it is whole and verified.

mod control;
mod digest;
mod download;
mod error;
mod mirrors;
mod process;
mod queue;
mod transport;
mod url;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vmimage_plan::definition::{Image, Repository};
use vmimage_plan::event::Sink;
use vmimage_plan::lock::LockedPackage;

pub(crate) use digest::Digest;
pub(crate) use download::{Verify, Wanted, hash_file, make_room};
pub use error::{DownloadError, FetchError};
pub use mirrors::Mirrors;
pub(crate) use process::{Outcome, run_bounded};
pub(crate) use queue::{CONNECTIONS, Item, obtain_all};
pub(crate) use transport::Transport;
pub use transport::{ConnectionError, TransportError};
pub use url::Url;
pub(crate) use url::encode_path;

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

impl std::fmt::Display for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = self.downloaded_bytes.div_ceil(1 << 20);
        write!(
            f,
            "{} downloaded ({mib} MiB), {} in the cache",
            self.downloaded, self.cached
        )
    }
}

/// Where the cache keeps a .deb.
pub fn deb_path(cache: &Path, package: &LockedPackage) -> PathBuf {
    cache.join("debs").join(format!("{}.deb", package.sha256))
}

/// Brings every package into the cache, verified: what is there already too.
pub fn fetch(
    packages: &[LockedPackage],
    image: &Image,
    mirrors: &Mirrors,
    cache: &Path,
    sink: Sink<'_>,
) -> Result<Fetched, FetchError> {
    let folder = cache.join("debs");
    std::fs::create_dir_all(&folder).map_err(|source| FetchError::Cache {
        path: folder.clone(),
        source,
    })?;
    let items = wanted_items(packages, image, mirrors, cache)?;
    make_room(&folder, items.iter().map(|item| &item.wanted))
        .map_err(|source| FetchError::Download(Box::new(source)))?;
    let transport = Transport::new(mirrors.proxy());
    let tally = obtain_all("fetch", &transport, &items, Verify::All, sink)
        .map_err(|(position, source)| package_error(packages, &items, position, source))?;
    Ok(Fetched {
        downloaded: tally.downloaded,
        downloaded_bytes: tally.downloaded_bytes,
        cached: items.len() - tally.downloaded,
    })
}

/// The distinct files of a request; several targets may list the same .deb.
fn wanted_items(
    packages: &[LockedPackage],
    image: &Image,
    mirrors: &Mirrors,
    cache: &Path,
) -> Result<Vec<Item>, FetchError> {
    let archives = archives_of(image);
    let mut items = BTreeMap::new();
    for (index, package) in packages.iter().enumerate() {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if package.sha256.len() != 64 || !package.sha256.bytes().all(is_digit) {
            return Err(FetchError::MalformedDigest {
                package: package.name.clone(),
                digest: package.sha256.clone(),
            });
        }
        let Some(repository) = archives.get(package.archive.as_str()) else {
            return Err(FetchError::UnknownArchive {
                package: package.name.clone(),
                archive: package.archive.clone(),
                image: image.name.clone(),
            });
        };
        let url = mirrors
            .url_for(repository)
            .join(&encode_path(&package.path));
        items
            .entry(package.sha256.as_str())
            .or_insert_with(|| Item {
                index,
                name: package.name.clone(),
                wanted: Wanted {
                    urls: vec![url],
                    path: deb_path(cache, package),
                    digest: Digest::Sha256(package.sha256.clone()),
                    size: package.size,
                },
                instead: Vec::new(),
            });
    }
    Ok(items.into_values().collect())
}

/// The first repository of every archive that an image names.
fn archives_of(image: &Image) -> BTreeMap<&str, &Repository> {
    let mut archives = BTreeMap::new();
    for repository in image.recipes.iter().flat_map(|recipe| &recipe.repositories) {
        archives
            .entry(repository.archive.as_str())
            .or_insert(repository);
    }
    archives
}

/// Says which package a download's failure is about.
fn package_error(
    packages: &[LockedPackage],
    items: &[Item],
    failed: usize,
    source: DownloadError,
) -> FetchError {
    let Some(package) = items.get(failed).and_then(|item| packages.get(item.index)) else {
        return FetchError::Download(Box::new(source));
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
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests;
