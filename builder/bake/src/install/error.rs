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
    /// dpkg did not take a package.
    #[error("cannot unpack `{package}`; dpkg says:\n{tail}")]
    Unpack {
        /// The package.
        package: String,
        /// The last lines that were said.
        tail: String,
    },
    /// An option of dpkg that alters unpacking and is not known here.
    #[error("cannot obey `{option}` of `{file}`, line {line}: {reason}")]
    DpkgOption {
        /// As written.
        option: String,
        /// The file of dpkg's configuration.
        file: String,
        /// The line in it.
        line: usize,
        /// Why.
        reason: &'static str,
    },
    /// A path filter leaves out what a package's other files need.
    #[error(
        "cannot unpack `{package}`: the path filters of dpkg's configuration leave out `{missing}`, \
         without which its `{path}` cannot be made"
    )]
    Filtered {
        /// The package.
        package: String,
        /// The path that is wanted.
        path: String,
        /// The path that is left out.
        missing: String,
    },
    /// A file of dpkg's records is damaged.
    #[error("cannot read `{path}`: line {line} is no field, in the paragraph `{paragraph}`")]
    Records {
        /// The file.
        path: String,
        /// The line.
        line: usize,
        /// The paragraph's first line.
        paragraph: String,
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
            Self::DpkgOption { .. } => Some(
                "path-exclude, path-include and what only concerns configuration are obeyed: take \
                 the line out"
                    .to_owned(),
            ),
            Self::File { .. }
            | Self::Conflict { .. }
            | Self::Unpack { .. }
            | Self::Filtered { .. }
            | Self::Records { .. }
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
