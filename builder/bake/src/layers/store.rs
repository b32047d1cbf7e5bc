//! Owns the layer store: a directory per key, complete or absent. Must not know how layers are made.
//!
//! ```text
//! layers/lock                    held by the one bake that uses the store
//! layers/<key>/files/            what the layer's packages ship
//! layers/<key>/changes/          what configuring them and the recipe changed
//! layers/<key>/inputs.json       the layer's inputs
//! layers/<key>/...               what the builder keeps for the layers above
//! layers/unfinished/             what a bake is making; emptied when the store is opened
//! last/<image>-<architecture>.json   the layer inputs of that image's last bakes, newest first
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, chown, flock, removexattr};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};
use vmimage_plan::layer::{LayerInputs, LayerKey};

/// How many bakes of an image keep their layers: enough to go back and forth between two branches.
const BAKES_KEPT: usize = 3;

/// An open store. While it exists no other process can open it.
#[derive(Debug)]
pub struct LayerStore {
    root: PathBuf,
    _lock: File,
}

/// A complete layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLayer {
    directory: PathBuf,
}

/// A layer that is being made.
#[derive(Debug)]
pub struct UnfinishedLayer {
    directory: PathBuf,
    work: PathBuf,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another bake has it.
    #[error("cannot use the layer store `{path}`: another bake is using it")]
    InUse {
        /// The store.
        path: String,
    },
    /// It cannot be read or written.
    #[error("cannot {verb} `{path}`")]
    File {
        /// `read`, `write`, `remove`, ...
        verb: &'static str,
        /// What.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    fn file(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { verb, path, source }
    }

    /// What to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::InUse { .. } => {
                Some("wait for it to end, or give this bake another `--cache`".to_owned())
            }
            Self::File { .. } => None,
        }
    }
}

