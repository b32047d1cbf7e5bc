//! Owns package indexes: downloaded as a verified Release file lists them, kept by their hash.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use vmimage_plan::definition::Architecture;
use vmimage_plan::event::Sink;

use super::release::Listed;
use super::releases::BelievedRelease;
use super::sources::{Sources, SuiteSource};
use super::{LockRequest, ResolveError};
use crate::fetch::{Item, Transport, Verify, Wanted, encode_path, make_room, obtain_all};

/// How indexes may be compressed, the best first.
const COMPRESSIONS: [&str; 4] = [".xz", ".zst", ".gz", ""];
/// The largest index that is unpacked where the Release file does not say how large it is.
const LIMIT: u64 = 1 << 30;

/// A verified index.
#[derive(Debug)]
pub(crate) struct Index {
    /// The place of its suite in the sources.
    pub(crate) suite: usize,
    /// Its component.
    pub(crate) component: String,
    /// Its folder, for example `main/binary-amd64`.
    pub(crate) folder: String,
    compressed: PathBuf,
    extension: &'static str,
    unpacked_size: Option<u64>,
    listed: Listed,
}

/// Gets the indexes of every component for one architecture.
pub(crate) fn obtain(
    request: &LockRequest<'_>,
    transport: &Transport,
    sources: &Sources<'_>,
    releases: &[BelievedRelease],
    architecture: Architecture,
    sink: Sink<'_>,
) -> Result<Vec<Index>, ResolveError> {
    let cache = request.cache.join("indexes");
    fs::create_dir_all(&cache).map_err(|source| ResolveError::Io {
        operation: "make",
        path: cache.clone(),
        source,
    })?;
    let (mut indexes, mut items) = (Vec::new(), Vec::new());
    for (suite, (source, believed)) in sources.suites.iter().zip(releases).enumerate() {
        let base = request.mirrors.url_for(source.repository);
        let base = format!("{base}/dists/{}", source.suite);
        for (index, paths) in listed(source, believed, architecture, suite, &cache)? {
            items.push(Item {
                index: suite,
                name: format!("{} {}", source.suite, index.folder),
                wanted: Wanted {
                    urls: paths.iter().map(|path| format!("{base}/{path}")).collect(),
                    path: index.compressed.clone(),
                    sha256: index.listed.sha256.clone(),
                    size: index.listed.size,
                },
            });
            indexes.push(index);
        }
    }
    make_room(&cache, items.iter().map(|item| &item.wanted)).map_err(|source| {
        ResolveError::Room {
            source: Box::new(source),
        }
    })?;
    let step = format!("fetch indexes {}", architecture.as_str());
    obtain_all(&step, transport, &items, Verify::All, sink).map_err(|(place, source)| {
        let suite = items
            .get(place)
            .and_then(|item| sources.suites.get(item.index));
        ResolveError::Index {
            archive: suite.map_or_else(String::new, |s| s.repository.archive.clone()),
            suite: suite.map_or_else(String::new, |s| s.suite.to_owned()),
            source: Box::new(source),
        }
    })?;
    Ok(indexes)
}

/// The indexes that a suite lists, each with its paths below the suite's folder.
fn listed(
    source: &SuiteSource<'_>,
    believed: &BelievedRelease,
    architecture: Architecture,
    suite: usize,
    cache: &Path,
) -> Result<Vec<(Index, Vec<String>)>, ResolveError> {
    let release = &believed.release;
    let mut indexes = Vec::new();
    for (component, _) in &source.components {
        let folders = release
            .index_folders(component, architecture.debian())
            .map_err(|error| ResolveError::Release {
                archive: source.repository.archive.clone(),
                suite: source.suite.to_owned(),
                source: error,
            })?;
        for folder in folders {
            let Some((extension, listed)) = best(believed, &folder) else {
                continue;
            };
            let paths = paths(believed, &folder, extension, listed);
            let index = Index {
                suite,
                component: (*component).to_owned(),
                compressed: cache.join(&listed.sha256),
                extension,
                unpacked_size: release.file(&format!("{folder}/Packages")).map(|l| l.size),
                listed: listed.clone(),
                folder,
            };
            indexes.push((index, paths));
        }
    }
    Ok(indexes)
}

fn best<'a>(believed: &'a BelievedRelease, folder: &str) -> Option<(&'static str, &'a Listed)> {
    COMPRESSIONS.iter().find_map(|extension| {
        let listed = believed
            .release
            .file(&format!("{folder}/Packages{extension}"))?;
        Some((*extension, listed))
    })
}

/// Where an index is found: by its hash where the archive offers that, for a mirror may replace
/// the named file at any moment.
fn paths(
    believed: &BelievedRelease,
    folder: &str,
    extension: &str,
    listed: &Listed,
) -> Vec<String> {
    let folder = encode_path(folder);
    let named = format!("{folder}/Packages{extension}");
    if believed.release.by_hash() {
        vec![format!("{folder}/by-hash/SHA256/{}", listed.sha256), named]
    } else {
        vec![named]
    }
}

impl Index {
    /// Unpacks it to `path`.
    pub(crate) fn unpack(&self, path: &Path) -> Result<(), ResolveError> {
        self.unpack_bounded(path)
            .map_err(|source| ResolveError::Io {
                operation: "unpack an index to",
                path: path.to_owned(),
                source,
            })
    }

    fn unpack_bounded(&self, path: &Path) -> io::Result<()> {
        let file = BufReader::with_capacity(1 << 16, File::open(&self.compressed)?);
        let reader: Box<dyn Read> = match self.extension {
            ".xz" => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(file)),
            ".zst" => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
            ".gz" => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            _ => Box::new(file),
        };
        let limit = self.unpacked_size.unwrap_or(LIMIT);
        let mut target = io::BufWriter::with_capacity(1 << 18, File::create(path)?);
        let unpacked = io::copy(&mut reader.take(limit + 1), &mut target)?;
        target.flush()?;
        if unpacked > limit {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it is larger than the {limit} bytes that its Release file allows"),
            ));
        }
        Ok(())
    }
}
