//! Owns a copy of this project in a temporary folder, and running `vmimage` in it.

#![expect(
    clippy::missing_panics_doc,
    reason = "everything here panics where a test has to fail"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use vmimage_plan::sources::{SourceFile, Sources};

use crate::standin::{self, StandinRepository, Validity};

/// A copy of the project's definitions with a cache and an output directory of its own. Downloaded
/// packages are shared between all of them.
#[derive(Debug)]
pub struct Project {
    directory: PathBuf,
    /// Goes with the project.
    _temporary: Option<TempDir>,
}

/// How a run of `vmimage` ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The exit code; -1 where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The project that is being tested.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// The program, which `cargo build` put beside the tests' own folder.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let target = test
        .parent()
        .and_then(Path::parent)
        .expect("tests run from target/*/deps");
    let program = target.join("vmimage");
    assert!(
        program.is_file(),
        "run `cargo build -p vmimage` first: no {}",
        program.display()
    );
    program
}

/// Where downloaded packages stay between runs of the tests.
fn shared_packages() -> &'static Path {
    static SHARED: OnceLock<PathBuf> = OnceLock::new();
    SHARED.get_or_init(|| {
        let shared = PathBuf::from("/var/cache/vmimage/debs");
        if fs::create_dir_all(&shared).is_ok() {
            return shared;
        }
        let fallback = std::env::temp_dir().join("vmimage-tests-debs");
        fs::create_dir_all(&fallback).expect("make a package cache");
        fallback
    })
}

impl Default for Project {
    fn default() -> Self {
        Self::new()
    }
}

impl Project {
    /// Copies this project's definitions.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("vmimage-test-")
            .tempdir_in("/var/tmp")
            .expect("make a temporary folder");
        Self::fill(directory.path().to_owned(), Some(directory))
    }

    /// A project for all tests of a program, which a static holds and nothing drops: it takes the place
    /// of the one that an earlier run left under this name.
    pub fn lasting(name: &str) -> Self {
        let directory = Path::new("/var/tmp/vmimage-test-projects").join(name);
        fs::create_dir_all(&directory).expect("make a folder");
        fs::remove_dir_all(&directory).expect("remove the last run's project");
        fs::create_dir(&directory).expect("make a folder");
        Self::fill(directory, None)
    }

    fn fill(directory: PathBuf, temporary: Option<TempDir>) -> Self {
        let project = Self {
            directory,
            _temporary: temporary,
        };
        for folder in ["images", "recipes"] {
            copy(&repository().join(folder), &project.path(folder));
        }
        fs::create_dir(project.path("cache")).expect("make the cache");
        symlink(shared_packages(), project.path("cache/debs")).expect("share the packages");
        project
    }

    /// A path in the project.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file of the project, making folders as needed.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("make folders");
        fs::write(path, text).expect("write a file");
    }

    /// Replaces text in a file of the project; the text must be there.
    pub fn replace(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).expect("read a file");
        assert!(text.contains(from), "`{from}` is not in {name}");
        self.write(name, &text.replace(from, to));
    }

    /// Builds the stand-in archives; returns their folder.
    pub fn standins(&self) -> String {
        let folder = self.path("standins");
        StandinRepository::build(&standin::sources(), &folder, Validity::default())
            .expect("build the stand-ins");
        folder.display().to_string()
    }

    /// A command that runs `vmimage` in the project with its own cache.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(&self.directory)
            .env("VMIMAGE_CACHE", self.path("cache"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs `vmimage` to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments))
    }

    /// Runs `vmimage`, which must succeed.
    pub fn done(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(
            ran.code,
            0,
            "vmimage {}:\n{}",
            arguments.join(" "),
            ran.stderr
        );
        ran
    }

    /// Every file below a folder of the project with its size and times, so that a write shows.
    pub fn fingerprints(&self, folder: &str) -> BTreeMap<PathBuf, (u64, i64, i64, i64)> {
        let mut found = BTreeMap::new();
        list(&self.path(folder), &mut found);
        found
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ran {
    let output = command.output().expect("start the program");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// SHA-256 of a file, in hexadecimal.
pub fn sha256(path: &Path) -> String {
    let mut file = fs::File::open(path).expect("open a file to hash");
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = std::io::Read::read(&mut file, &mut buffer).expect("read a file to hash");
        if count == 0 {
            return hex::encode(hasher.finalize());
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
}

/// Every definition below a project's folder, as `vmimage` reads them.
pub fn definitions(root: &Path) -> Sources {
    let mut found = Sources::default();
    for folder in ["images", "recipes"] {
        define(root, folder, &mut found);
    }
    found
}

fn define(root: &Path, folder: &str, found: &mut Sources) {
    for entry in fs::read_dir(root.join(folder)).expect("list a folder") {
        let entry = entry.expect("list a folder");
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            define(root, &name, found);
        } else {
            let bytes = fs::read(entry.path()).expect("read a definition");
            let mode = entry.metadata().expect("look at a definition").mode();
            let executable = mode & 0o100 != 0;
            found.insert(name, SourceFile { bytes, executable });
        }
    }
}

/// Whether `make test-full` asks for what takes minutes.
pub fn is_full_run() -> bool {
    std::env::var_os("VMIMAGE_TEST_FULL").is_some()
}

/// What identifies the file system that a file holds.
pub fn file_system_uuid(file: &Path) -> String {
    let mut blkid = Command::new("blkid");
    let ran = run(blkid.args(["-p", "-s", "UUID", "-o", "value"]).arg(file));
    assert_eq!(ran.code, 0, "{}: {}", file.display(), ran.stderr);
    ran.stdout
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("make a folder");
    for entry in fs::read_dir(from).expect("list a folder") {
        let entry = entry.expect("list a folder");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copy a file");
        }
    }
}

fn list(folder: &Path, found: &mut BTreeMap<PathBuf, (u64, i64, i64, i64)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let metadata = fs::symlink_metadata(&path).expect("look at a file");
        let state = (
            metadata.len(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        );
        if metadata.is_dir() {
            list(&path, found);
        }
        found.insert(path, state);
    }
}
