//! Owns whether a Release file is signed by a pinned key. What it returns is the signed text itself:
//! nothing outside the signature can be read by accident.

use std::io::Cursor;

use jiff::Timestamp;
use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey};
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::types::{KeyDetails, VerifyingKey};

use super::cleartext::split;
use super::keyring::{Keyring, check_primary, check_subkey, fingerprint_of, is_strong};

/// How far a signature's time may lie ahead of this machine's clock, in seconds.
const CLOCK_SLACK: i64 = 60;

/// A text and who vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    /// The text that was signed.
    pub(crate) text: Vec<u8>,
    /// The fingerprint of the primary key.
    pub(crate) signed_by: String,
}

/// Why a file is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what each variant and field means"
)]
pub enum SignatureError {
    #[error("it is not signed")]
    Unsigned,
    #[error("its signature is malformed: {why}")]
    Malformed { why: String },
    #[error("it is signed by {}, and not by a pinned key", list(issuers))]
    UnknownKey { issuers: Vec<String> },
    #[error("the signature by key `{key}` does not match it")]
    Bad { key: String },
    #[error("the signature by key `{key}` uses {hash}, which is too weak")]
    WeakHash { key: String, hash: String },
    #[error("the signature by key `{key}` expired on {at}")]
    SignatureExpired { key: String, at: Timestamp },
    #[error("the signature by key `{key}` is from the future, {at}")]
    FromTheFuture { key: String, at: Timestamp },
    #[error("the signing key `{key}` expired on {at}")]
    Expired { key: String, at: Timestamp },
    #[error("the signing key `{key}` was revoked")]
    Revoked { key: String },
    #[error("the signing key `{key}` cannot be used: {why}")]
    Unusable { key: String, why: &'static str },
}

fn list(issuers: &[String]) -> String {
    if issuers.is_empty() {
        return "a key that it does not name".to_owned();
    }
    issuers
        .iter()
        .map(|issuer| format!("`{issuer}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Verifies an `InRelease`.
pub(crate) fn verify_inline(
    bytes: &[u8],
    keyring: &Keyring,
    now: Timestamp,
) -> Result<Verified, SignatureError> {
    let (lines, signatures) = split(bytes)?;
    let parsed = parse_signatures(signatures)?;
    let signed = lines.join(&b"\r\n"[..]);
    let signed_by = judge(parsed.iter().map(|s| &s.signature), &signed, keyring, now)?;
    Ok(Verified {
        text: lines.join(&b"\n"[..]),
        signed_by,
    })
}

/// Verifies a `Release` with its `Release.gpg`.
pub(crate) fn verify_detached(
    bytes: &[u8],
    signatures: &[u8],
    keyring: &Keyring,
    now: Timestamp,
) -> Result<Verified, SignatureError> {
    let parsed = parse_signatures(signatures)?;
    let signed_by = judge(parsed.iter().map(|s| &s.signature), bytes, keyring, now)?;
    Ok(Verified {
        text: bytes.to_vec(),
        signed_by,
    })
}

/// Signatures, armored or not.
fn parse_signatures(bytes: &[u8]) -> Result<Vec<DetachedSignature>, SignatureError> {
    let malformed = |error: pgp::errors::Error| SignatureError::Malformed {
        why: error.to_string(),
    };
    let armored = bytes.trim_ascii_start().starts_with(b"-----BEGIN");
    if armored {
        DetachedSignature::from_armor_many(Cursor::new(bytes))
            .map_err(malformed)?
            .0
            .collect::<Result<_, _>>()
    } else {
        DetachedSignature::from_bytes_many(Cursor::new(bytes))
            .map_err(malformed)?
            .collect::<Result<_, _>>()
    }
    .map_err(malformed)
}

/// The primary key of the first good signature. When there is none, what is wrong with a pinned
/// key's signature counts more than that other keys signed too.
fn judge<'a>(
    signatures: impl Iterator<Item = &'a Signature>,
    data: &[u8],
    keyring: &Keyring,
    now: Timestamp,
) -> Result<String, SignatureError> {
    let (mut strangers, mut problem, mut any) = (Vec::new(), None, false);
    for signature in signatures {
        any = true;
        match keyring
            .keys
            .iter()
            .find_map(|key| Signer::of(signature, key))
        {
            None => strangers.extend(issuers_of(signature)),
            Some(signer) => match signer.check(signature, data, now) {
                Ok(()) => return Ok(fingerprint_of(signer.key())),
                Err(error) => {
                    problem.get_or_insert(error);
                }
            },
        }
    }
    if !any {
        return Err(SignatureError::Unsigned);
    }
    Err(problem.unwrap_or(SignatureError::UnknownKey { issuers: strangers }))
}

/// Who a signature says made it: fingerprints, or else key ids.
fn issuers_of(signature: &Signature) -> Vec<String> {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        signature
            .issuer_key_id()
            .iter()
            .map(|id| hex::encode_upper(id.as_ref()))
            .collect()
    } else {
        fingerprints
            .iter()
            .map(|fp| hex::encode_upper(fp.as_bytes()))
            .collect()
    }
}

/// The part of a key that a signature claims to be made with.
#[derive(Clone, Copy)]
enum Signer<'a> {
    Primary(&'a SignedPublicKey),
    Subkey(&'a SignedPublicKey, usize),
}

impl<'a> Signer<'a> {
    fn of(signature: &Signature, key: &'a SignedPublicKey) -> Option<Self> {
        let issuers = issuers_of(signature);
        let made_by = |part: &dyn KeyDetails| {
            let fingerprint = hex::encode_upper(part.fingerprint().as_bytes());
            let id = hex::encode_upper(part.legacy_key_id().as_ref());
            issuers
                .iter()
                .any(|issuer| *issuer == fingerprint || *issuer == id)
        };
        if made_by(&key.primary_key) {
            return Some(Self::Primary(key));
        }
        let place = key
            .public_subkeys
            .iter()
            .position(|subkey| made_by(&subkey.key))?;
        Some(Self::Subkey(key, place))
    }

    fn key(self) -> &'a SignedPublicKey {
        match self {
            Self::Primary(key) | Self::Subkey(key, _) => key,
        }
    }

    fn check(
        self,
        signature: &Signature,
        data: &[u8],
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        match self {
            Self::Primary(key) => {
                let signed = check_data(signature, &key.primary_key, data, now)?;
                check_primary(key, signed, now, true)
            }
            Self::Subkey(key, place) => {
                let Some(subkey) = key.public_subkeys.get(place) else {
                    return Err(SignatureError::Unsigned);
                };
                let signed = check_data(signature, &subkey.key, data, now)?;
                check_primary(key, signed, now, false)?;
                check_subkey(key, subkey, signed, now)
            }
        }
    }
}

/// Whether a signature is one over `data`, acceptable and current; returns when it was made.
fn check_data(
    signature: &Signature,
    key: &impl VerifyingKey,
    data: &[u8],
    now: Timestamp,
) -> Result<i64, SignatureError> {
    let name = fingerprint_of(key);
    if !matches!(
        signature.typ(),
        Some(SignatureType::Binary | SignatureType::Text)
    ) {
        return Err(SignatureError::Unusable {
            key: name,
            why: "its signature is not one of data",
        });
    }
    if !is_strong(signature.hash_alg()) {
        let hash = signature
            .hash_alg()
            .map_or_else(String::new, |hash| hash.to_string());
        return Err(SignatureError::WeakHash { key: name, hash });
    }
    if has_unknown_critical(signature) {
        return Err(SignatureError::Unusable {
            key: name,
            why: "its signature has a critical condition that is not understood",
        });
    }
    if signature.verify(key, data).is_err() {
        return Err(SignatureError::Bad { key: name });
    }
    let Some(created) = signature.created().map(|time| i64::from(time.as_secs())) else {
        return Err(SignatureError::Unusable {
            key: name,
            why: "its signature has no date",
        });
    };
    let at = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    if created > now.as_second() + CLOCK_SLACK {
        return Err(SignatureError::FromTheFuture {
            key: name,
            at: at(created),
        });
    }
    let lifetime = signature
        .signature_expiration_time()
        .map_or(0, pgp::types::Duration::as_secs);
    if lifetime != 0 && now.as_second() >= created + i64::from(lifetime) {
        return Err(SignatureError::SignatureExpired {
            key: name,
            at: at(created + i64::from(lifetime)),
        });
    }
    Ok(created)
}

fn has_unknown_critical(signature: &Signature) -> bool {
    signature.config().is_some_and(|config| {
        config.hashed_subpackets().any(|packet| {
            packet.is_critical
                && matches!(
                    packet.data,
                    SubpacketData::Notation(_)
                        | SubpacketData::Experimental(..)
                        | SubpacketData::Other(..)
                )
        })
    })
}
