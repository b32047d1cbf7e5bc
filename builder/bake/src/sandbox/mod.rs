//! Owns running programs inside a tree, in namespaces of their own. Must not know packages or layers.
//!
//! Nothing here forks or enters a namespace by itself: util-linux's `setpriv` and `unshare` do, so
//! that no unsafe code is needed and the kernel cleans up whatever way the bake ends. The caller
//! must already be in a private mount namespace, see [`worker`].

mod mounts;
pub mod overlay;
mod probe;
mod run;
pub mod worker;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mounts::Mounts;
pub use probe::{Obstacle, probe};

/// How long a program may run unless the caller knows better. Configuring the largest package set
/// takes under a minute; ten times that is a hang.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(15);

/// A tree in which programs can be run. While it exists, `/dev`, `/run` and `/tmp` are mounted in
/// the tree; dropping it unmounts them.
#[derive(Debug)]
pub struct Sandbox {
    root: PathBuf,
    source_date_epoch: i64,
    _mounts: Mounts,
}

/// A program to run.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// Program and arguments, looked up in the tree's `PATH`.
    pub argv: &'a [&'a str],
    /// What it reads from its standard input; nothing when `None`.
    pub stdin: Option<&'a [u8]>,
    /// It is killed when it takes longer.
    pub timeout: Duration,
    /// What else it sees.
    pub binds: &'a [Bind<'a>],
}

/// A file or directory of the host that a program sees.
#[derive(Clone, Debug)]
pub struct Bind<'a> {
    /// On the host.
    pub source: &'a Path,
    /// Absolute path in the tree; must exist or lie below `/run`, where it is made.
    pub target: &'a str,
    /// Whether writing is refused.
    pub read_only: bool,
}

/// How a program ended.
#[derive(Clone, Debug)]
#[must_use]
pub struct Output {
    /// Its exit code; 128 + the signal's number where a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// The last lines of standard output and standard error, for error messages.
    pub tail: String,
}

/// Why a program could not be run, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A mount was refused.
    #[error("cannot mount {what} on `{target}`")]
    Mount {
        /// What.
        what: String,
        /// Where.
        target: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No overlay can have its upper layer there.
    #[error("cannot keep layers in `{path}`: {obstacle}")]
    Unfit {
        /// The directory.
        path: String,
        /// What is in the way.
        obstacle: Obstacle,
        /// What was tried, and how it ended.
        #[source]
        source: io::Error,
    },
    /// A file or directory could not be prepared.
    #[error("cannot prepare `{path}`")]
    Prepare {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The program could not be started.
    #[error("cannot start `{program}` in `{root}`")]
    Start {
        /// The program.
        program: String,
        /// The tree.
        root: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its output or end could not be read.
    #[error("cannot follow `{program}`")]
    Follow {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("`{program}` did not end within {seconds} s; its last output was:\n{tail}")]
    Timeout {
        /// The program.
        program: String,
        /// How long it had.
        seconds: u64,
        /// Its last lines.
        tail: String,
    },
}

impl SandboxError {
    /// What to do, where that is certain.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => Some(
                "install util-linux 2.38 or newer, which brings `unshare` and `setpriv`".to_owned(),
            ),
            Self::Unfit { obstacle, .. } => Some(obstacle.hint().to_owned()),
            Self::Mount { .. }
            | Self::Prepare { .. }
            | Self::Start { .. }
            | Self::Follow { .. }
            | Self::Timeout { .. } => None,
        }
    }
}

/// The beginning of a command in mount, PID, IPC and UTS namespaces of its own, and what `further`
/// names. It dies with the process that starts it, and everything in its namespaces dies with it.
fn unshared(further: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", "unshare"])
        .args(further)
        .args([
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--ipc",
            "--uts",
        ])
        .args(["--fork", "--kill-child=KILL", "--mount-proc"]);
    command
}

impl<'a> Run<'a> {
    /// A run of `argv` with nothing else.
    pub fn new(argv: &'a [&'a str]) -> Self {
        Self {
            argv,
            stdin: None,
            timeout: DEFAULT_TIMEOUT,
            binds: &[],
        }
    }
}

impl Sandbox {
    /// Mounts what programs expect into the tree at `root`.
    pub fn new(root: &Path, source_date_epoch: i64) -> Result<Self, SandboxError> {
        let mounts = Mounts::prepare(root)?;
        Ok(Self {
            root: root.to_owned(),
            source_date_epoch,
            _mounts: mounts,
        })
    }

    /// The tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Runs a program to its end. Its standard input is empty unless `run` gives one; every line of
    /// its standard output and standard error goes to `on_line`. Processes it leaves behind are
    /// killed. An exit code other than 0 is not an error here.
    pub fn run(
        &self,
        run: &Run<'_>,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<Output, SandboxError> {
        let bound = Mounts::bind(&self.root, run.binds)?;
        let output = run::to_end(&self.root, self.source_date_epoch, run, on_line);
        drop(bound);
        output
    }
}

#[cfg(test)]
mod tests;
