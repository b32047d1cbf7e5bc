//! Owns the SHA-256 of packages whose archive tells only a SHA-512. A lock knows files by SHA-256, so
//! these are fetched, verified by what the archive tells, and stay in the cache for the bake.

use std::fs;
use std::io;
use std::path::Path;

use vmimage_plan::event::Sink;
use vmimage_plan::lock::LockedPackage;

use super::solve::Chosen;
use super::sources::Sources;
use super::{LockRequest, ResolveError};
use crate::fetch::{
    Digest, Item, Transport, Verify, Wanted, deb_path, encode_path, hash_file, make_room,
    obtain_all,
};

/// The packages as a lock has them.
pub(crate) fn complete(
    request: &LockRequest<'_>,
    transport: &Transport,
    sources: &Sources<'_>,
    chosen: Vec<Chosen>,
    sink: Sink<'_>,
) -> Result<Vec<LockedPackage>, ResolveError> {
    let debs = request.cache.join("debs");
    let items: Vec<Item> = chosen
        .iter()
        .enumerate()
        .filter(|(_, chosen)| matches!(chosen.digest, Digest::Sha512(_)))
        .filter_map(|(index, chosen)| {
            let source = sources.suites.get(chosen.suite)?;
            let url = request.mirrors.url_for(source.repository);
            Some(Item {
                index,
                name: chosen.package.name.clone(),
                wanted: Wanted {
                    urls: vec![url.join(&encode_path(&chosen.package.path))],
                    path: debs.join(format!("{}.deb", chosen.digest.hex())),
                    digest: chosen.digest.clone(),
                    size: chosen.package.size,
                },
                instead: Vec::new(),
            })
        })
        .collect();
    let mut packages: Vec<LockedPackage> =
        chosen.into_iter().map(|chosen| chosen.package).collect();
    if !items.is_empty() {
        fs::create_dir_all(&debs).map_err(|source| ResolveError::Io {
            operation: "make",
            path: debs.clone(),
            source,
        })?;
        make_room(&debs, items.iter().map(|item| &item.wanted)).map_err(|source| {
            ResolveError::Room {
                source: Box::new(source),
            }
        })?;
        obtain_all("fetch packages", transport, &items, Verify::All, sink).map_err(
            |(place, source)| {
                let package = items.get(place).and_then(|item| packages.get(item.index));
                ResolveError::PackageDownload {
                    package: package.map_or_else(String::new, |p| p.name.clone()),
                    archive: package.map_or_else(String::new, |p| p.archive.clone()),
                    source: Box::new(source),
                }
            },
        )?;
        for item in &items {
            if let Some(package) = packages.get_mut(item.index) {
                name_by_sha256(request.cache, &item.wanted.path, package)?;
            }
        }
    }
    match packages.iter().find_map(|p| Some((p, p.problem()?))) {
        None => Ok(packages),
        Some((package, problem)) => Err(ResolveError::Unlockable {
            package: package.name.clone(),
            archive: package.archive.clone(),
            problem,
        }),
    }
}

/// Gives the cache's file the second name that a bake looks for.
fn name_by_sha256(
    cache: &Path,
    path: &Path,
    package: &mut LockedPackage,
) -> Result<(), ResolveError> {
    package.sha256 =
        hash_file(path, &Digest::Sha256(String::new())).map_err(|source| ResolveError::Room {
            source: Box::new(source),
        })?;
    let name = deb_path(cache, package);
    match fs::hard_link(path, &name) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(ResolveError::Io {
            operation: "make",
            path: name,
            source: error,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}
