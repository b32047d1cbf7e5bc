//! Owns what can be wrong with a .deb.

use std::io;

/// Why a .deb could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// It could not be opened or read.
    #[error("cannot read `{path}`")]
    Read {
        /// The .deb.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It could not be written again without compression.
    #[error("cannot write `{path}` without compression")]
    Copy {
        /// The .deb.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its size is not the lock's.
    #[error("`{path}` has {found} bytes and not {expected}")]
    Size {
        /// The .deb.
        path: String,
        /// The lock's size.
        expected: u64,
        /// Its size.
        found: u64,
    },
    /// Its content is not what was locked.
    #[error("`{path}` has SHA-256 {found} and not {expected}")]
    Digest {
        /// The .deb.
        path: String,
        /// The lock's digest.
        expected: String,
        /// Its digest.
        found: String,
    },
    /// It is not built as deb(5) says.
    #[error("`{path}` is not a Debian package: {reason}")]
    Format {
        /// The .deb.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// It holds another package than the lock says.
    #[error("`{path}` holds {found} and not {expected}")]
    Identity {
        /// The .deb.
        path: String,
        /// Name, version and architecture by the lock.
        expected: String,
        /// Name, version and architecture by the .deb.
        found: String,
    },
    /// A path in it would leave the tree.
    #[error("`{path}` holds the unsafe path `{member}`")]
    UnsafePath {
        /// The .deb.
        path: String,
        /// The path in it.
        member: String,
    },
    /// It holds something that packages may not ship.
    #[error("`{path}` holds `{member}`, which is {what}")]
    Unsupported {
        /// The .deb.
        path: String,
        /// The path in it.
        member: String,
        /// Its type.
        what: String,
    },
}

impl DebError {
    /// What to do, where that is certain.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Size { path, .. } | Self::Digest { path, .. } => Some(format!(
                "remove `{path}`, and the next bake downloads it again"
            )),
            Self::Read { .. }
            | Self::Copy { .. }
            | Self::Format { .. }
            | Self::Identity { .. }
            | Self::UnsafePath { .. }
            | Self::Unsupported { .. } => None,
        }
    }
}
