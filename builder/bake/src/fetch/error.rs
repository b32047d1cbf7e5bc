//! Owns what can go wrong when packages are fetched.

use std::io;
use std::path::{Path, PathBuf};

use super::transport::TransportError;
use super::url::Url;

/// Why packages could not be fetched.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what each variant and field means"
)]
pub enum FetchError {
    #[error("cannot make the cache's folder `{path}`")]
    Cache {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the lock gives package `{package}` the malformed SHA-256 `{digest}`")]
    MalformedDigest { package: String, digest: String },
    #[error(
        "package `{package}` comes from archive `{archive}`, which image `{image}` does not name"
    )]
    UnknownArchive {
        package: String,
        archive: String,
        image: String,
    },
    #[error(
        "archive `{archive}` no longer has package `{package}` {version}: `{url}` does not exist"
    )]
    Superseded {
        package: String,
        version: String,
        archive: String,
        url: Url,
    },
    #[error("cannot fetch package `{package}` {version} from archive `{archive}`")]
    Package {
        package: String,
        version: String,
        archive: String,
        #[source]
        source: Box<DownloadError>,
    },
    #[error(transparent)]
    Download(Box<DownloadError>),
}

/// Why a file is not in the cache.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what each variant and field means"
)]
pub enum DownloadError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("`{url}` has {found} bytes, expected {expected}")]
    Size { url: Url, expected: u64, found: u64 },
    #[error("`{url}` has {algorithm} `{found}`, expected `{expected}`")]
    Hash {
        url: Url,
        algorithm: &'static str,
        expected: String,
        found: String,
        resumed: bool,
    },
    #[error("cannot {operation} `{path}`")]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another process has not got on with `{path}` for two minutes")]
    Busy { path: PathBuf },
    #[error("`{path}` has {available} bytes free and {needed} are needed")]
    Full {
        path: PathBuf,
        needed: u64,
        available: u64,
    },
    #[error("the download was stopped")]
    Stopped,
}

impl DownloadError {
    pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            operation,
            path,
            source,
        }
    }

    /// Whether the file could be had in another form instead.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Transport(source) if source.is_absence())
    }

    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Transport(source) => source.is_transient(),
            // A file that ended early is resumed; one that is too long is not the file.
            Self::Size {
                expected, found, ..
            } => found < expected,
            Self::Hash { resumed, .. } => *resumed,
            Self::Io { .. } | Self::Busy { .. } | Self::Full { .. } | Self::Stopped => false,
        }
    }
}

impl FetchError {
    /// What to do about it, where that is certain.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::MalformedDigest { .. } | Self::UnknownArchive { .. } => {
                Some("run `vmimage lock` again: the lock does not fit the definition".to_owned())
            }
            Self::Superseded { archive, .. } => Some(format!(
                "run `vmimage lock` again for the versions that replaced it,\n\
                 or give a snapshot of that time with `--mirror {archive}=URL`"
            )),
            Self::Package {
                source, archive, ..
            } => source.hint(Some(archive)),
            Self::Download(source) => source.hint(None),
            Self::Cache { source, .. } => permission_hint(source),
        }
    }
}

impl DownloadError {
    /// What to do about it, where that is certain.
    pub fn hint(&self, archive: Option<&str>) -> Option<String> {
        match self {
            Self::Full { path, needed, available } => Some(format!(
                "free {} MiB on the file system of `{}`, or use a cache elsewhere",
                needed.saturating_sub(*available).div_ceil(1 << 20),
                path.display()
            )),
            Self::Hash { .. } | Self::Size { .. } => archive.map(|archive| {
                format!("the mirror's file is not the one in the lock: try another with `--mirror {archive}=URL`")
            }),
            Self::Transport(TransportError::Unreachable { .. }) => archive.map(|archive| {
                format!("check the network, or give a mirror that is reachable with `--mirror {archive}=URL`")
            }),
            Self::Transport(
                TransportError::NotFound { .. }
                | TransportError::Refused { .. }
                | TransportError::CannotResume { .. }
                | TransportError::Interrupted { .. }
                | TransportError::TooLarge { .. }
                | TransportError::Local { .. },
            )
            | Self::Busy { .. }
            | Self::Stopped => None,
            Self::Transport(TransportError::Scheme { .. }) => {
                Some("write mirrors as `http://`, `https://` or `file:///`".to_owned())
            }
            Self::Io { source, .. } => permission_hint(source),
        }
    }
}

impl DownloadError {
    /// What to do when an index could not be had.
    pub(crate) fn index_hint(&self, archive: &str) -> Option<String> {
        match self {
            Self::Hash { .. }
            | Self::Size { .. }
            | Self::Transport(TransportError::NotFound { .. }) => Some(format!(
                "the mirror does not have what its own Release file lists: it may be updating, so repeat it in a\n\
                     minute, or use another with `--mirror {archive}=URL`"
            )),
            Self::Transport(_)
            | Self::Io { .. }
            | Self::Busy { .. }
            | Self::Full { .. }
            | Self::Stopped => self.hint(Some(archive)),
        }
    }
}

fn permission_hint(source: &io::Error) -> Option<String> {
    let kind = source.kind();
    if kind == io::ErrorKind::PermissionDenied {
        Some("use a cache folder that you may write to".to_owned())
    } else if kind == io::ErrorKind::StorageFull {
        Some("free some space and run it again".to_owned())
    } else {
        None
    }
}
