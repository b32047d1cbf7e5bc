//! Owns small signed archives on disk, made anew for each test.

use std::fs;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, DetachedSignature, KeyType, SecretKeyParamsBuilder,
    SignedPublicKey, SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails, Password, SigningKey, Tag};
use sha2::{Digest, Sha256};
use vmimage_plan::definition::{
    Architecture, Boot, Content, Disk, Image, Recipe, Repository, RepositoryKey, Suite, Units,
};
use vmimage_plan::event::Event;
use vmimage_plan::lock::Lock;

use crate::resolve::{LockRequest, Mirrors, ResolveError, resolve};

/// A day in seconds.
pub(super) const DAY: i64 = 86_400;

/// A key with a signing subkey, `age` seconds old.
pub(super) fn key(name: &str, age: i64) -> SignedSecretKey {
    key_of_type(name, age, KeyType::Ed25519Legacy)
}

/// The same with a primary key of another type.
pub(super) fn key_of_type(name: &str, age: i64, kind: KeyType) -> SignedSecretKey {
    let created = moment(-age);
    let subkey = SubkeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_sign(true)
        .created_at(created)
        .build()
        .unwrap();
    SecretKeyParamsBuilder::default()
        .key_type(kind)
        .can_certify(true)
        .can_sign(true)
        .created_at(created)
        .primary_user_id(name.to_owned())
        .subkey(subkey)
        .build()
        .unwrap()
        .generate(rand::rngs::OsRng)
        .unwrap()
}

/// The moment `offset` seconds from now.
pub(super) fn moment(offset: i64) -> pgp::types::Timestamp {
    let second = Timestamp::now().as_second() + offset;
    pgp::types::Timestamp::from_secs(u32::try_from(second).unwrap())
}

pub(super) fn public(key: &SignedSecretKey) -> SignedPublicKey {
    SignedPublicKey::from(key.clone())
}

pub(super) fn armored(key: &SignedPublicKey) -> Vec<u8> {
    key.to_armored_bytes(ArmorOptions::default()).unwrap()
}

pub(super) fn fingerprint(key: &impl KeyDetails) -> String {
    hex::encode_upper(key.fingerprint().as_bytes())
}

/// The public key with its self-signature replaced by one that says `extra`.
pub(super) fn with_self_signature(key: &SignedSecretKey, extra: SubpacketData) -> SignedPublicKey {
    let mut public = public(key);
    let user = public.details.users.first_mut().unwrap();
    let mut config = config(
        &key.primary_key,
        SignatureType::CertPositive,
        HashAlgorithm::Sha256,
        0,
    );
    config
        .hashed_subpackets
        .push(Subpacket::regular(extra).unwrap());
    let own = config
        .sign_certification(
            &key.primary_key,
            &public.primary_key,
            &Password::empty(),
            Tag::UserId,
            &user.id,
        )
        .unwrap();
    user.signatures = vec![own];
    public
}

/// The public key with its subkey bound to it by a signature that `change` has its way with.
pub(super) fn with_binding(
    key: &SignedSecretKey,
    kind: SignatureType,
    change: impl FnOnce(&mut Vec<Subpacket>),
) -> SignedPublicKey {
    let mut public = public(key);
    let subkey = public.public_subkeys.first_mut().unwrap();
    let mut config = config(&key.primary_key, kind, HashAlgorithm::Sha256, 0);
    change(&mut config.hashed_subpackets);
    let binding = config
        .sign_subkey_binding(
            &key.primary_key,
            &public.primary_key,
            &Password::empty(),
            &subkey.key,
        )
        .unwrap();
    subkey.signatures.push(binding);
    public
}

/// The public key, revoked by itself.
pub(super) fn revoked(key: &SignedSecretKey) -> SignedPublicKey {
    let mut public = public(key);
    let revocation = config(
        &key.primary_key,
        SignatureType::KeyRevocation,
        HashAlgorithm::Sha256,
        0,
    )
    .sign_key(&key.primary_key, &Password::empty(), &public.primary_key)
    .unwrap();
    public.details.revocation_signatures.push(revocation);
    public
}

pub(super) fn config(
    key: &impl SigningKey,
    kind: SignatureType,
    hash: HashAlgorithm,
    offset: i64,
) -> SignatureConfig {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), hash);
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(moment(offset))).unwrap(),
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint())).unwrap(),
    ];
    config
}

/// A signature over a text.
pub(super) fn sign(key: &impl SigningKey, text: &str, hash: HashAlgorithm) -> Signature {
    config(key, SignatureType::Text, hash, 0)
        .sign(key, &Password::empty(), text.as_bytes())
        .unwrap()
}

/// An `InRelease` of `text` signed by `key`.
pub(super) fn inline(key: &impl SigningKey, text: &str, hash: HashAlgorithm) -> String {
    let message =
        CleartextSignedMessage::new_many(text, |text| Ok(vec![sign(key, text, hash)])).unwrap();
    message.to_armored_string(ArmorOptions::default()).unwrap()
}

/// A `Release.gpg` for `text`.
pub(super) fn detached(key: &impl SigningKey, text: &str) -> Vec<u8> {
    let signature = config(key, SignatureType::Binary, HashAlgorithm::Sha512, 0)
        .sign(key, &Password::empty(), text.as_bytes())
        .unwrap();
    DetachedSignature::new(signature)
        .to_armored_bytes(ArmorOptions::default())
        .unwrap()
}

