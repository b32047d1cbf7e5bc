//! Owns getting Release files with the keys that may sign them.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use vmimage_plan::definition::Repository;
use vmimage_plan::event::{Event, Sink};
use vmimage_plan::lock::LockedRepository;

use super::keyring::{Keyring, fingerprint_of, normalize};
use super::release::Release;
use super::signature::{SignatureError, Verified, verify_detached, verify_inline};
use super::sources::{Sources, SuiteSource};
use super::{LockRequest, ResolveError};
use crate::fetch::{Transport, TransportError, Url};

/// The largest Release file or key that is read; Debian's is 140 kB.
const LIMIT: u64 = 1 << 20;
/// The `Origin` of repositories of stand-ins for a vendor's packages.
const STAND_IN: &str = "vmimage-standin";

/// A Release file that is believed.
#[derive(Debug)]
pub(crate) struct BelievedRelease {
    /// What it says.
    pub(crate) release: Release,
    /// The signed text.
    pub(crate) text: Vec<u8>,
    signed_by: String,
    accepted_key: Option<String>,
}

impl BelievedRelease {
    /// When it was made; like apt's, 1970 where it does not say.
    pub(crate) fn date(&self) -> Timestamp {
        self.release.date.unwrap_or_default()
    }

    /// What apt warns of too.
    fn warnings(&self, source: &SuiteSource<'_>) -> Vec<String> {
        let (archive, suite) = (&source.repository.archive, source.suite);
        let file = format!("the Release file of suite `{suite}` of archive `{archive}`");
        let mut warnings = Vec::new();
        if let Some(names) = self.release.other_names(suite) {
            let called = if names.is_empty() {
                "does not say which suite it is for".to_owned()
            } else {
                format!("says that it is for `{}`", names.join("`, `"))
            };
            warnings.push(format!(
                "{file} {called}; look whether `{suite}` is what the archive has there"
            ));
        }
        if self.release.date.is_none() {
            warnings.push(format!(
                "{file} has no `Date` that can be read; 1970 is taken for it"
            ));
        }
        warnings
    }

    /// What the lock records.
    pub(crate) fn locked(&self, source: &SuiteSource<'_>) -> LockedRepository {
        LockedRepository {
            archive: source.repository.archive.clone(),
            suite: source.suite.to_owned(),
            release_sha256: hex::encode(Sha256::digest(&self.text)),
            release_names: self.release.other_names(source.suite),
            date: self.date().to_string(),
            valid_until: self.release.valid_until.map(|time| time.to_string()),
            signed_by: self.signed_by.clone(),
            accepted_key: self.accepted_key.clone(),
            stand_in: self.release.origin() == Some(STAND_IN),
        }
    }
}

/// The keys that may sign a repository, and whether the one that signed goes into the lock because
/// no recipe has it.
struct Trust {
    keyring: Keyring,
    into_lock: bool,
}

/// Gets and verifies the Release file of every suite, all at once.
pub(crate) fn obtain(
    request: &LockRequest<'_>,
    transport: &Transport,
    sources: &Sources<'_>,
    sink: Sink<'_>,
) -> Result<Vec<BelievedRelease>, ResolveError> {
    let releases: Vec<BelievedRelease> = std::thread::scope(|scope| {
        let workers: Vec<_> = sources
            .suites
            .iter()
            .map(|source| scope.spawn(|| believe(request, transport, source)))
            .collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect::<Result<_, _>>()
    })?;
    for (source, release) in sources.suites.iter().zip(&releases) {
        for message in release.warnings(source) {
            sink(Event::Warning { message });
        }
    }
    Ok(releases)
}

fn believe(
    request: &LockRequest<'_>,
    transport: &Transport,
    source: &SuiteSource<'_>,
) -> Result<BelievedRelease, ResolveError> {
    let trust = trust(request, transport, source)?;
    let archive = &source.repository.archive;
    let verified = download(request, transport, source, &trust.keyring)?;
    let release = Release::parse(&verified.text, request.now).map_err(|source_error| {
        ResolveError::Release {
            archive: archive.clone(),
            suite: source.suite.to_owned(),
            source: source_error,
        }
    })?;
    let accepted_key = if trust.into_lock {
        let key = trust
            .keyring
            .keys
            .iter()
            .find(|key| fingerprint_of(*key) == verified.signed_by);
        key.and_then(|key| {
            key.to_armored_string(pgp::composed::ArmorOptions::default())
                .ok()
        })
    } else {
        None
    };
    Ok(BelievedRelease {
        release,
        text: verified.text,
        signed_by: verified.signed_by,
        accepted_key,
    })
}

