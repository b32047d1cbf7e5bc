//! Owns `PutObject`.

use bytes::Bytes;

use super::store::{Bucket, Entry, NULL, Object, Versioning};
use super::{Call, S3, checksum, conditions, object, tagging};
use crate::random::Random;
use crate::wire::{Answer, ServiceError};

const LONGEST_KEY: usize = 1_024;
const MOST_METADATA: usize = 2_048;
const VERSION_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The version id that something written now gets.
pub(super) fn next_version_id(bucket: &Bucket, random: &mut Random) -> String {
    match bucket.versioning {
        Versioning::Enabled => random.text(32, VERSION_ALPHABET),
        Versioning::Never | Versioning::Suspended => NULL.to_owned(),
    }
}

pub(super) fn check_key(key: &str) -> Result<(), ServiceError> {
    if key.len() <= LONGEST_KEY {
        return Ok(());
    }
    Err(
        ServiceError::new("KeyTooLongError", 400, "Your key is too long")
            .with("Size", key.len().to_string())
            .with("MaxSizeAllowed", LONGEST_KEY.to_string()),
    )
}

pub(super) fn check_metadata(headers: &[(String, String)]) -> Result<(), ServiceError> {
    let metadata = headers.iter().filter_map(|(name, value)| {
        name.strip_prefix("x-amz-meta-")
            .map(|name| name.len() + value.len())
    });
    let size: usize = metadata.sum();
    if size <= MOST_METADATA {
        return Ok(());
    }
    Err(ServiceError::new(
        "MetadataTooLarge",
        400,
        "Your metadata headers exceed the maximum allowed metadata size",
    )
    .with("Size", size.to_string())
    .with("MaxSizeAllowed", MOST_METADATA.to_string()))
}

pub(super) fn put_object(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let bucket = s3.bucket(call)?;
    check_key(call.key())?;
    let version_id = next_version_id(bucket, &mut s3.random.clone());
    let headers = object::kept_headers(call);
    check_metadata(&headers)?;
    let checksum = checksum::verify(call)?;
    let tags = tagging::read_header(call)?;
    conditions::check_write(call, bucket.current(call.key()))?;
    let written = Object {
        body: Bytes::copy_from_slice(call.body),
        etag: checksum::etag(call.body),
        headers,
        checksum: Some(checksum),
        tags,
    };
    let answer = answer(Answer::new(200), &written, &version_id);
    store(s3, call, written, version_id)?;
    Ok(answer)
}

/// Keeps an object under the key of the call.
pub(super) fn store(
    s3: &mut S3,
    call: &Call<'_>,
    object: Object,
    version_id: String,
) -> Result<(), ServiceError> {
    // The id was made from a copy of the generator: now it is used up.
    if version_id != NULL {
        s3.random.text(32, VERSION_ALPHABET);
    }
    s3.bucket_mut(call)?.push(
        call.key(),
        Entry {
            version_id,
            modified: call.time,
            object: Some(object),
        },
    );
    Ok(())
}

/// What a write tells about the object it made.
pub(super) fn answer(mut answer: Answer, object: &Object, version_id: &str) -> Answer {
    answer = answer
        .with("etag", &object.etag)
        .with("x-amz-server-side-encryption", "AES256");
    if let Some((header, value)) = &object.checksum {
        answer = answer
            .with(header, value)
            .with("x-amz-checksum-type", checksum::Kind::of(value).name());
    }
    if version_id != NULL {
        answer = answer.with("x-amz-version-id", version_id);
    }
    answer
}
