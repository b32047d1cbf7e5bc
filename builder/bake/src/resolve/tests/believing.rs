//! What is believed, and every way in which something is not.

use jiff::SignedDuration;
use pgp::composed::KeyType;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, SignatureType, Subpacket, SubpacketData};
use pgp::types::KeyDetails;
use vmimage_plan::definition::{Content, Image};

use super::fixture::{
    Archive, DAY, armored, chain, detached, fingerprint, inline, key, key_of_type, public, revoked,
    with_binding, with_self_signature,
};
use crate::resolve::key_fingerprints;

const UNTRUSTED: &str = "the Release file of suite `test` of archive `test` is not to be trusted";
const UNUSABLE: &str = "the Release file of suite `test` of archive `test` cannot be used";

#[test]
fn a_file_signed_by_the_primary_or_a_signing_subkey_is_believed_inline_and_detached() {
    let archive = Archive::new();
    let name = fingerprint(&archive.key.primary_key);
    archive.publish();
    let signer = || {
        let lock = archive.lock(&archive.image(&[]), &[]).unwrap();
        let repository = lock.repositories.first().unwrap();
        assert_eq!(repository.accepted_key, None, "the recipe has the key");
        repository.signed_by.clone()
    };
    assert_eq!(signer(), name);

    let subkey = &archive.key.secret_subkeys.first().unwrap().key;
    archive.write(
        "dists/test/InRelease",
        inline(subkey, &archive.release(), HashAlgorithm::Sha256),
    );
    assert_eq!(signer(), name);

    std::fs::remove_file(archive.path("dists/test/InRelease")).unwrap();
    archive.write("dists/test/Release", archive.release());
    archive.write(
        "dists/test/Release.gpg",
        detached(subkey, &archive.release()),
    );
    assert_eq!(signer(), name);
}

#[test]
fn an_unsigned_file_is_refused() {
    let archive = Archive::new();
    archive.publish();
    archive.write("dists/test/InRelease", archive.release());
    assert_eq!(archive.refusal(), [UNTRUSTED, "it is not signed"]);

    std::fs::remove_file(archive.path("dists/test/InRelease")).unwrap();
    archive.write("dists/test/Release", archive.release());
    assert_eq!(archive.refusal(), [UNTRUSTED, "it is not signed"]);
}

#[test]
fn text_outside_the_signature_is_refused() {
    let archive = Archive::new();
    archive.publish();
    let signed = inline(
        &archive.key.primary_key,
        &archive.release(),
        HashAlgorithm::Sha256,
    );
    archive.write("dists/test/InRelease", format!("Suite: test\n{signed}"));
    assert_eq!(archive.refusal(), [UNTRUSTED, "it is not signed"]);
    archive.write("dists/test/InRelease", format!("{signed}\nSuite: test\n"));
    let [message, cause] = archive.refusal();
    assert_eq!(message, UNTRUSTED);
    assert!(cause.starts_with("its signature is malformed: "), "{cause}");
}

#[test]
fn another_key_is_named() {
    let archive = Archive::new();
    archive.publish();
    let other = key("Other", DAY);
    archive.write(
        "dists/test/InRelease",
        inline(
            &other.primary_key,
            &archive.release(),
            HashAlgorithm::Sha256,
        ),
    );
    let name = fingerprint(&other.primary_key);
    assert_eq!(
        archive.refusal(),
        [
            UNTRUSTED,
            &format!("it is signed by `{name}`, and not by a pinned key")
        ]
    );
}

#[test]
fn a_changed_text_is_refused() {
    let archive = Archive::new();
    archive.publish();
    let signed = inline(
        &archive.key.primary_key,
        &archive.release(),
        HashAlgorithm::Sha256,
    );
    archive.write(
        "dists/test/InRelease",
        signed.replace("Origin: Test", "Origin: Evil"),
    );
    let name = fingerprint(&archive.key.primary_key);
    assert_eq!(
        archive.refusal(),
        [
            UNTRUSTED,
            &format!("the signature by key `{name}` does not match it")
        ]
    );
}

