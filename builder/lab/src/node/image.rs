//! Owns the trees that nodes start from: what a bake wrote, unpacked once and shared. Must not change
//! a tree that is complete.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use serde::Deserialize;

use super::LabError;
use super::lab::is_at;

/// The files of a bake that are read here.
const MANIFEST: &str = "manifest.json";
const ARCHIVE: &str = "rootfs.tar.zst";

/// A tree that nodes can start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabImage {
    /// The bake's fingerprint; `None` for a plain tree, which has none.
    pub fingerprint: Option<String>,
    /// The tree. Nodes see it read-only.
    pub tree: PathBuf,
}

/// An image that is in use: it stays as long as this does.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) image: LabImage,
    /// A shared lock; there is none of a plain tree, which is not ours to remove.
    pub(super) held: Option<File>,
}

/// What of a bake's manifest matters here.
#[derive(Deserialize)]
struct Manifest {
    fingerprint: String,
}

/// Opens `path`: the output directory of `vmimage bake --format rootfs`, which is unpacked below
/// `images` unless it has been already, or a root tree.
pub(super) fn open(path: &Path, images: &Path) -> Result<Opened, LabError> {
    if path.join("usr/lib/systemd/systemd").is_file() {
        let image = LabImage {
            fingerprint: None,
            tree: absolute(path)?,
        };
        return Ok(Opened { image, held: None });
    }
    let no_image = |problem: &str| LabError::Image {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let manifest = path.join(MANIFEST);
    if !manifest.is_file() {
        return Err(no_image(
            "it is neither the output of a bake nor a root tree with systemd",
        ));
    }
    if !path.join(ARCHIVE).is_file() {
        return Err(no_image(
            "it has no `rootfs.tar.zst`; bake it with `--format rootfs`",
        ));
    }
    let text = fs::read(&manifest).map_err(LabError::file("read", &manifest))?;
    let Ok(Manifest { fingerprint }) = serde_json::from_slice(&text) else {
        return Err(no_image("its `manifest.json` is damaged"));
    };
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if fingerprint.is_empty() || !fingerprint.bytes().all(hexadecimal) {
        return Err(no_image(
            "the fingerprint in its `manifest.json` is damaged",
        ));
    }
    let held = unpacked(&path.join(ARCHIVE), &fingerprint, images)?;
    let tree = images.join(&fingerprint);
    let fingerprint = Some(fingerprint);
    Ok(Opened {
        image: LabImage { fingerprint, tree },
        held: Some(held),
    })
}

/// Sees to it that the tree of an archive is there: complete or absent, whoever else unpacks or removes
/// it at the same time.
fn unpacked(archive: &Path, fingerprint: &str, images: &Path) -> Result<File, LabError> {
    let tree = images.join(fingerprint);
    fs::create_dir_all(images).map_err(LabError::file("make", images))?;
    let path = images.join(format!("{fingerprint}.lock"));
    loop {
        let mut lock = File::create(&path).map_err(LabError::file("make", &path))?;
        lock.lock_shared().map_err(LabError::file("lock", &path))?;
        if !is_at(&lock, &path) {
            continue;
        }
        if tree.is_dir() {
            // Its time tells when the image was used last.
            lock.write_all(b"\n")
                .map_err(LabError::file("write", &path))?;
            return Ok(lock);
        }
        lock.unlock().map_err(LabError::file("unlock", &path))?;
        lock.lock().map_err(LabError::file("lock", &path))?;
        if is_at(&lock, &path) && !tree.is_dir() {
            unpack_whole(archive, fingerprint, images)?;
        }
    }
}

/// Removes all unpacked images that no lab uses but those used last; says how many stay.
pub(super) fn prune(images: &Path, keep: usize) -> Result<usize, LabError> {
    let entries = fs::read_dir(images).into_iter().flatten().flatten();
    let mut locks: Vec<(SystemTime, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "lock")
        })
        .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
        .collect();
    locks.sort();
    let mut kept = 0;
    for (_, path) in locks.into_iter().rev() {
        let tree = path.with_extension("");
        if kept < keep && tree.is_dir() {
            kept += 1;
            continue;
        }
        let lock = match File::open(&path) {
            // Somebody else removes them too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(LabError::file("read", &path))?,
        };
        // Whoever uses it holds it.
        if lock.try_lock().is_err() || !is_at(&lock, &path) {
            kept += 1;
            continue;
        }
        for tree in [tree, path.with_extension("part")] {
            if tree.exists() {
                fs::remove_dir_all(&tree).map_err(LabError::file("remove", &tree))?;
            }
        }
        fs::remove_file(&path).map_err(LabError::file("remove", &path))?;
    }
    Ok(kept)
}

/// The lock must be held.
fn unpack_whole(archive: &Path, fingerprint: &str, images: &Path) -> Result<(), LabError> {
    let tree = images.join(fingerprint);
    let part = images.join(format!("{fingerprint}.part"));
    if part.exists() {
        fs::remove_dir_all(&part).map_err(LabError::file("remove", &part))?;
    }
    fs::create_dir(&part).map_err(LabError::file("make", &part))?;
    unpack(archive, &part)?;
    fs::rename(&part, &tree).map_err(LabError::file("rename", &part))
}