/// An archive in a folder of its own, with a cache beside it.
pub(super) struct Archive {
    pub(super) folder: tempfile::TempDir,
    pub(super) key: SignedSecretKey,
    pub(super) packages: String,
    /// Further lines of the Release file.
    pub(super) extra: String,
    pub(super) date: Timestamp,
}

impl Archive {
    /// An archive with one essential package, `base-files`, and `app` that needs `lib`.
    pub(super) fn new() -> Self {
        let packages = [
            stanza("base-files", "Essential: yes\n"),
            stanza("app", "Depends: lib\n"),
            stanza("lib", ""),
            stanza("rival", "Conflicts: lib\n"),
        ];
        Self {
            folder: tempfile::tempdir().unwrap(),
            key: key("Archive <archive@example.com>", 3 * DAY),
            packages: packages.concat(),
            extra: "Origin: Test\n".to_owned(),
            date: Timestamp::now() - SignedDuration::from_hours(1),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("archive").join(name)
    }

    /// The Release text for the index that the archive has.
    pub(super) fn release(&self) -> String {
        let date = self.date.strftime("%a, %d %b %Y %H:%M:%S UTC");
        format!(
            "Suite: stable\nCodename: test\nDate: {date}\nArchitectures: amd64 arm64\n\
             Components: main\n{}SHA256:\n {} {} main/binary-amd64/Packages\n",
            self.extra,
            hex::encode(Sha256::digest(&self.packages)),
            self.packages.len()
        )
    }

    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Writes the index and an `InRelease` signed by the primary key.
    pub(super) fn publish(&self) {
        self.write("dists/test/main/binary-amd64/Packages", &self.packages);
        let release = self.release();
        let signed = inline(&self.key.primary_key, &release, HashAlgorithm::Sha512);
        self.write("dists/test/InRelease", signed);
    }

    pub(super) fn repository(&self) -> Repository {
        Repository {
            archive: "test".to_owned(),
            url: format!("file://{}", self.path("").display()),
            suites: vec!["test".to_owned()],
            components: vec!["main".to_owned()],
            key: RepositoryKey {
                fingerprints: vec![fingerprint(&self.key.primary_key)],
                vendored: Some(Content::new(
                    "recipes/base/key.asc",
                    armored(&public(&self.key)),
                )),
                url: None,
            },
            keep_in_image: true,
        }
    }

    /// An image of a base from this archive and a recipe that asks for `packages`.
    pub(super) fn image(&self, packages: &[&str]) -> Image {
        image(vec![
            recipe("base", &[], vec![self.repository()]),
            recipe("top", packages, vec![]),
        ])
    }

    pub(super) fn lock(&self, image: &Image, accept_keys: &[String]) -> Result<Lock, ResolveError> {
        let request = LockRequest {
            image,
            mirrors: &Mirrors::default(),
            cache: &self.folder.path().join("cache"),
            accept_keys,
            now: Timestamp::now() + SignedDuration::from_secs(5),
        };
        resolve(&request, &mut |_| ())
    }

    /// The lock, and what was warned of on the way.
    pub(super) fn lock_and_warnings(
        &self,
        image: &Image,
    ) -> (Result<Lock, ResolveError>, Vec<String>) {
        let request = LockRequest {
            image,
            mirrors: &Mirrors::default(),
            cache: &self.folder.path().join("cache"),
            accept_keys: &[],
            now: Timestamp::now() + SignedDuration::from_secs(5),
        };
        let mut warnings = Vec::new();
        let lock = resolve(&request, &mut |event| {
            if let Event::Warning { message } = event {
                warnings.push(message);
            }
        });
        (lock, warnings)
    }

    /// The message and its cause for an image with only the base.
    pub(super) fn refusal(&self) -> [String; 2] {
        chain(&self.lock(&self.image(&[]), &[]).unwrap_err())
    }
}

/// An error's message and its cause's.
pub(super) fn chain(error: &ResolveError) -> [String; 2] {
    let cause = std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
    [error.to_string(), cause]
}

/// A package whose .deb is [`content`].
pub(super) fn stanza(name: &str, extra: &str) -> String {
    format!(
        "Package: {name}\nVersion: 1.0\nArchitecture: amd64\n{extra}\
         Filename: pool/{name}_1.0_amd64.deb\nSize: {}\nSHA256: {}\n\n",
        content(name).len(),
        hex::encode(Sha256::digest(content(name)))
    )
}

/// What stands for a package's .deb: its own name, as long as a .deb must be.
pub(super) fn content(name: &str) -> String {
    format!("{name:200}")
}

pub(super) fn recipe(name: &str, packages: &[&str], repositories: Vec<Repository>) -> Recipe {
    Recipe {
        name: name.to_owned(),
        description: String::new(),
        repositories,
        packages: packages.iter().map(|&package| package.to_owned()).collect(),
        debconf: vec![],
        directories: vec![],
        files: vec![],
        links: vec![],
        commands: vec![],
        units: Units::default(),
        seals: vec![],
        checks: vec![],
        boot_steps: vec![],
    }
}

pub(super) fn image(recipes: Vec<Recipe>) -> Image {
    Image {
        path: "images/test.toml".to_owned(),
        name: "test".to_owned(),
        description: String::new(),
        suite: Suite::Trixie,
        architectures: vec![Architecture::X86_64],
        recipes,
        disk: Disk {
            esp_mib: 64,
            root_mib: None,
            root_free_mib: 64,
        },
        boot: Boot {
            consoles: vec![],
            kernel_arguments: vec![],
            timeout_secs: 0,
        },
    }
}
