//! Owns the output directory: whether what is in it is still what a bake left there, and putting a
//! new one in its place at once.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};
use vmimage_plan::bake::Format;

use super::BakeError;

/// Written beside the image's files; says what a bake left, so that the next one need not read it
/// all again to know that it is still there.
const STATE: &str = ".vmimage-output.json";

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
}

/// Fingerprint and formats of the image in `out`, if every file is just as the bake left it.
pub fn observe_output(out: &Path) -> Option<(String, BTreeSet<Format>)> {
    let json = fs::read(out.join(STATE)).ok()?;
    let state: OutputState = serde_json::from_slice(&json).ok()?;
    let intact = state
        .files
        .iter()
        .all(|file| FileState::of(out, &file.name).is_ok_and(|now| now == *file));
    intact.then_some((state.fingerprint, state.formats))
}

/// A directory beside the output directory in which the new output is made.
pub(super) fn begin(out: &Path) -> Result<PathBuf, BakeError> {
    refuse_foreign(out)?;
    let unfinished = unfinished(out)?;
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(BakeError::file("remove", &unfinished))?;
    }
    fs::create_dir_all(&unfinished).map_err(BakeError::file("make", &unfinished))?;
    Ok(unfinished)
}

/// Puts the finished directory in the place of the output directory.
pub(super) fn commit(
    unfinished: &Path,
    out: &Path,
    fingerprint: &str,
    formats: &BTreeSet<Format>,
) -> Result<(), BakeError> {
    let read = || BakeError::file("read", unfinished);
    let mut names: Vec<String> = fs::read_dir(unfinished)
        .map_err(read())?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()
        .map_err(read())?;
    names.sort();
    let files = names.iter().map(|name| FileState::of(unfinished, name));
    let state = OutputState {
        fingerprint: fingerprint.to_owned(),
        formats: formats.clone(),
        files: files.collect::<io::Result<_>>().map_err(read())?,
    };
    let path = unfinished.join(STATE);
    let json = serde_json::to_vec_pretty(&state)
        .map_err(|error| BakeError::file("write", &path)(error.into()))?;
    fs::write(&path, json).map_err(BakeError::file("write", &path))?;
    if out.exists() {
        renameat_with(CWD, unfinished, CWD, out, RenameFlags::EXCHANGE)
            .map_err(|errno| BakeError::file("replace", out)(errno.into()))?;
        fs::remove_dir_all(unfinished).map_err(BakeError::file("remove", unfinished))
    } else {
        fs::rename(unfinished, out).map_err(BakeError::file("make", out))
    }
}

/// A directory that holds something else is not replaced.
fn refuse_foreign(out: &Path) -> Result<(), BakeError> {
    let entries = match fs::read_dir(out) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BakeError::file("read", out)(error)),
    };
    if out.join(STATE).is_file() || entries.count() == 0 {
        return Ok(());
    }
    Err(BakeError::ForeignOutput {
        path: out.display().to_string(),
    })
}

fn unfinished(out: &Path) -> Result<PathBuf, BakeError> {
    let name = out.file_name().ok_or_else(|| BakeError::ForeignOutput {
        path: out.display().to_string(),
    })?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".unfinished");
    Ok(out.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use super::{BakeError, begin, commit, observe_output};
    use std::collections::BTreeSet;
    use std::fs;
    use vmimage_plan::bake::Format;

    #[test]
    fn an_output_is_there_whole_or_not_at_all() {
        let root = tempfile::tempdir().expect("temporary directory");
        let out = root.path().join("image");
        let formats = BTreeSet::from([Format::Raw]);
        for content in ["one", "two"] {
            let unfinished = begin(&out).expect("begin");
            fs::write(unfinished.join("disk.raw"), content).expect("write");
            commit(&unfinished, &out, content, &formats).expect("commit");
            assert_eq!(
                observe_output(&out),
                Some((content.to_owned(), formats.clone()))
            );
            assert_eq!(
                fs::read_to_string(out.join("disk.raw")).expect("read"),
                content
            );
            assert_eq!(
                fs::read_dir(root.path()).expect("list").count(),
                1,
                "nothing left over"
            );
        }
        let killed = begin(&out).expect("begin");
        fs::write(killed.join("disk.raw"), "half").expect("write");
        assert_eq!(
            fs::read_to_string(out.join("disk.raw")).expect("read"),
            "two"
        );
        fs::write(out.join("disk.raw"), "changed").expect("write");
        assert_eq!(observe_output(&out), None, "a changed file is noticed");
    }

    #[test]
    fn a_directory_of_something_else_is_not_replaced() {
        let root = tempfile::tempdir().expect("temporary directory");
        fs::write(root.path().join("thesis.txt"), "years of work").expect("write");
        let error = begin(root.path()).expect_err("foreign");
        assert!(matches!(error, BakeError::ForeignOutput { .. }));
    }
}