impl LayerStore {
    /// Opens the store below `cache`, making it where it is missing, and removes what a killed bake
    /// left unfinished.
    pub fn open(cache: &Path) -> Result<Self, StoreError> {
        let root = cache.to_owned();
        let layers = root.join("layers");
        for directory in [&layers, &root.join("last")] {
            fs::create_dir_all(directory).map_err(StoreError::file("make", directory))?;
        }
        let path = layers.join("lock");
        let lock = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(StoreError::file("open", &path))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|errno| {
            if errno == Errno::WOULDBLOCK {
                StoreError::InUse {
                    path: root.display().to_string(),
                }
            } else {
                StoreError::File {
                    verb: "lock",
                    path: path.display().to_string(),
                    source: errno.into(),
                }
            }
        })?;
        let store = Self { root, _lock: lock };
        store.remove_unfinished()?;
        Ok(store)
    }

    /// The keys' directories and this image's last inputs, without opening the store: what a plan
    /// needs. A missing store is an empty one.
    pub fn observe(cache: &Path, image: &str) -> (BTreeSet<String>, BTreeMap<String, LayerInputs>) {
        let names = fs::read_dir(cache.join("layers"))
            .into_iter()
            .flatten()
            .flatten();
        let keys = names
            .filter(|entry| entry.path().join("inputs.json").is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        let last = read_last(&last_path(cache, image))
            .into_iter()
            .next()
            .unwrap_or_default();
        (
            keys,
            last.into_iter()
                .map(|inputs| (inputs.recipe.clone(), inputs))
                .collect(),
        )
    }

    /// The layer with this key, if it is there.
    pub fn get(&self, key: &LayerKey) -> Option<StoredLayer> {
        let directory = self.root.join("layers").join(key.short());
        directory
            .join("inputs.json")
            .is_file()
            .then_some(StoredLayer { directory })
    }

    /// Where a mounted tree and other unfinished things of this bake can be.
    pub fn scratch(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.unfinished().join(name);
        fs::create_dir_all(&path)
            .and_then(|()| make_root(&path))
            .map_err(StoreError::file("make", &path))?;
        Ok(path)
    }

    /// Begins a layer.
    pub fn begin(&self, key: &LayerKey) -> Result<UnfinishedLayer, StoreError> {
        let directory = self.scratch(key.short())?;
        let work = self.scratch(&format!("{}.work", key.short()))?;
        for name in ["files", "changes"] {
            let path = directory.join(name);
            fs::create_dir_all(&path).map_err(StoreError::file("make", &path))?;
            make_root(&path).map_err(StoreError::file("make", &path))?;
        }
        Ok(UnfinishedLayer { directory, work })
    }

    /// Puts a finished layer in its place.
    pub fn commit(
        &self,
        layer: &UnfinishedLayer,
        inputs: &LayerInputs,
    ) -> Result<StoredLayer, StoreError> {
        let path = layer.directory.join("inputs.json");
        let json = serde_json::to_vec_pretty(inputs)
            .map_err(|error| StoreError::file("write", &path)(error.into()))?;
        fs::write(&path, json).map_err(StoreError::file("write", &path))?;
        let place = self.root.join("layers").join(inputs.key().short());
        if place.exists() {
            fs::remove_dir_all(&place).map_err(StoreError::file("remove", &place))?;
        }
        fs::rename(&layer.directory, &place).map_err(StoreError::file("write", &place))?;
        Ok(StoredLayer { directory: place })
    }

    /// Remembers the layers of a bake, and removes those that no image's last bakes used.
    pub fn finish(&self, image: &str, layers: &[LayerInputs]) -> Result<(), StoreError> {
        let path = last_path(&self.root, image);
        let mut bakes = read_last(&path);
        bakes.retain(|bake| bake != layers);
        bakes.insert(0, layers.to_vec());
        bakes.truncate(BAKES_KEPT);
        let json = serde_json::to_vec_pretty(&bakes)
            .map_err(|error| StoreError::file("write", &path)(error.into()))?;
        let unfinished = self.unfinished().join("last.json");
        fs::create_dir_all(self.unfinished()).map_err(StoreError::file("make", &path))?;
        fs::write(&unfinished, json).map_err(StoreError::file("write", &unfinished))?;
        fs::rename(&unfinished, &path).map_err(StoreError::file("write", &path))?;
        self.remove_unused()?;
        self.remove_unfinished()
    }

    fn remove_unused(&self) -> Result<(), StoreError> {
        let last = self.root.join("last");
        let mut used = BTreeSet::new();
        for entry in fs::read_dir(&last)
            .map_err(StoreError::file("read", &last))?
            .flatten()
        {
            for bake in read_last(&entry.path()) {
                used.extend(bake.iter().map(|inputs| inputs.key().short().to_owned()));
            }
        }
        let layers = self.root.join("layers");
        for entry in fs::read_dir(&layers)
            .map_err(StoreError::file("read", &layers))?
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            if path.is_dir() && name != "unfinished" && !used.contains(&name) {
                // Out of sight first, so that a kill in the middle leaves no half layer.
                let doomed = self.unfinished().join(format!("{name}.unused"));
                fs::rename(&path, &doomed).map_err(StoreError::file("remove", &path))?;
            }
        }
        Ok(())
    }

    fn remove_unfinished(&self) -> Result<(), StoreError> {
        let path = self.unfinished();
        match fs::remove_dir_all(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(StoreError::file("remove", &path)(source)),
        }
    }

    fn unfinished(&self) -> PathBuf {
        self.root.join("layers").join("unfinished")
    }
}

/// Makes a directory the root of a tree. What is made below it inherits nothing from the place of the
/// cache: neither the group of a set-group-id directory nor a default access control list.
fn make_root(directory: &Path) -> io::Result<()> {
    match removexattr(directory, "system.posix_acl_default") {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
        Err(errno) => return Err(errno.into()),
    }
    chown(directory, Some(geteuid()), Some(getegid()))?;
    fs::set_permissions(directory, Permissions::from_mode(0o755))
}

fn last_path(cache: &Path, image: &str) -> PathBuf {
    cache.join("last").join(format!("{image}.json"))
}

/// An unreadable record only costs the explanation and the reuse it would have given.
fn read_last(path: &Path) -> Vec<Vec<LayerInputs>> {
    fs::read(path)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_default()
}

impl StoredLayer {
    /// What its packages ship.
    pub fn files(&self) -> PathBuf {
        self.directory.join("files")
    }

