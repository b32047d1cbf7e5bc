//! Owns package indexes: downloaded as a verified Release file lists them, kept by their hash.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use vmimage_plan::definition::Architecture;
use vmimage_plan::event::{Event, Sink};

use super::listed::Listed;
use super::release::Release;
use super::releases::BelievedRelease;
use super::sources::{Sources, SuiteSource};
use super::unpack::{self, COMPRESSIONS};
use super::{LockRequest, ResolveError};
use crate::fetch::{
    Digest, Item, Transport, Url, Verify, Wanted, encode_path, make_room, obtain_all,
};

/// A verified index.
#[derive(Debug)]
pub(crate) struct Index {
    /// The place of its suite in the sources.
    pub(crate) suite: usize,
    /// Its component.
    pub(crate) component: String,
    /// Its folder, for example `main/binary-amd64`.
    pub(crate) folder: String,
    /// What people call it.
    pub(crate) label: String,
    /// The best form that its Release file lists.
    best: Form,
    /// The others, the better first.
    others: Vec<Form>,
    /// The place, among all of them, of the one that the archive had.
    chosen: usize,
    /// What it is when it is unpacked.
    plain: Listed,
}

/// One way in which an index is compressed.
#[derive(Clone, Debug)]
struct Form {
    extension: &'static str,
    wanted: Wanted,
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
    let mut indexes = Vec::new();
    for (suite, (source, believed)) in sources.suites.iter().zip(releases).enumerate() {
        let place = Place {
            suite,
            source,
            release: &believed.release,
            base: request.mirrors.url_for(source.repository),
            cache: &cache,
        };
        for (component, _) in &source.components {
            indexes.extend(place.listed(component, architecture.debian(), sink)?);
        }
    }
    let items: Vec<Item> = indexes.iter().enumerate().map(Index::item).collect();
    make_room(&cache, items.iter().map(|item| &item.wanted)).map_err(|source| {
        ResolveError::Room {
            source: Box::new(source),
        }
    })?;
    let step = format!("fetch indexes {}", architecture.as_str());
    let tally =
        obtain_all(&step, transport, &items, Verify::All, sink).map_err(|(place, source)| {
            let suite = indexes
                .get(place)
                .and_then(|index| sources.suites.get(index.suite));
            ResolveError::Index {
                archive: suite.map_or_else(String::new, |s| s.repository.archive.clone()),
                suite: suite.map_or_else(String::new, |s| s.suite.to_owned()),
                source: Box::new(source),
            }
        })?;
    for (index, form) in indexes.iter_mut().zip(tally.forms) {
        index.chosen = form;
    }
    Ok(indexes)
}

/// A suite whose indexes are looked for.
struct Place<'a> {
    suite: usize,
    source: &'a SuiteSource<'a>,
    release: &'a Release,
    base: Url,
    cache: &'a Path,
}

impl Place<'_> {
    /// The indexes of a component.
    fn listed(
        &self,
        component: &str,
        architecture: &str,
        sink: Sink<'_>,
    ) -> Result<Vec<Index>, ResolveError> {
        let (archive, suite) = (&self.source.repository.archive, self.source.suite);
        let folders = self
            .release
            .index_folders(component, architecture)
            .map_err(|source| ResolveError::Release {
                archive: archive.clone(),
                suite: suite.to_owned(),
                source,
            })?;
        if folders.is_empty() {
            let message = format!(
                "suite `{suite}` of archive `{archive}` lists no index of component `{component}` for \
                 `{architecture}`: it counts as empty"
            );
            sink(Event::Warning { message });
        }
        let indexes = folders
            .into_iter()
            .filter_map(|folder| self.index(component, folder));
        Ok(indexes.collect())
    }

    /// An index; `None` for an empty one, which apt does not fetch either.
    fn index(&self, component: &str, folder: String) -> Option<Index> {
        let plain = self
            .release
            .file(&format!("{folder}/Packages"))
            .filter(|plain| plain.size > 0)?;
        let mut forms = COMPRESSIONS.iter().filter_map(|extension| {
            let listed = self
                .release
                .file(&format!("{folder}/Packages{extension}"))?;
            let digest = listed.digests.first()?.clone();
            let wanted = Wanted {
                urls: self.urls(&folder, extension, listed),
                path: self.cache.join(digest.hex()),
                digest,
                size: listed.size,
            };
            Some(Form { extension, wanted })
        });
        let (archive, suite) = (&self.source.repository.archive, self.source.suite);
        Some(Index {
            suite: self.suite,
            component: component.to_owned(),
            label: format!("index `{folder}` of suite `{suite}` of archive `{archive}`"),
            best: forms.next()?,
            others: forms.collect(),
            chosen: 0,
            plain: plain.clone(),
            folder,
        })
    }

    /// Where an index is found: by its hash where the archive offers that, for a mirror may replace
    /// the named file at any moment.
    fn urls(&self, folder: &str, extension: &str, listed: &Listed) -> Vec<Url> {
        let folder = format!("dists/{}/{}", self.source.suite, encode_path(folder));
        let named = self.base.join(&format!("{folder}/Packages{extension}"));
        if !self.release.by_hash() {
            return vec![named];
        }
        let by_hash = |digest: &Digest| {
            let kind = digest.by_hash_folder();
            self.base
                .join(&format!("{folder}/by-hash/{kind}/{}", digest.hex()))
        };
        let mut urls: Vec<Url> = listed.digests.iter().map(by_hash).collect();
        urls.push(named);
        urls
    }
}

impl Index {
    fn item((index, of): (usize, &Self)) -> Item {
        Item {
            index,
            name: of.label.clone(),
            wanted: of.best.wanted.clone(),
            instead: of.others.iter().map(|form| form.wanted.clone()).collect(),
        }
    }

    /// Unpacks it to `path`.
    pub(crate) fn unpack(&self, path: &Path) -> Result<(), ResolveError> {
        self.unpack_bounded(path)
            .map_err(|source| ResolveError::Unpack {
                index: self.label.clone(),
                source,
            })
    }

    fn unpack_bounded(&self, path: &Path) -> io::Result<()> {
        let others = self.chosen.checked_sub(1);
        let form = others
            .and_then(|place| self.others.get(place))
            .unwrap_or(&self.best);
        let mut scratch = path.to_owned().into_os_string();
        scratch.push(".packed");
        scratch.push(form.extension);
        let reader = unpack::open(&form.wanted.path, form.extension, Path::new(&scratch))?;
        let mut target = io::BufWriter::with_capacity(1 << 18, File::create(path)?);
        let mut hashers: Vec<_> = self.plain.digests.iter().map(Digest::hasher).collect();
        let mut reader = reader.take(self.plain.size + 1);
        let (mut chunk, mut unpacked) = (vec![0; 128 << 10], 0);
        loop {
            let count = match reader.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let bytes = chunk.get(..count).unwrap_or_default();
            for hasher in &mut hashers {
                hasher.update(bytes);
            }
            target.write_all(bytes)?;
            unpacked += count as u64;
        }
        target.flush()?;
        let same = unpacked == self.plain.size
            && self
                .plain
                .digests
                .iter()
                .zip(hashers)
                .all(|(digest, hasher)| hasher.finish() == digest.hex());
        if same {
            Ok(())
        } else {
            let message = "it unpacks to another file than its Release file lists as `Packages`";
            Err(io::Error::other(message))
        }
    }
}
