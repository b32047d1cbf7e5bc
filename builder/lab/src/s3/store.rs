//! Owns what is kept: buckets, keys, versions. Must not know requests.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::uploads::Upload;

/// Whether a bucket keeps old versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Versioning {
    Never,
    Enabled,
    Suspended,
}

/// A bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub(super) region: String,
    pub(super) created: Duration,
    pub(super) versioning: Versioning,
    /// The configuration documents, by the parameter that names them.
    pub(super) documents: BTreeMap<&'static str, String>,
    /// Uploads in parts that are under way, by their ids.
    pub(super) uploads: BTreeMap<String, Upload>,
    keys: BTreeMap<String, Vec<Entry>>,
}

/// One version of a key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// `null` when versioning was not on.
    pub(super) version_id: String,
    pub(super) modified: Duration,
    /// `None`: a delete marker.
    pub(super) object: Option<Object>,
}

/// An object's content and what is said about it.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) body: Bytes,
    /// With its quotes.
    pub(super) etag: String,
    /// Headers that come back as they were given.
    pub(super) headers: Vec<(String, String)>,
    pub(super) checksum: Option<(String, String)>,
    pub(super) tags: BTreeMap<String, String>,
}

/// The version id of what is kept without versioning.
pub(super) const NULL: &str = "null";

impl Bucket {
    pub(super) fn new(region: &str, created: Duration) -> Self {
        Self {
            region: region.to_owned(),
            created,
            versioning: Versioning::Never,
            documents: BTreeMap::new(),
            uploads: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    /// Whether nothing is left in it, old versions and delete markers included.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The newest version of a key, which may be a delete marker.
    pub(super) fn newest(&self, key: &str) -> Option<&Entry> {
        self.keys.get(key)?.last()
    }

    /// The object that is there now.
    pub(super) fn current(&self, key: &str) -> Option<&Object> {
        self.newest(key)?.object.as_ref()
    }

    pub(super) fn version(&self, key: &str, version_id: &str) -> Option<&Entry> {
        self.keys
            .get(key)?
            .iter()
            .find(|entry| entry.version_id == version_id)
    }

    pub(super) fn version_mut(
        &mut self,
        key: &str,
        version_id: Option<&str>,
    ) -> Option<&mut Entry> {
        let entries = self.keys.get_mut(key)?;
        match version_id {
            None => entries.last_mut(),
            Some(id) => entries.iter_mut().find(|entry| entry.version_id == id),
        }
    }

    /// Keeps a new version: beside the old ones, or in place of the one without a version.
    pub(super) fn push(&mut self, key: &str, entry: Entry) {
        let entries = self.keys.entry(key.to_owned()).or_default();
        if entry.version_id == NULL {
            entries.retain(|old| old.version_id != NULL);
        }
        entries.push(entry);
    }

    /// Removes a key with all there is of it.
    pub(super) fn remove(&mut self, key: &str) {
        self.keys.remove(key);
    }

    /// Removes one version for good.
    pub(super) fn remove_version(&mut self, key: &str, version_id: &str) -> Option<Entry> {
        let entries = self.keys.get_mut(key)?;
        let index = entries
            .iter()
            .position(|entry| entry.version_id == version_id)?;
        let removed = entries.remove(index);
        if entries.is_empty() {
            self.keys.remove(key);
        }
        Some(removed)
    }

    /// The objects that are there now, from a key on, in the order of their keys.
    pub(super) fn objects_from<'a>(
        &'a self,
        from: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Entry, &'a Object)> {
        self.keys
            .range(from.to_owned()..)
            .filter_map(|(key, entries)| {
                let entry = entries.last()?;
                Some((key.as_str(), entry, entry.object.as_ref()?))
            })
    }

    /// Every version, newest first within a key; the flag says which is the latest.
    pub(super) fn all_versions(&self) -> impl Iterator<Item = (&str, &Entry, bool)> {
        self.keys.iter().flat_map(|(key, entries)| {
            let newest_first = entries.iter().rev().enumerate();
            newest_first.map(move |(index, entry)| (key.as_str(), entry, index == 0))
        })
    }
}