    /// What configuring them and the recipe changed.
    pub fn changes(&self) -> PathBuf {
        self.directory.join("changes")
    }

    /// Something that the builder keeps beside them.
    pub fn side(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl UnfinishedLayer {
    /// What its packages ship.
    pub fn files(&self) -> PathBuf {
        self.directory.join("files")
    }

    /// What configuring them and the recipe changes.
    pub fn changes(&self) -> PathBuf {
        self.directory.join("changes")
    }

    /// The overlay's own directory.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Something that the builder keeps beside them.
    pub fn side(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::{LayerStore, StoreError};
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use vmimage_plan::definition::{Architecture, Suite};
    use vmimage_plan::layer::{ENGINE, LayerInputs};

    fn inputs(recipe: &str, epoch: i64) -> LayerInputs {
        LayerInputs {
            engine: ENGINE,
            recipe: recipe.to_owned(),
            below: None,
            suite: Suite::Trixie,
            architecture: Architecture::X86_64,
            source_date_epoch: epoch,
            packages: vec![],
            debconf: vec![],
            files: vec![],
            commands: vec![],
            units: vec![],
        }
    }

    #[test]
    fn a_layer_is_there_only_when_it_is_complete() {
        let cache = tempfile::tempdir().expect("temporary directory");
        let base = inputs("base", 1);
        let store = LayerStore::open(cache.path()).expect("open");
        let layer = store.begin(&base.key()).expect("begin");
        fs::write(layer.files().join("a"), "x").expect("write");
        assert_eq!(store.get(&base.key()), None);
        drop(store);
        // As after a kill: the unfinished layer is gone, and nothing is in its place.
        let store = LayerStore::open(cache.path()).expect("open again");
        assert_eq!(store.get(&base.key()), None);
        assert!(!cache.path().join("layers/unfinished").exists());
        let layer = store.begin(&base.key()).expect("begin again");
        let stored = store.commit(&layer, &base).expect("commit");
        assert_eq!(store.get(&base.key()), Some(stored));
    }

    #[test]
    fn a_layer_s_root_inherits_nothing_from_the_cache() {
        let cache = tempfile::tempdir().expect("temporary directory");
        // As on a machine where a team shares the cache.
        fs::set_permissions(cache.path(), fs::Permissions::from_mode(0o2770)).expect("chmod");
        let store = LayerStore::open(cache.path()).expect("open");
        let layer = store.begin(&inputs("base", 1).key()).expect("begin");
        let scratch = store.scratch("seal").expect("scratch");
        for directory in [layer.files(), layer.changes(), scratch] {
            let file = directory.join("d");
            fs::create_dir(&file).expect("mkdir");
            let [root, below] = [&directory, &file].map(|path| fs::metadata(path).expect("stat"));
            assert_eq!(root.mode() & 0o7777, 0o755);
            assert_eq!(below.mode() & 0o7000, 0);
        }
    }

    #[test]
    fn a_store_has_one_user_at_a_time() {
        let cache = tempfile::tempdir().expect("temporary directory");
        let first = LayerStore::open(cache.path()).expect("open");
        let error = LayerStore::open(cache.path()).expect_err("in use");
        assert!(matches!(error, StoreError::InUse { .. }));
        drop(first);
        LayerStore::open(cache.path()).expect("open again");
    }

    #[test]
    fn layers_of_the_last_three_bakes_are_kept() {
        let cache = tempfile::tempdir().expect("temporary directory");
        for epoch in 1..=5 {
            let store = LayerStore::open(cache.path()).expect("open");
            let base = inputs("base", epoch);
            let layer = store.begin(&base.key()).expect("begin");
            store.commit(&layer, &base).expect("commit");
            store.finish("image-x86_64", &[base]).expect("finish");
        }
        let (keys, last) = LayerStore::observe(cache.path(), "image-x86_64");
        let kept: Vec<_> = (3..=5)
            .map(|e| inputs("base", e).key().short().to_owned())
            .collect();
        assert_eq!(keys.len(), 3);
        assert!(kept.iter().all(|key| keys.contains(key)));
        assert_eq!(last.get("base"), Some(&inputs("base", 5)));
    }
}
