//! Owns reading a project's folder into [`Sources`]. Must not check what is in the files.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use vmimage_plan::Sources;
use vmimage_plan::sources::SourceFile;

/// More than any definition needs; a larger file is a mistake, such as an image below `images/`.
const LARGEST_FILE_BYTES: u64 = 16 << 20;

/// Why a project cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    /// The folder holds no definitions.
    #[error("cannot find `images/` in `{0}`")]
    NotAProject(String),
    /// A file or folder cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is too large to be a definition.
    #[error("cannot read `{path}`: {bytes} bytes are more than a definition's file may have")]
    TooLarge {
        /// Which.
        path: String,
        /// Its size.
        bytes: u64,
    },
}

impl ProjectError {
    /// What to do.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NotAProject(_) => {
                Some("run in the project's folder, or name it with `--project DIR`".to_owned())
            }
            Self::TooLarge { .. } => {
                Some(format!("keep files below {} MiB", LARGEST_FILE_BYTES >> 20))
            }
            Self::Read { .. } => None,
        }
    }
}

/// Reads every definition, recipe file and lock of the project at `root`.
pub(crate) fn load(root: &Path) -> Result<Sources, ProjectError> {
    if !root.join("images").is_dir() {
        return Err(ProjectError::NotAProject(root.display().to_string()));
    }
    let mut sources = Sources::default();
    for folder in ["images", "recipes"] {
        if root.join(folder).is_dir() {
            load_folder(root, folder, &mut sources)?;
        }
    }
    Ok(sources)
}

fn load_folder(root: &Path, folder: &str, sources: &mut Sources) -> Result<(), ProjectError> {
    let directory = root.join(folder);
    for entry in fs::read_dir(&directory).map_err(read_error(&directory))? {
        let entry = entry.map_err(read_error(&directory))?;
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        // Follows links: a recipe may be a link into another checkout.
        let metadata = fs::metadata(entry.path()).map_err(read_error(&entry.path()))?;
        if metadata.is_dir() {
            load_folder(root, &name, sources)?;
        } else if metadata.is_file() {
            if metadata.len() > LARGEST_FILE_BYTES {
                return Err(ProjectError::TooLarge {
                    path: name,
                    bytes: metadata.len(),
                });
            }
            let bytes = fs::read(entry.path()).map_err(read_error(&entry.path()))?;
            let executable = metadata.permissions().mode() & 0o100 != 0;
            sources.insert(name, SourceFile { bytes, executable });
        }
    }
    Ok(())
}

fn read_error(path: &Path) -> impl FnOnce(io::Error) -> ProjectError {
    let path: PathBuf = path.to_owned();
    move |source| ProjectError::Read {
        path: path.display().to_string(),
        source,
    }
}

/// The definition's path for what a user typed: an image's name, or a path to its file.
pub(crate) fn image_path(image: &str) -> String {
    let trimmed = image.trim_start_matches("./");
    if trimmed.starts_with("images/") {
        trimmed.to_owned()
    } else {
        format!("images/{}.toml", trimmed.trim_end_matches(".toml"))
    }
}

#[cfg(test)]
mod tests {
    use super::{image_path, load};
    use std::fs;

    #[test]
    fn an_image_is_named_in_any_of_three_ways() {
        for typed in ["web", "web.toml", "images/web.toml", "./images/web.toml"] {
            assert_eq!(image_path(typed), "images/web.toml");
        }
    }

    #[test]
    fn a_project_is_read_whole_and_a_missing_one_is_said() {
        let root = tempfile::tempdir().expect("temporary directory");
        let error = load(root.path()).expect_err("no images folder");
        assert_eq!(
            error.to_string(),
            format!("cannot find `images/` in `{}`", root.path().display())
        );
        fs::create_dir_all(root.path().join("images")).expect("mkdir");
        fs::create_dir_all(root.path().join("recipes/a/files")).expect("mkdir");
        fs::write(root.path().join("images/x.toml"), "format = 1\n").expect("write");
        fs::write(root.path().join("recipes/a/files/f"), [0, 159]).expect("write");
        let sources = load(root.path()).expect("load");
        assert_eq!(
            sources.paths().collect::<Vec<_>>(),
            ["images/x.toml", "recipes/a/files/f"]
        );
        assert_eq!(sources.text("images/x.toml"), Some("format = 1\n"));
        assert_eq!(sources.text("recipes/a/files/f"), None);
    }
}