/// `InRelease`, or else `Release` with `Release.gpg`.
fn download(
    request: &LockRequest<'_>,
    transport: &Transport,
    source: &SuiteSource<'_>,
    keyring: &Keyring,
) -> Result<Verified, ResolveError> {
    let (archive, suite) = (&source.repository.archive, source.suite);
    let base = request.mirrors.url_for(source.repository);
    let get = |name: &str| transport.get(&base.join(&format!("dists/{suite}/{name}")), LIMIT);
    let unavailable = |error| ResolveError::Download {
        archive: archive.clone(),
        suite: suite.to_owned(),
        source: error,
    };
    let verified = match get("InRelease") {
        Ok(bytes) => verify_inline(&bytes, keyring, request.now),
        // As for apt, only what is not there at all may be in the other form.
        Err(TransportError::NotFound { .. }) => {
            let text = get("Release").map_err(unavailable)?;
            match get("Release.gpg") {
                Ok(signatures) => verify_detached(&text, &signatures, keyring, request.now),
                Err(TransportError::NotFound { .. }) => Err(SignatureError::Unsigned),
                Err(error) => return Err(unavailable(error)),
            }
        }
        Err(error) => return Err(unavailable(error)),
    };
    verified.map_err(|error| ResolveError::Signature {
        archive: archive.clone(),
        suite: suite.to_owned(),
        source: error,
    })
}

/// Which keys may sign: pinned ones, or ones that the user accepted.
fn trust(
    request: &LockRequest<'_>,
    transport: &Transport,
    source: &SuiteSource<'_>,
) -> Result<Trust, ResolveError> {
    let repository = source.repository;
    if repository.key.fingerprints.is_empty() {
        return trust_accepted(request, transport, repository);
    }
    let (material, from) = key_material(transport, repository)?;
    let keyring = Keyring::parse(&material).pinned(&repository.key.fingerprints);
    if keyring.keys.is_empty() {
        return Err(ResolveError::PinnedKeyMissing {
            archive: repository.archive.clone(),
            from,
            fingerprints: repository.key.fingerprints.clone(),
            found: Keyring::parse(&material).found(),
        });
    }
    Ok(Trust {
        keyring,
        into_lock: repository.key.vendored.is_none(),
    })
}

fn trust_accepted(
    request: &LockRequest<'_>,
    transport: &Transport,
    repository: &Repository,
) -> Result<Trust, ResolveError> {
    let (material, from) = key_material(transport, repository)?;
    let keyring = Keyring::parse(&material).pinned(request.accept_keys);
    if keyring.keys.is_empty() {
        return Err(ResolveError::Unpinned {
            archive: repository.archive.clone(),
            from,
            found: Keyring::parse(&material).found(),
            accepted: request
                .accept_keys
                .iter()
                .map(|key| normalize(key))
                .collect(),
        });
    }
    Ok(Trust {
        keyring,
        into_lock: true,
    })
}

/// The bytes of a repository's keys and where they are from.
fn key_material(
    transport: &Transport,
    repository: &Repository,
) -> Result<(Vec<u8>, String), ResolveError> {
    if let Some(vendored) = &repository.key.vendored {
        return Ok((vendored.bytes.clone(), vendored.origin.clone()));
    }
    let Some(url) = &repository.key.url else {
        return Err(ResolveError::NoKey {
            archive: repository.archive.clone(),
        });
    };
    let url = Url::new(url);
    let bytes = transport
        .get(&url, LIMIT)
        .map_err(|source| ResolveError::KeyDownload {
            archive: repository.archive.clone(),
            source,
        })?;
    Ok((bytes, url.to_string()))
}
