//! Owns building one .deb from a folder of sources. Everything in it belongs to root, has one date
//! and is in sorted order.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use md5::{Digest, Md5};

use super::{ORIGIN, StandinError, file_error, sorted_entries};

/// Maintainer scripts, which dpkg runs.
const SCRIPTS: [&str; 4] = ["postinst", "postrm", "preinst", "prerm"];

/// A built package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deb {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its control file.
    pub control: String,
    /// The .deb.
    pub bytes: Vec<u8>,
}

/// A file or folder that a package installs.
struct Member {
    /// Relative to the root, without `./`.
    path: PathBuf,
    /// The content of a file, `None` for a folder.
    content: Option<Vec<u8>>,
    executable: bool,
}

impl Deb {
    /// Builds the package whose sources are in `folder`; `date` is the time of every file in it.
    pub fn build(folder: &Path, date: i64) -> Result<Self, StandinError> {
        let control_path = folder.join("control");
        let mut control =
            fs::read_to_string(&control_path).map_err(|e| file_error("read", &control_path, e))?;
        let field = |name: &'static str| {
            field(&control, name).ok_or_else(|| StandinError::Field {
                path: control_path.display().to_string(),
                field: name,
            })
        };
        let name = field("Package")?;
        let version = field("Version")?;
        field("Description")?;
        if field("Origin")? != ORIGIN {
            return Err(StandinError::Origin {
                path: control_path.display().to_string(),
            });
        }

        let mut members = Vec::new();
        let root = folder.join("root");
        if root.is_dir() {
            collect(&root, Path::new(""), &mut members)?;
        }
        control = with_installed_size(&control, &members);
        let information = information(folder, &control, &members)?;
        let bytes = package(&information, &members, date)
            .map_err(|source| file_error("write", folder, source))?;
        Ok(Self {
            name,
            version,
            control,
            bytes,
        })
    }
}

/// A field's value, of its first line.
fn field(control: &str, name: &str) -> Option<String> {
    control.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(':')?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    })
}

fn collect(folder: &Path, path: &Path, members: &mut Vec<Member>) -> Result<(), StandinError> {
    for entry in sorted_entries(folder)? {
        let inside = path.join(entry.file_name().unwrap_or_default());
        let read = |source| file_error("read", &entry, source);
        if entry.is_dir() {
            members.push(Member {
                path: inside.clone(),
                content: None,
                executable: true,
            });
            collect(&entry, &inside, members)?;
        } else {
            let mode = fs::metadata(&entry).map_err(read)?.permissions().mode();
            members.push(Member {
                path: inside,
                content: Some(fs::read(&entry).map_err(read)?),
                executable: mode & 0o111 != 0,
            });
        }
    }
    Ok(())
}

/// Adds `Installed-Size` before the description, counted as dpkg-gencontrol does: KiB per file,
/// rounded up, and one KiB per folder.
fn with_installed_size(control: &str, members: &[Member]) -> String {
    let size: usize = members
        .iter()
        .map(|member| {
            member
                .content
                .as_ref()
                .map_or(1, |c| c.len().div_ceil(1024))
        })
        .sum();
    control.replacen(
        "\nDescription:",
        &format!("\nInstalled-Size: {size}\nDescription:"),
        1,
    )
}

/// What goes into `control.tar`.
fn information(
    folder: &Path,
    control: &str,
    members: &[Member],
) -> Result<Vec<Member>, StandinError> {
    let member = |name: &str, content: Vec<u8>, executable| Member {
        path: PathBuf::from(name),
        content: Some(content),
        executable,
    };
    let mut information = vec![member("control", control.as_bytes().to_vec(), false)];
    let mut sums = String::new();
    for file in members {
        if let Some(content) = &file.content {
            let digest = hex::encode(Md5::digest(content));
            // Writing to a `String` cannot fail.
            let _ = writeln!(sums, "{digest}  {}", file.path.display());
        }
    }
    information.push(member("md5sums", sums.into_bytes(), false));
    for name in ["conffiles"].into_iter().chain(SCRIPTS) {
        let path = folder.join(name);
        match fs::read(&path) {
            Ok(content) => information.push(member(name, content, SCRIPTS.contains(&name))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(file_error("read", &path, error)),
        }
    }
    information.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(information)
}

fn package(information: &[Member], members: &[Member], date: i64) -> io::Result<Vec<u8>> {
    let mut package = ar::Builder::new(Vec::new());
    let parts = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", compressed_tar(information, date)?),
        ("data.tar.gz", compressed_tar(members, date)?),
    ];
    for (name, content) in parts {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), content.len() as u64);
        header.set_mode(0o100_644);
        header.set_mtime(seconds(date));
        package.append(&header, content.as_slice())?;
    }
    package.into_inner()
}

fn compressed_tar(members: &[Member], date: i64) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let root = Member {
        path: PathBuf::new(),
        content: None,
        executable: true,
    };
    for member in std::iter::once(&root).chain(members) {
        let content = member.content.as_deref().unwrap_or_default();
        let mut header = tar::Header::new_gnu();
        let mut name = b"./".to_vec();
        name.extend(member.path.as_os_str().as_bytes());
        if member.content.is_none() {
            header.set_entry_type(tar::EntryType::Directory);
            if !member.path.as_os_str().is_empty() {
                name.push(b'/');
            }
        }
        // Not `set_path`, which drops the leading `./` that dpkg's own archives have.
        let field = &mut header.as_old_mut().name;
        if name.len() > field.len() {
            return Err(io::Error::other("a path is longer than 100 bytes"));
        }
        field[..name.len()].copy_from_slice(&name);
        header.set_mode(if member.executable { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root")?;
        header.set_groupname("root")?;
        header.set_mtime(seconds(date));
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.append(&header, content)?;
    }
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(&tar.into_inner()?)?;
    gzip.finish()
}

fn seconds(date: i64) -> u64 {
    u64::try_from(date).unwrap_or(0)
}