/// Unpacks with tar, which every Debian has and which knows every kind of file and attribute.
fn unpack(archive: &Path, into: &Path) -> Result<(), LabError> {
    let failed = |problem: String| LabError::Image {
        path: archive.to_owned(),
        problem,
    };
    let file = File::open(archive).map_err(LabError::file("read", archive))?;
    let mut decoder = zstd::Decoder::new(file).map_err(LabError::file("read", archive))?;
    let mut tar = Command::new("tar")
        .args(["--extract", "--file=-", "--preserve-permissions"])
        .args(["--same-owner", "--numeric-owner", "--xattrs"])
        .args(["--xattrs-include=*", "--directory"])
        .arg(into)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(LabError::file("unpack", archive))?;
    let copied = tar
        .stdin
        .take()
        .map_or(Ok(0), |mut pipe| io::copy(&mut decoder, &mut pipe));
    let output = tar
        .wait_with_output()
        .map_err(LabError::file("unpack", archive))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim_end().lines().last().unwrap_or_default();
        return Err(failed(format!("tar says: {last}")));
    }
    copied.map(drop).map_err(LabError::file("unpack", archive))
}

fn absolute(path: &Path) -> Result<PathBuf, LabError> {
    fs::canonicalize(path).map_err(LabError::file("read", path))
}

#[cfg(test)]
mod tests {
    use super::{open, prune};
    use std::fs;
    use std::path::Path;

    fn write_archive(path: &Path) {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("usr/bin")).unwrap();
        fs::write(tree.path().join("usr/bin/true"), "true").unwrap();
        let output = std::process::Command::new("tar")
            .args(["--create", "--file=-", "--directory"])
            .arg(tree.path())
            .arg(".")
            .output()
            .unwrap();
        fs::write(path, zstd::encode_all(output.stdout.as_slice(), 1).unwrap()).unwrap();
    }

    #[track_caller]
    fn check(files: &[(&str, &str)], said: &str) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let images = folder.path().join("images");
        let error = open(folder.path(), &images).unwrap_err().to_string();
        let (_, problem) = error.split_once("can start from: ").unwrap();
        assert_eq!(problem, said);
    }

    #[test]
    fn what_is_no_image_is_refused() {
        check(
            &[],
            "it is neither the output of a bake nor a root tree with systemd",
        );
        check(
            &[("manifest.json", "{}")],
            "it has no `rootfs.tar.zst`; bake it with `--format rootfs`",
        );
        check(
            &[("manifest.json", "{"), ("rootfs.tar.zst", "")],
            "its `manifest.json` is damaged",
        );
        check(
            &[
                ("manifest.json", "{\"fingerprint\": \"../x\"}"),
                ("rootfs.tar.zst", ""),
            ],
            "the fingerprint in its `manifest.json` is damaged",
        );
    }

    #[test]
    fn a_bake_is_unpacked_once_and_kept_by_its_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("images");
        let manifest = folder.path().join("manifest.json");
        fs::write(manifest, "{\"fingerprint\": \"ab12\", \"format\": 1}").unwrap();
        write_archive(&folder.path().join("rootfs.tar.zst"));
        fs::create_dir_all(images.join("ab12.part/left-over")).unwrap();
        let opened = open(folder.path(), &images).unwrap();
        let image = opened.image.clone();
        assert_eq!(image.fingerprint.as_deref(), Some("ab12"));
        assert_eq!(image.tree, images.join("ab12"));
        let file = image.tree.join("usr/bin/true");
        assert_eq!(fs::read_to_string(&file).unwrap(), "true");
        assert!(!images.join("ab12.part").exists());
        fs::write(&file, "as it was").unwrap();
        assert_eq!(open(folder.path(), &images).unwrap().image, image);
        assert_eq!(fs::read_to_string(&file).unwrap(), "as it was");
        assert_eq!(prune(&images, 0).unwrap(), 1, "it is in use");
        drop(opened);
        assert_eq!(prune(&images, 1).unwrap(), 1);
        assert_eq!(fs::read_to_string(&file).unwrap(), "as it was");
        fs::create_dir_all(images.join("cd34.part")).unwrap();
        fs::write(images.join("cd34.lock"), "").unwrap();
        assert_eq!(prune(&images, 0).unwrap(), 0);
        assert_eq!(fs::read_dir(&images).unwrap().count(), 0);
        assert_eq!(prune(&images.join("none"), 0).unwrap(), 0);
    }

    #[test]
    fn a_damaged_archive_leaves_no_tree() {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("images");
        fs::write(
            folder.path().join("manifest.json"),
            "{\"fingerprint\": \"ab12\"}",
        )
        .unwrap();
        let archive = folder.path().join("rootfs.tar.zst");
        write_archive(&archive);
        let bytes = fs::read(&archive).unwrap();
        fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
        open(folder.path(), &images).unwrap_err();
        assert!(!images.join("ab12").exists());
    }
}