#[test]
fn a_weak_hash_is_refused() {
    let mut archive = Archive::new();
    archive.key = key_of_type("Old", DAY, KeyType::Rsa(2048));
    archive.publish();
    let signed = inline(
        &archive.key.primary_key,
        &archive.release(),
        HashAlgorithm::Sha1,
    );
    archive.write("dists/test/InRelease", signed);
    let name = fingerprint(&archive.key.primary_key);
    assert_eq!(
        archive.refusal(),
        [
            UNTRUSTED,
            &format!("the signature by key `{name}` uses SHA1, which is too weak")
        ]
    );
}

/// The refusal when the recipe vendors `key` in place of the archive's.
fn refusal_with(archive: &Archive, key: Vec<u8>) -> [String; 2] {
    archive.publish();
    let mut image = archive.image(&[]);
    vendor(&mut image, Some(key));
    chain(&archive.lock(&image, &[]).unwrap_err())
}

fn vendor(image: &mut Image, key: Option<Vec<u8>>) {
    let repository = image
        .recipes
        .first_mut()
        .unwrap()
        .repositories
        .first_mut()
        .unwrap();
    repository.key.vendored = key.map(|bytes| Content::new("recipes/base/key.asc", bytes));
}

#[test]
fn an_expired_and_a_revoked_key_are_refused() {
    let archive = Archive::new();
    let name = fingerprint(&archive.key.primary_key);
    let lifetime = pgp::types::Duration::from_secs(u32::try_from(DAY).unwrap());
    let expired = with_self_signature(&archive.key, SubpacketData::KeyExpirationTime(lifetime));
    let end = i64::from(archive.key.primary_key.public_key().created_at().as_secs()) + DAY;
    let end = jiff::Timestamp::from_second(end).unwrap();
    assert_eq!(
        refusal_with(&archive, armored(&expired)),
        [
            UNTRUSTED,
            &format!("the signing key `{name}` expired on {end}")
        ]
    );
    assert_eq!(
        refusal_with(&archive, armored(&revoked(&archive.key))),
        [UNTRUSTED, &format!("the signing key `{name}` was revoked")]
    );
}

#[test]
fn a_key_that_may_not_sign_and_one_without_self_signature_are_refused() {
    let archive = Archive::new();
    let name = fingerprint(&archive.key.primary_key);
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    let certifies = with_self_signature(&archive.key, SubpacketData::KeyFlags(flags));
    assert_eq!(
        refusal_with(&archive, armored(&certifies)),
        [
            UNTRUSTED,
            &format!("the signing key `{name}` cannot be used: it may not sign data")
        ]
    );
    let mut bare = public(&archive.key);
    bare.details.users.clear();
    assert_eq!(
        refusal_with(&archive, armored(&bare)),
        [
            UNTRUSTED,
            &format!(
                "the signing key `{name}` cannot be used: it has no valid signature by itself"
            )
        ]
    );
}

#[test]
fn a_subkey_that_is_revoked_does_not_vouch_back_or_may_not_sign_is_refused() {
    let archive = Archive::new();
    archive.publish();
    let subkey = &archive.key.secret_subkeys.first().unwrap().key;
    let name = fingerprint(subkey);
    let signed = inline(subkey, &archive.release(), HashAlgorithm::Sha256);
    archive.write("dists/test/InRelease", signed);
    let refusal = |kind, data: Vec<SubpacketData>| {
        let key = with_binding(&archive.key, kind, |packets| {
            packets.extend(
                data.into_iter()
                    .map(|data| Subpacket::regular(data).unwrap()),
            );
        });
        let mut image = archive.image(&[]);
        vendor(&mut image, Some(armored(&key)));
        let [_, cause] = chain(&archive.lock(&image, &[]).unwrap_err());
        cause
    };
    assert_eq!(
        refusal(SignatureType::SubkeyRevocation, vec![]),
        format!("the signing key `{name}` was revoked")
    );
    let mut flags = KeyFlags::default();
    flags.set_sign(true);
    // The newest binding counts, and of two equally old ones the last.
    assert_eq!(
        refusal(
            SignatureType::SubkeyBinding,
            vec![SubpacketData::KeyFlags(flags)]
        ),
        format!("the signing key `{name}` cannot be used: it does not vouch for its primary key")
    );
    assert_eq!(
        refusal(SignatureType::SubkeyBinding, vec![]),
        format!("the signing key `{name}` cannot be used: it may not sign data")
    );
}

