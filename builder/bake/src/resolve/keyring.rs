//! Owns OpenPGP keys: reading them, and whether they are valid. What is checked here is what the
//! `pgp` crate leaves to its caller: self-signatures, expiry, revocation, and what a key may do.

use std::io::Cursor;

use jiff::Timestamp;
use pgp::composed::{Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::types::{KeyDetails, Tag};

use super::signature::SignatureError;

const ARMOR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// A key that was found where nobody pinned one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// Its fingerprint, upper-case hexadecimal.
    pub fingerprint: String,
    /// Who it says it belongs to; nobody vouches for that.
    pub user_ids: Vec<String>,
}

/// Why bytes give no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is none.
    #[error("it holds no OpenPGP public key")]
    NoKey,
}

/// The fingerprints of the keys in `bytes`, armored or not, in upper-case hexadecimal.
pub fn key_fingerprints(bytes: &[u8]) -> Result<Vec<String>, KeyError> {
    let keyring = Keyring::parse(bytes);
    if keyring.keys.is_empty() {
        return Err(KeyError::NoKey);
    }
    Ok(keyring.keys.iter().map(fingerprint_of).collect())
}

/// Keys that may sign.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keyring {
    pub(crate) keys: Vec<SignedPublicKey>,
}

impl Keyring {
    /// Reads armored blocks or binary keys. Keys of kinds that are not understood are left out.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let keys = if text.contains(ARMOR) {
            text.split(ARMOR)
                .skip(1)
                .filter_map(|block| {
                    let block = Cursor::new(format!("{ARMOR}{block}"));
                    SignedPublicKey::from_armor_many(block).ok()
                })
                .flat_map(|(keys, _)| keys.filter_map(Result::ok).collect::<Vec<_>>())
                .collect()
        } else {
            SignedPublicKey::from_bytes_many(Cursor::new(bytes.to_vec()))
                .map(|keys| keys.filter_map(Result::ok).collect())
                .unwrap_or_default()
        };
        Self { keys }
    }

    /// Only the keys with one of these fingerprints.
    pub(crate) fn pinned(mut self, fingerprints: &[String]) -> Self {
        self.keys.retain(|key| {
            let own = fingerprint_of(key);
            fingerprints.iter().any(|pinned| normalize(pinned) == own)
        });
        self
    }

    /// What to show of the keys.
    pub(crate) fn found(&self) -> Vec<FoundKey> {
        self.keys
            .iter()
            .map(|key| FoundKey {
                fingerprint: fingerprint_of(key),
                user_ids: key
                    .details
                    .users
                    .iter()
                    .map(|user| printable(&String::from_utf8_lossy(user.id.id())))
                    .collect(),
            })
            .collect()
    }
}

/// A user id without what could play tricks on a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// A fingerprint as people paste it, as it is compared.
pub(crate) fn normalize(fingerprint: &str) -> String {
    let fingerprint = fingerprint.trim();
    let digits = fingerprint.strip_prefix("0x").unwrap_or(fingerprint);
    digits
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect::<String>()
        .to_ascii_uppercase()
}

/// The fingerprint of a key or subkey.
pub(crate) fn fingerprint_of(key: &impl KeyDetails) -> String {
    hex::encode_upper(key.fingerprint().as_bytes())
}

/// Whether a hash is strong enough to be signed.
pub(crate) fn is_strong(hash: Option<HashAlgorithm>) -> bool {
    matches!(
        hash,
        Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
    )
}

/// Whether the primary key could sign at `signed`, and still can at `now`.
pub(crate) fn check_primary(
    key: &SignedPublicKey,
    signed: i64,
    now: Timestamp,
    signs_itself: bool,
) -> Result<(), SignatureError> {
    let name = fingerprint_of(key);
    let revoked = key.details.revocation_signatures.iter().any(|s| {
        s.typ() == Some(SignatureType::KeyRevocation) && s.verify_key(&key.primary_key).is_ok()
    });
    if revoked {
        return Err(SignatureError::Revoked { key: name });
    }
    let Some(own) = newest_self_signature(key, now) else {
        return Err(SignatureError::Unusable {
            key: name,
            why: "it has no valid signature by itself",
        });
    };
    if signs_itself && has_key_flags(own) && !own.key_flags().sign() {
        return Err(SignatureError::Unusable {
            key: name,
            why: "it may not sign data",
        });
    }
    check_lifetime(key, own, signed, now)
}

