//! Owns dpkg's records of unpacked packages: the status file, `info/`, and triggers. Must not run
//! anything.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::contest::Loss;
use super::error::InstallError;
use super::extract::{Unpacked, file_error};
use super::triggers;
use crate::deb::paragraph::Paragraph;
use crate::deb::{Control, ControlFile};

/// dpkg's database in a tree.
#[derive(Clone, Debug)]
pub(super) struct Records {
    directory: PathBuf,
}

impl Records {
    /// Opens the database below `root`, and makes an empty one where there is none.
    pub(super) fn open(root: &Path) -> Result<Self, InstallError> {
        let directory = root.join("var/lib/dpkg");
        let records = Self { directory };
        for name in ["info", "updates", "triggers"] {
            let path = records.directory.join(name);
            fs::create_dir_all(&path).map_err(|source| file_error("make", &path, source))?;
        }
        for (name, content) in [("status", ""), ("info/format", "1\n")] {
            let path = records.directory.join(name);
            if !path.exists() {
                write(&path, content.as_bytes())?;
            }
        }
        Ok(records)
    }

    /// A path in the database.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The packages of the status file.
    pub(super) fn status(&self) -> Result<Vec<Paragraph>, InstallError> {
        let path = self.path("status");
        Paragraph::parse_all(&read_bytes(&path)?).map_err(|malformed| InstallError::Records {
            path: path.display().to_string(),
            line: malformed.line,
            paragraph: malformed.paragraph,
        })
    }

    /// Records packages as unpacked, and sets off their triggers.
    pub(super) fn add(&self, packages: &[&Unpacked]) -> Result<(), InstallError> {
        let path = self.path("status");
        let mut status = read_bytes(&path)?;
        if !status.is_empty() && !status.ends_with(b"\n\n") {
            status.push(b'\n');
        }
        for package in packages {
            self.write_info(package)?;
            status.extend(stanza(&package.control));
        }
        write(&path, &status)?;
        triggers::record(self, packages)
    }

    fn write_info(&self, package: &Unpacked) -> Result<(), InstallError> {
        let name = package.control.record_name();
        let info = self.path("info");
        for file in &package.control.files {
            let path = info.join(format!("{name}.{}", file.name));
            write_control_file(&path, file).map_err(|source| file_error("write", &path, source))?;
        }
        let mut list = Vec::new();
        for shipped in &package.shipped {
            list.extend_from_slice(&shipped.path);
            list.push(b'\n');
        }
        write(&info.join(format!("{name}.list")), &list)?;
        let Some(md5sums) = &package.md5sums else {
            return Ok(());
        };
        let mut text = Vec::new();
        for known in md5sums {
            text.extend([known.digest.as_bytes(), b"  ", &known.path, b"\n"].concat());
        }
        write(&info.join(format!("{name}.md5sums")), &text)
    }

    /// Takes paths that now belong to another package out of the lists of those that had them.
    pub(super) fn lose(&self, losses: &[Loss]) -> Result<(), InstallError> {
        for loss in losses {
            let names = [loss.package.clone(), format!("{}:", loss.package)];
            let info = self.path("info");
            let entries =
                fs::read_dir(&info).map_err(|source| file_error("read", &info, source))?;
            for entry in entries {
                let entry = entry.map_err(|source| file_error("read", &info, source))?;
                let file_name = entry.file_name();
                let Some(stem) = file_name
                    .to_str()
                    .and_then(|name| name.strip_suffix(".list"))
                else {
                    continue;
                };
                let [plain, qualified] = &names;
                if stem == plain || stem.starts_with(qualified.as_str()) {
                    remove_line(&entry.path(), &loss.path)?;
                }
            }
        }
        Ok(())
    }
}

fn remove_line(path: &Path, line: &[u8]) -> Result<(), InstallError> {
    let text = fs::read(path).map_err(|source| file_error("read", path, source))?;
    let kept: Vec<&[u8]> = text
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|kept| kept.strip_suffix(b"\n").unwrap_or(kept) != line)
        .collect();
    write(path, &kept.concat())
}

/// What dpkg writes for a package that is unpacked and not yet configured. dpkg puts the fields into
/// its own order when it writes the file the next time.
fn stanza(control: &Control) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in control.fields.fields() {
        text.extend([name.as_bytes(), b": ", value, b"\n"].concat());
        if name.eq_ignore_ascii_case("Package") {
            text.extend(b"Status: install ok unpacked\n");
        }
    }
    let conffiles = control.conffiles();
    if !conffiles.is_empty() {
        text.extend(b"Conffiles:\n");
        for conffile in conffiles {
            text.extend([b" ", conffile.path.as_slice(), b" newconffile"].concat());
            if conffile.remove_on_upgrade {
                text.extend(b" remove-on-upgrade");
            }
            text.push(b'\n');
        }
    }
    text.push(b'\n');
    text
}

pub(super) fn write_control_file(path: &Path, file: &ControlFile) -> io::Result<()> {
    let mut output = File::create(path)?;
    output.write_all(&file.bytes)?;
    output.set_permissions(Permissions::from_mode(file.mode))?;
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(file.mtime);
    output.set_times(FileTimes::new().set_modified(modified))
}

pub(super) fn read(path: &Path) -> Result<String, InstallError> {
    Ok(String::from_utf8_lossy(&read_bytes(path)?).into_owned())
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, InstallError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|source| file_error("read", path, source)),
    }
}

pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), InstallError> {
    fs::write(path, content).map_err(|source| file_error("write", path, source))
}
