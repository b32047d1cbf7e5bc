//! Owns the key that signs the stand-ins. It is made from a text that everybody can read, so it
//! proves nothing about who signed: it is there so that a bake checks a real signature.

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, DetachedSignature, SignedKeyDetails, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::crypto::{ed25519, eddsa_legacy};
use pgp::packet::{
    KeyFlags, PubKeyInner, PublicKey, SecretKey, SignatureConfig, SignatureType, Subpacket,
    SubpacketData, UserId,
};
use pgp::types::{
    KeyDetails, KeyVersion, PacketHeaderVersion, Password, PlainSecretParams, PublicParams,
    SecretParams, SignedUser, Tag, Timestamp,
};
use sha2::{Digest, Sha256};

use super::StandinError;

/// What the key is made from, and what it says about itself.
const NAME: &str = "vmimage test key, not secret <standin@vmimage.invalid>";

/// 2024-01-01, UTC: before every Release file that it signs.
const CREATED: u32 = 1_704_067_200;

/// The key that signs the stand-ins.
#[derive(Debug)]
pub struct TestKey {
    secret: SignedSecretKey,
}

type Signed<T> = Result<T, Box<pgp::errors::Error>>;

impl TestKey {
    /// Makes the key: always the same one.
    pub fn new() -> Result<Self, StandinError> {
        make()
            .map(|secret| Self { secret })
            .map_err(|source| StandinError::Sign {
                what: "the test key",
                source,
            })
    }

    /// Its fingerprint in upper-case hexadecimal.
    pub fn fingerprint(&self) -> String {
        hex::encode_upper(self.secret.fingerprint().as_bytes())
    }

    /// The public key, armored.
    pub fn public_armored(&self) -> Result<String, StandinError> {
        self.secret
            .to_public_key()
            .to_armored_string(ArmorOptions::default())
            .map_err(|source| StandinError::Sign {
                what: "its own public half",
                source: Box::new(source),
            })
    }

    /// The text with its signature, as in `InRelease`.
    pub fn sign_inline(&self, text: &str, date: i64) -> Result<String, StandinError> {
        self.inline(text, date)
            .map_err(|source| StandinError::Sign {
                what: "an InRelease file",
                source,
            })
    }

    /// The signature of the text, armored, as in `Release.gpg`.
    pub fn sign_detached(&self, text: impl AsRef<[u8]>, date: i64) -> Result<String, StandinError> {
        self.detached(SignatureType::Binary, text.as_ref(), date)
            .map_err(|source| StandinError::Sign {
                what: "a Release file",
                source,
            })
    }

    /// The same as [`TestKey::sign_inline`] for a text that need not be UTF-8. No line of it may end in
    /// white space, which is not signed.
    pub fn sign_inline_bytes(&self, text: &[u8], date: i64) -> Result<Vec<u8>, StandinError> {
        let lines: Vec<&[u8]> = text
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .collect();
        let signature = self
            .detached(SignatureType::Text, &lines.join(&b"\r\n"[..]), date)
            .map_err(|source| StandinError::Sign {
                what: "an InRelease file",
                source,
            })?;
        let mut message = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n".to_vec();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b"-") {
                message.extend_from_slice(b"- ");
            }
            message.extend_from_slice(line);
        }
        message.push(b'\n');
        message.extend_from_slice(signature.as_bytes());
        Ok(message)
    }

    fn inline(&self, text: &str, date: i64) -> Signed<String> {
        let config = self.config(SignatureType::Text, date)?;
        let message = CleartextSignedMessage::new(
            text,
            config,
            &self.secret.primary_key,
            &Password::empty(),
        )?;
        Ok(message.to_armored_string(ArmorOptions::default())?)
    }

    fn detached(&self, kind: SignatureType, text: &[u8], date: i64) -> Signed<String> {
        let config = self.config(kind, date)?;
        let signature = config.sign(&self.secret.primary_key, &Password::empty(), text)?;
        Ok(DetachedSignature::new(signature).to_armored_string(ArmorOptions::default())?)
    }

    fn config(&self, kind: SignatureType, date: i64) -> Signed<SignatureConfig> {
        let seconds = u32::try_from(date).unwrap_or(CREATED);
        config(&self.secret.primary_key, kind, seconds)
    }
}

fn make() -> Signed<SignedSecretKey> {
    let seed: [u8; 32] = Sha256::digest(NAME).into();
    let secret = ed25519::SecretKey::try_from_bytes(seed, ed25519::Mode::EdDSALegacy)?;
    let public = PublicKey::from_inner(PubKeyInner::new(
        KeyVersion::V4,
        PublicKeyAlgorithm::EdDSALegacy,
        Timestamp::from_secs(CREATED),
        None,
        PublicParams::EdDSALegacy((&secret).into()),
    )?)?;
    let secret = SecretKey::new(
        public.clone(),
        SecretParams::Plain(PlainSecretParams::EdDSALegacy(
            eddsa_legacy::SecretKey::Ed25519(secret),
        )),
    )?;

    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(true);
    let mut config = config(&secret, SignatureType::CertPositive, CREATED)?;
    config
        .hashed_subpackets
        .push(Subpacket::regular(SubpacketData::KeyFlags(flags))?);
    let user = UserId::from_str(PacketHeaderVersion::New, NAME)?;
    let certification =
        config.sign_certification(&secret, &public, &Password::empty(), Tag::UserId, &user)?;
    let user = SignedUser::new(user, vec![certification]);
    let details = SignedKeyDetails::new(Vec::new(), Vec::new(), vec![user], Vec::new());
    Ok(SignedSecretKey::new(
        secret,
        details,
        Vec::new(),
        Vec::new(),
    ))
}

/// A signature with a given time instead of the clock's.
fn config(key: &SecretKey, kind: SignatureType, seconds: u32) -> Signed<SignatureConfig> {
    let mut config =
        SignatureConfig::v4(kind, PublicKeyAlgorithm::EdDSALegacy, HashAlgorithm::Sha512);
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(
            seconds,
        )))?,
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
    ];
    config.unhashed_subpackets = vec![Subpacket::regular(SubpacketData::IssuerKeyId(
        key.legacy_key_id(),
    ))?];
    Ok(config)
}
