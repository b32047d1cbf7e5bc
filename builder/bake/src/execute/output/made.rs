//! Owns directories that were made on the way and are taken back where nothing came of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Directories that were made; dropping it removes those that are still empty.
#[derive(Debug, Default)]
pub(crate) struct MadeDirectories(Vec<PathBuf>);

impl MadeDirectories {
    /// Makes the directory at `path` and what is missing above it.
    pub(crate) fn make(path: &Path) -> io::Result<Self> {
        let missing = path.ancestors().take_while(|above| {
            !above.as_os_str().is_empty() && fs::symlink_metadata(above).is_err()
        });
        let made = Self(missing.map(Path::to_owned).collect());
        fs::create_dir_all(path)?;
        Ok(made)
    }

    /// Lets them stay.
    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for MadeDirectories {
    fn drop(&mut self) {
        for directory in &self.0 {
            if fs::remove_dir(directory).is_err() {
                // It is in use, so those above it are too.
                return;
            }
        }
    }
}
