//! Owns what is done to a layer's directories when all its packages are unpacked.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{Mode, mkdirat, symlinkat};
use rustix::io::Errno;

use super::extract::Extracted;
use super::namespace::{Namespace, PLAIN};
use super::unpack::set_directory;

/// Directories get their attributes last: before that, which package decides was not known.
pub(super) fn finish_directories(
    extracted: &Extracted,
    namespace: &Namespace,
    root: &File,
) -> io::Result<()> {
    for path in &extracted.directories {
        let attributes = namespace.attributes(path).unwrap_or(PLAIN);
        if attributes != PLAIN {
            set_directory(root.as_fd(), path, attributes)?;
        }
    }
    Ok(())
}

/// debootstrap makes these links where `base-files` does not ship them yet.
pub(super) fn make_aliases(
    namespace: &Namespace,
    architecture: &str,
    root: &File,
) -> io::Result<()> {
    let mut aliases: Vec<&str> = namespace.missing_aliases().collect();
    if aliases.contains(&"bin") {
        if architecture == "amd64" {
            aliases.extend(["lib32", "libx32"]);
        } else {
            aliases.retain(|alias| *alias != "lib64");
        }
        make_directory(root, "usr")?;
        for alias in aliases {
            let target = format!("usr/{alias}");
            make_directory(root, &target)?;
            symlinkat(&target, root, alias)?;
        }
    }
    Ok(())
}

fn make_directory(root: &File, path: &str) -> io::Result<()> {
    match mkdirat(root, path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
