//! Owns what can go wrong while packages are installed.

use std::io;

use crate::deb::DebError;
use crate::sandbox::SandboxError;

/// Why packages could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A package could not be read.
    #[error("cannot unpack `{package}`")]
    Deb {
        /// The package.
        package: String,
        /// Why.
        #[source]
        source: DebError,
    },
    /// Something could not be written or read in the tree.
    #[error("cannot {operation} `{path}`{}", for_package(package))]
    File {
        /// What was tried, for example `write`.
        operation: &'static str,
        /// The path.
        path: String,
        /// The package it belongs to; empty when none does.
        package: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Two packages ship one path, and neither replaces nor diverts the other's.
    #[error("cannot unpack `{second}`: its `{path}` is also in `{first}`")]
    Conflict {
        /// The path.
        path: String,
        /// The package that had it.
        first: String,
        /// The package that may not have it.
        second: String,
    },
    /// A program could not be run in the tree.
    #[error("cannot configure packages")]
    Sandbox(#[source] SandboxError),
    /// A maintainer script failed.
    #[error("cannot configure `{package}`: its {script} failed; its last output was:\n{tail}")]
    Script {
        /// The package.
        package: String,
        /// The script, for example `postinst`.
        script: String,
        /// The last lines that were said.
        tail: String,
    },
    /// dpkg gave up for another reason.
    #[error(
        "cannot configure packages: `{program}` failed with code {code}; its last output was:\n{tail}"
    )]
    Program {
        /// The program.
        program: String,
        /// Its exit code.
        code: i32,
        /// The last lines that were said.
        tail: String,
    },
    /// dpkg's database is not clean afterwards.
    #[error("packages are not fully installed; `dpkg --audit` says:\n{report}")]
    Audit {
        /// What dpkg says.
        report: String,
    },
}

fn for_package(package: &str) -> String {
    if package.is_empty() {
        String::new()
    } else {
        format!(" of `{package}`")
    }
}

impl InstallError {
    /// What to do, where that is certain.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Deb { source, .. } => source.hint(),
            Self::Sandbox(source) => source.hint(),
            Self::File { .. }
            | Self::Conflict { .. }
            | Self::Script { .. }
            | Self::Program { .. }
            | Self::Audit { .. } => None,
        }
    }
}

/// Why reading a package with a visitor ended.
pub(super) enum Failure {
    /// The .deb is at fault.
    Deb(DebError),
    /// The visitor is.
    Install(InstallError),
}

impl From<DebError> for Failure {
    fn from(error: DebError) -> Self {
        Self::Deb(error)
    }
}

impl Failure {
    /// The error, with the package's name.
    pub(super) fn of(self, package: &str) -> InstallError {
        match self {
            Self::Deb(source) => InstallError::Deb {
                package: package.to_owned(),
                source,
            },
            Self::Install(error) => error,
        }
    }
}