/// Whether `subkey` belongs to `key`, may sign, and is neither expired nor revoked.
pub(crate) fn check_subkey(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    signed: i64,
    now: Timestamp,
) -> Result<(), SignatureError> {
    let name = fingerprint_of(subkey);
    let valid = |s: &&Signature| {
        s.verify_subkey_binding(&key.primary_key, &subkey.key)
            .is_ok()
    };
    let revoked = subkey
        .signatures
        .iter()
        .any(|s| s.typ() == Some(SignatureType::SubkeyRevocation) && valid(&s));
    if revoked {
        return Err(SignatureError::Revoked { key: name });
    }
    let binding = subkey
        .signatures
        .iter()
        .filter(|s| s.typ() == Some(SignatureType::SubkeyBinding) && is_strong(s.hash_alg()))
        .filter(|s| is_current(s, now))
        .filter(valid)
        .max_by_key(|s| s.created().map(pgp::types::Timestamp::as_secs));
    let Some(binding) = binding else {
        return Err(SignatureError::Unusable {
            key: name,
            why: "its primary key does not vouch for it",
        });
    };
    if !binding.key_flags().sign() {
        return Err(SignatureError::Unusable {
            key: name,
            why: "it may not sign data",
        });
    }
    let vouches_back = binding.embedded_signature().is_some_and(|back| {
        is_strong(back.hash_alg())
            && back
                .verify_primary_key_binding(&subkey.key, &key.primary_key)
                .is_ok()
    });
    if !vouches_back {
        return Err(SignatureError::Unusable {
            key: name,
            why: "it does not vouch for its primary key",
        });
    }
    check_lifetime(subkey, binding, signed, now)
}

/// The newest signature in which a key speaks of itself: directly, or of a user id that it has not
/// revoked since.
fn newest_self_signature(key: &SignedPublicKey, now: Timestamp) -> Option<&Signature> {
    let direct =
        key.details.direct_signatures.iter().filter(|s| {
            s.typ() == Some(SignatureType::Key) && s.verify_key(&key.primary_key).is_ok()
        });
    let users = key.details.users.iter().flat_map(|user| {
        let good = |s: &&Signature| {
            s.verify_certification(&key.primary_key, Tag::UserId, &user.id)
                .is_ok()
        };
        let is_revocation = |s: &&Signature| s.typ() == Some(SignatureType::CertRevocation);
        let revoked = user
            .signatures
            .iter()
            .filter(|s| is_revocation(s) && good(s))
            .filter_map(Signature::created)
            .max();
        user.signatures
            .iter()
            .filter(move |s| !is_revocation(s) && good(s) && s.created() > revoked)
    });
    direct
        .chain(users)
        .filter(|s| is_current(s, now))
        .max_by_key(|s| s.created().map(pgp::types::Timestamp::as_secs))
}

/// Whether a signature exists already and has not itself expired.
fn is_current(signature: &Signature, now: Timestamp) -> bool {
    let Some(created) = signature.created().map(|time| i64::from(time.as_secs())) else {
        return false;
    };
    let lifetime = signature
        .signature_expiration_time()
        .map_or(0, pgp::types::Duration::as_secs);
    created <= now.as_second() && (lifetime == 0 || now.as_second() < created + i64::from(lifetime))
}

fn has_key_flags(signature: &Signature) -> bool {
    signature.config().is_some_and(|config| {
        config
            .hashed_subpackets()
            .any(|packet| matches!(packet.data, SubpacketData::KeyFlags(_)))
    })
}

/// Whether a key lived when it signed and lives now, by what `own` says.
fn check_lifetime(
    key: &impl KeyDetails,
    own: &Signature,
    signed: i64,
    now: Timestamp,
) -> Result<(), SignatureError> {
    let created = i64::from(key.created_at().as_secs());
    if created > signed {
        return Err(SignatureError::Unusable {
            key: fingerprint_of(key),
            why: "it is younger than the signature",
        });
    }
    let lifetime = own
        .key_expiration_time()
        .map_or(0, |time| i64::from(time.as_secs()));
    let end = created + lifetime;
    if lifetime != 0 && (signed >= end || now.as_second() >= end) {
        return Err(SignatureError::Expired {
            key: fingerprint_of(key),
            at: Timestamp::from_second(end).unwrap_or(Timestamp::MAX),
        });
    }
    Ok(())
}
