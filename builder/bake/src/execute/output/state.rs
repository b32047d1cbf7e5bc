//! Owns the record of what a bake left in an output directory: by it the next bake knows whether all
//! of that is still there, and what it may replace.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use vmimage_plan::bake::Format;

/// Written beside the image's files; says what a bake left, so that the next one need not read it
/// all again to know that it is still there.
pub(super) const STATE: &str = ".vmimage-output.json";

/// The record while it is being written.
pub(super) const STATE_UNFINISHED: &str = ".vmimage-output.json.tmp";

/// A hundred times what a record takes.
const LARGEST_STATE: u64 = 1 << 20;

/// What a bake left in an output directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OutputState {
    /// The fingerprint of the image.
    pub fingerprint: String,
    /// Its formats.
    pub formats: BTreeSet<Format>,
    /// Every file.
    pub files: Vec<FileState>,
}

/// One file as it was left. The change time cannot be set, so an equal one means an unchanged file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FileState {
    name: String,
    size: u64,
    inode: u64,
    changed_secs: i64,
    changed_nanos: i64,
}

impl FileState {
    fn of(directory: &Path, name: &str) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(directory.join(name))?;
        Ok(Self {
            name: name.to_owned(),
            size: metadata.len(),
            inode: metadata.ino(),
            changed_secs: metadata.ctime(),
            changed_nanos: metadata.ctime_nsec(),
        })
    }

    /// A file that is being replaced: no file has such a state.
    fn unknown(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            size: 0,
            inode: 0,
            changed_secs: 0,
            changed_nanos: 0,
        }
    }
}

impl OutputState {
    /// What is left in `directory`: these files, as they are now.
    pub(super) fn of(
        directory: &Path,
        (fingerprint, formats): (&str, &BTreeSet<Format>),
        names: &BTreeSet<String>,
    ) -> io::Result<Self> {
        let files = names.iter().map(|name| FileState::of(directory, name));
        Ok(Self {
            fingerprint: fingerprint.to_owned(),
            formats: formats.clone(),
            files: files.collect::<io::Result<_>>()?,
        })
    }

    /// While files are replaced one by one: all of them belong to a bake, and none is as it shall be.
    pub(super) fn in_between(names: &BTreeSet<String>) -> Self {
        Self {
            fingerprint: String::new(),
            formats: BTreeSet::new(),
            files: names.iter().map(|name| FileState::unknown(name)).collect(),
        }
    }

    /// Reads the record in `directory`; `None` when there is none.
    pub(super) fn read(directory: &Path) -> io::Result<Option<Self>> {
        let path = directory.join(STATE);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(io::Error::other("it is no file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut json = Vec::new();
        File::open(&path)?
            .take(LARGEST_STATE)
            .read_to_end(&mut json)?;
        let state: Self = serde_json::from_slice(&json)?;
        let is_name =
            |name: &str| !name.is_empty() && !name.contains('/') && !name.starts_with("..");
        if state.files.iter().all(|file| is_name(&file.name)) {
            Ok(Some(state))
        } else {
            Err(io::Error::other("it names a file outside the directory"))
        }
    }

    /// Writes the record, whole or not at all.
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        let unfinished = directory.join(STATE_UNFINISHED);
        fs::write(&unfinished, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&unfinished, directory.join(STATE))
    }

    /// The names of the files.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.files.iter().map(|file| file.name.clone()).collect()
    }

    fn is_intact(&self, directory: &Path) -> bool {
        self.files
            .iter()
            .all(|file| FileState::of(directory, &file.name).is_ok_and(|now| now == *file))
    }
}

/// Fingerprint and formats of the image in `out`, if every file is just as the bake left it.
pub fn observe_output(out: &Path) -> Option<(String, BTreeSet<Format>)> {
    let state = OutputState::read(out).ok()??;
    state
        .is_intact(out)
        .then_some((state.fingerprint, state.formats))
}
