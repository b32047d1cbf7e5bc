//! Owns what boot tests leave in the folder beside a disk: their console logs. Must not touch anything
//! else that is there.

use std::fs;
use std::io;
use std::path::Path;

use super::scratch;

/// The folder's name beside the disk.
pub const FOLDER: &str = "boot-test";

/// The name of the console log of a boot.
pub(crate) fn console_log_name(boot: u32) -> String {
    format!("boot-{boot}.console.log")
}

fn is_console_log(name: &str) -> bool {
    name.strip_prefix("boot-")
        .and_then(|rest| rest.strip_suffix(".console.log"))
        .is_some_and(|number| number.parse::<u32>().is_ok())
}

/// What in the folder at `path` no boot test wrote, with the folder's name before it.
pub(crate) fn foreign_files(path: &Path) -> io::Result<Vec<String>> {
    let mut foreign = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_folder = entry.file_type()?.is_dir();
        let is_own = if is_folder {
            scratch::is_scratch(&name)
        } else {
            is_console_log(&name)
        };
        if !is_own {
            let slash = if is_folder { "/" } else { "" };
            foreign.push(format!("{FOLDER}/{name}{slash}"));
        }
    }
    Ok(foreign)
}

/// Whether a boot test is at work in the folder at `path`.
pub(crate) fn is_running_in(path: &Path) -> bool {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter(|entry| scratch::is_scratch(&entry.file_name().to_string_lossy()))
        .any(|entry| scratch::is_held(&entry.path()))
}

/// Removes what boot tests wrote into the folder at `path`, and the folder if nothing else is in it.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.file_type()?.is_dir() {
            if is_console_log(&name) {
                fs::remove_file(entry.path())?;
            }
        } else if scratch::is_scratch(&name) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
