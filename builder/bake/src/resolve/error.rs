//! Owns what can go wrong when an image is resolved.

use std::io;
use std::path::PathBuf;

use super::keyring::FoundKey;
use super::release::ReleaseError;
use super::signature::SignatureError;
use crate::fetch::{DownloadError, TransportError};

/// What apt said, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AptExplanation(pub String);

/// Why an image could not be resolved.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what each variant and field means"
)]
pub enum ResolveError {
    #[error("image `{image}` names no repository")]
    NoRepository { image: String },
    #[error(
        "recipe `{recipe}` gives archive `{archive}` another URL or key than a recipe before it"
    )]
    TwoArchives { archive: String, recipe: String },
    #[error("archive `{archive}` cannot have the suite or component `{name}`")]
    MalformedSuite { archive: String, name: String },
    #[error("archive `{archive}` has neither a pinned fingerprint nor a key")]
    NoKey { archive: String },
    #[error("cannot get the key of archive `{archive}`")]
    KeyDownload {
        archive: String,
        #[source]
        source: TransportError,
    },
    #[error(
        "nobody pinned a key for archive `{archive}`; {}",
        unpinned(from, found, accepted)
    )]
    Unpinned {
        archive: String,
        from: String,
        found: Vec<FoundKey>,
        accepted: Vec<String>,
    },
    #[error(
        "`{from}` does not hold the key pinned for archive `{archive}`, {}; it holds {}",
        fingerprints.join(" or "),
        keys(found)
    )]
    PinnedKeyMissing {
        archive: String,
        from: String,
        fingerprints: Vec<String>,
        found: Vec<FoundKey>,
    },
    #[error("cannot get the Release file of suite `{suite}` of archive `{archive}`")]
    Download {
        archive: String,
        suite: String,
        #[source]
        source: TransportError,
    },
    #[error("the Release file of suite `{suite}` of archive `{archive}` is not to be trusted")]
    Signature {
        archive: String,
        suite: String,
        #[source]
        source: SignatureError,
    },
    #[error("the Release file of suite `{suite}` of archive `{archive}` cannot be used")]
    Release {
        archive: String,
        suite: String,
        #[source]
        source: ReleaseError,
    },
    #[error("cannot get an index of suite `{suite}` of archive `{archive}`")]
    Index {
        archive: String,
        suite: String,
        #[source]
        source: Box<DownloadError>,
    },
    #[error("cannot get the indexes")]
    Room {
        #[source]
        source: Box<DownloadError>,
    },
    #[error("cannot {operation} `{path}`")]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot run `apt-get`: this machine does not have it")]
    NoApt {
        #[source]
        source: io::Error,
    },
    #[error("cannot run `apt-get`")]
    Apt {
        #[source]
        source: io::Error,
    },
    #[error("apt finds no way to install the packages of recipe `{recipe}` for `{architecture}`")]
    Unresolvable {
        recipe: String,
        architecture: &'static str,
        #[source]
        source: AptExplanation,
    },
    #[error("cannot understand apt's line `{line}`")]
    AptLine { line: String },
    #[error("recipe `{recipe}` removes package `{package}` of recipe `{owner}`")]
    Removes {
        recipe: String,
        package: String,
        owner: String,
    },
    #[error("recipe `{recipe}` changes package `{package}` of recipe `{owner}` to {version}")]
    Changes {
        recipe: String,
        package: String,
        owner: String,
        version: String,
    },
    #[error("recipe `{recipe}` comes first and its repositories have no essential package")]
    NothingEssential { recipe: String },
    #[error("package `{package}` {version} is in two archives with different contents")]
    Ambiguous { package: String, version: String },
    #[error("apt chose package `{package}` {version}, which no index has")]
    NotIndexed { package: String, version: String },
    #[error("the stanza at line {line} of the {index} {why}")]
    MalformedIndex {
        index: String,
        line: u64,
        why: &'static str,
    },
    #[error("package `{package}` in the {index} {why}")]
    MalformedStanza {
        package: String,
        index: String,
        why: String,
    },
    #[error("cannot unpack the {index}")]
    Unpack {
        index: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot fetch package `{package}`, of which archive `{archive}` tells no SHA-256")]
    PackageDownload {
        package: String,
        archive: String,
        #[source]
        source: Box<DownloadError>,
    },
    #[error("package `{package}` of archive `{archive}` cannot be locked: {problem}")]
    Unlockable {
        package: String,
        archive: String,
        problem: String,
    },
}

fn keys(found: &[FoundKey]) -> String {
    if found.is_empty() {
        return "no OpenPGP key".to_owned();
    }
    let describe = |key: &FoundKey| match key.user_ids.as_slice() {
        [] => format!("`{}`", key.fingerprint),
        ids => format!("`{}` ({})", key.fingerprint, ids.join(", ")),
    };
    found.iter().map(describe).collect::<Vec<_>>().join(", ")
}

fn unpinned(from: &str, found: &[FoundKey], accepted: &[String]) -> String {
    let mut text = format!("`{from}` holds {}", keys(found));
    if !accepted.is_empty() {
        text.push_str(", and you accepted ");
        text.push_str(&accepted.join(", "));
    }
    text
}

impl ResolveError {
    /// What to do about it, where that is certain.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unpinned { found, .. } => found.first().map(|key| {
                format!(
                    "compare the fingerprint with one that the vendor publishes elsewhere, then repeat with\n\
                     `--accept-key {}`",
                    key.fingerprint
                )
            }),
            Self::NoKey { .. } => {
                Some("give the repository's `key` in the recipe: a file or a URL".to_owned())
            }
            Self::Release { archive, source: ReleaseError::Expired { .. }, .. } => Some(format!(
                "the mirror is out of date: use another with `--mirror {archive}=URL`"
            )),
            Self::Release { source: ReleaseError::NoComponent { .. }, .. } => {
                Some("write one that it has among the repository's `components`".to_owned())
            }
            Self::Release { source: ReleaseError::WeakHashes, .. } => Some(
                "ask whoever keeps the archive for a Release file with `SHA256`; apt refuses this one too".to_owned(),
            ),
            Self::PackageDownload { archive, source, .. } => source.hint(Some(archive)),
            Self::NoApt { .. } => {
                Some("run it on a Debian or Ubuntu machine, or install the package `apt`".to_owned())
            }
            Self::Removes { package, owner, .. } | Self::Changes { package, owner, .. } => {
                Some(format!("ask for the package it needs in recipe `{owner}`, which installs `{package}` now"))
            }
            Self::NothingEssential { .. } => {
                Some("name Debian's own repository in the first recipe".to_owned())
            }
            Self::Index { archive, source, .. } => source.index_hint(archive),
            Self::Room { source } => source.hint(None),
            Self::Download { archive, source: TransportError::Unreachable { .. }, .. } => Some(
                format!("check the network, or give a mirror that is reachable with `--mirror {archive}=URL`"),
            ),
            Self::NoRepository { .. }
            | Self::TwoArchives { .. }
            | Self::MalformedSuite { .. }
            | Self::KeyDownload { .. }
            | Self::PinnedKeyMissing { .. }
            | Self::Download { .. }
            | Self::Signature { .. }
            | Self::Release { .. }
            | Self::Io { .. }
            | Self::Apt { .. }
            | Self::Unresolvable { .. }
            | Self::AptLine { .. }
            | Self::Ambiguous { .. }
            | Self::NotIndexed { .. }
            | Self::MalformedIndex { .. }
            | Self::MalformedStanza { .. }
            | Self::Unpack { .. }
            | Self::Unlockable { .. } => None,
        }
    }
}