#[test]
fn an_old_and_a_future_file_are_refused() {
    let mut archive = Archive::new();
    let now = jiff::Timestamp::now();
    let late = (now - SignedDuration::from_hours(50)).strftime("%a, %d %b %Y %H:%M:%S UTC");
    archive.extra = format!("Valid-Until: {late}\n");
    archive.publish();
    let [message, cause] = archive.refusal();
    assert_eq!(message, UNUSABLE);
    assert!(
        cause.starts_with("it expired 2 days 2 hours ago, on "),
        "{cause}"
    );
    let error = archive.lock(&archive.image(&[]), &[]).unwrap_err();
    assert_eq!(
        error.hint().unwrap(),
        "the mirror is out of date: use another with `--mirror test=URL`"
    );

    let mut archive = Archive::new();
    archive.date = now + SignedDuration::from_hours(3);
    archive.publish();
    assert!(archive.refusal()[1].starts_with("it is from the future: its date is "));
}

#[test]
fn a_release_file_of_another_name_is_warned_of_and_named_in_the_lock() {
    let names = |from: &str, to: &str| {
        let archive = Archive::new();
        archive.publish();
        let other = archive.release().replace(from, to);
        archive.write(
            "dists/test/InRelease",
            inline(&archive.key.primary_key, &other, HashAlgorithm::Sha256),
        );
        let (lock, warnings) = archive.lock_and_warnings(&archive.image(&[]));
        let lock = lock.unwrap();
        (lock.repositories[0].release_names.clone(), warnings)
    };
    let file = "the Release file of suite `test` of archive `test`";
    let look = "look whether `test` is what the archive has there";
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(
        names("Codename: test", "Codename: other"),
        (
            Some(owned(&["other", "stable"])),
            vec![format!(
                "{file} says that it is for `other`, `stable`; {look}"
            )]
        )
    );
    assert_eq!(
        names("Suite: stable\nCodename: test\n", ""),
        (
            Some(vec![]),
            vec![format!("{file} does not say which suite it is for; {look}")]
        )
    );
    assert_eq!(names("Suite: stable", "Suite: other"), (None, vec![]));
}

#[test]
fn an_unpinned_key_is_shown_then_accepted_and_goes_into_the_lock() {
    let archive = Archive::new();
    archive.publish();
    let name = fingerprint(&archive.key.primary_key);
    archive.write("key.asc", armored(&public(&archive.key)));
    let mut image = archive.image(&[]);
    vendor(&mut image, None);
    let url = format!("file://{}", archive.path("key.asc").display());
    let repository = image
        .recipes
        .first_mut()
        .unwrap()
        .repositories
        .first_mut()
        .unwrap();
    repository.key.url = Some(url.clone());
    repository.key.fingerprints.clear();

    let error = archive.lock(&image, &["ABCD".to_owned()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "nobody pinned a key for archive `test`; `{url}` holds `{name}` \
             (Archive <archive@example.com>), and you accepted ABCD"
        )
    );
    assert!(
        error
            .hint()
            .unwrap()
            .ends_with(&format!("`--accept-key {name}`"))
    );

    let pasted = format!("0x{} {}", &name[..20].to_lowercase(), &name[20..]);
    let lock = archive.lock(&image, &[pasted]).unwrap();
    let accepted = lock
        .repositories
        .first()
        .unwrap()
        .accepted_key
        .clone()
        .unwrap();
    assert_eq!(key_fingerprints(accepted.as_bytes()).unwrap(), [name]);
}

#[test]
fn a_keyring_without_the_pinned_key_says_what_it_holds() {
    let archive = Archive::new();
    archive.publish();
    let other = key("Other", DAY);
    let mut image = archive.image(&[]);
    vendor(&mut image, Some(armored(&public(&other))));
    assert_eq!(
        archive.lock(&image, &[]).unwrap_err().to_string(),
        format!(
            "`recipes/base/key.asc` does not hold the key pinned for archive `test`, {}; \
             it holds `{}` (Other)",
            fingerprint(&archive.key.primary_key),
            fingerprint(&other.primary_key)
        )
    );
    // Several keys in one file are fine, each in an armor of its own.
    let both = [armored(&public(&other)), armored(&public(&archive.key))].concat();
    vendor(&mut image, Some(both));
    assert!(archive.lock(&image, &[]).is_ok());
}
