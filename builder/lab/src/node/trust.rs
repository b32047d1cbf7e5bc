//! Owns the layer between image and nodes that holds what all nodes of a lab trust: the lab's
//! certificate authority, added to the image's own. Must not change the image.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::LabError;

/// What curl, wget and OpenSSL's tools read on Debian.
const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

/// Where Debian's update-ca-certificates takes a site's own certificates from, should a node run it.
const OWN: &str = "usr/local/share/ca-certificates/vmimage-lab.crt";

/// Makes the layer for an image's `tree` at `layer`, and returns it.
pub(super) fn make(tree: &Path, layer: &Path, ca_pem: Option<&str>) -> Result<PathBuf, LabError> {
    if layer.exists() {
        fs::remove_dir_all(layer).map_err(LabError::file("remove", layer))?;
    }
    make_folder(tree, layer, Path::new("")).map_err(LabError::file("make", layer))?;
    if let Some(pem) = ca_pem {
        let bundle = fs::read_to_string(tree.join(BUNDLE)).unwrap_or_default();
        let gap = if bundle.is_empty() || bundle.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        write(tree, layer, BUNDLE, &format!("{bundle}{gap}{pem}"))?;
        write(tree, layer, OWN, pem)?;
    }
    Ok(layer.to_owned())
}

fn write(tree: &Path, layer: &Path, name: &str, text: &str) -> Result<(), LabError> {
    let path = layer.join(name);
    let parent = Path::new(name).parent().unwrap_or(Path::new(""));
    let mut below = PathBuf::new();
    let folders = parent.components().try_for_each(|part| {
        below.push(part);
        make_folder(tree, layer, &below)
    });
    folders
        .and_then(|()| fs::write(&path, text))
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o644)))
        .map_err(LabError::file("write", &path))
}

/// A folder of the layer covers the image's one, so it takes over its owner and mode.
fn make_folder(tree: &Path, layer: &Path, name: &Path) -> io::Result<()> {
    let path = layer.join(name);
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(&path)?;
    // A folder that the image has not is as it was made.
    let Ok(found) = fs::metadata(tree.join(name)) else {
        return Ok(());
    };
    chown(&path, Some(found.uid()), Some(found.gid()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(found.mode() & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::make;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn the_labs_authority_is_added_and_folders_keep_their_modes() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, layer) = (folder.path().join("tree"), folder.path().join("layer"));
        fs::create_dir_all(tree.join("etc/ssl/certs")).unwrap();
        let mode = fs::Permissions::from_mode(0o750);
        fs::set_permissions(tree.join("etc/ssl"), mode).unwrap();
        fs::write(tree.join("etc/ssl/certs/ca-certificates.crt"), "theirs").unwrap();
        fs::create_dir_all(layer.join("left-over")).unwrap();
        make(&tree, &layer, Some("ours\n")).unwrap();
        let read = |name: &str| fs::read_to_string(layer.join(name)).unwrap();
        assert_eq!(read("etc/ssl/certs/ca-certificates.crt"), "theirs\nours\n");
        assert_eq!(
            read("usr/local/share/ca-certificates/vmimage-lab.crt"),
            "ours\n"
        );
        let mode = fs::metadata(layer.join("etc/ssl")).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o750);
        assert!(!layer.join("left-over").exists());
    }
}
