//! Owns `CopyObject`.

use super::store::Object;
use super::time::iso;
use super::write::{answer, check_key, check_metadata, next_version_id, store};
use super::{
    Call, S3, check_owner, check_region, checksum, conditions, invalid_argument, no_such_bucket,
    object, read, tagging,
};
use crate::wire::{Answer, Service, ServiceError, Xml};

/// The bucket, key and version of the source.
fn source(call: &Call<'_>) -> Result<(String, String, Option<String>), ServiceError> {
    let header = call.header("x-amz-copy-source").unwrap_or("");
    let (path, version) = match header.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version.to_owned())),
        None => (header, None),
    };
    let path = percent_encoding::percent_decode_str(path)
        .decode_utf8_lossy()
        .into_owned();
    let path = path.strip_prefix('/').unwrap_or(&path);
    match path.split_once('/') {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
            Ok((bucket.to_owned(), key.to_owned(), version))
        }
        Some(_) | None => Err(invalid_argument(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            "x-amz-copy-source",
            header,
        )),
    }
}

/// The object that the copy is.
fn copied(s3: &S3, call: &Call<'_>) -> Result<(Object, Option<String>), ServiceError> {
    let (from_bucket, from_key, version) = source(call)?;
    let bucket = s3
        .buckets
        .get(&from_bucket)
        .ok_or_else(|| no_such_bucket(&from_bucket))?;
    check_owner(call, "x-amz-source-expected-bucket-owner")?;
    // S3 copies between regions, but not when the bucket that is written to is elsewhere.
    let target = s3.bucket(call)?;
    check_region(target, call.bucket_name(), call)?;
    let (entry, object) = read::find(bucket, &from_key, version.as_deref())?;
    conditions::check_source(call, object, entry.modified)?;
    let replaces = |header: &str| call.header(header).is_some_and(|value| value == "REPLACE");
    let same = from_bucket == call.bucket_name() && from_key == call.key() && version.is_none();
    if same && !replaces("x-amz-metadata-directive") && call.header("x-amz-storage-class").is_none()
    {
        return Err(ServiceError::new(
            "InvalidRequest",
            400,
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let mut copy = object.clone();
    // A copy is one piece, whatever its source was uploaded in.
    copy.etag = checksum::etag(&copy.body);
    if let Some((header, sum)) = &mut copy.checksum {
        *sum = checksum::compute(header, &copy.body);
    }
    if replaces("x-amz-metadata-directive") {
        copy.headers = object::kept_headers(call);
        check_metadata(&copy.headers)?;
    }
    if replaces("x-amz-tagging-directive") {
        copy.tags = tagging::read_header(call)?;
    }
    Ok((copy, version))
}

pub(super) fn copy_object(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let (copy, source_version) = copied(s3, call)?;
    let bucket = s3.bucket(call)?;
    check_key(call.key())?;
    conditions::check_write(call, bucket.current(call.key()))?;
    let version_id = next_version_id(bucket, &mut s3.random.clone());
    let mut xml = Xml::new();
    xml.element_of("CopyObjectResult", Service::S3.namespace(), |xml| {
        xml.text("LastModified", iso(call.time));
        xml.text("ETag", &copy.etag);
        if let Some((header, value)) = &copy.checksum {
            xml.text(&format!("Checksum{}", checksum::algorithm(header)), value);
            xml.text("ChecksumType", checksum::Kind::of(value).name());
        }
    });
    let mut done = answer(Answer::xml(xml.finish()), &copy, &version_id);
    if let Some(version) = source_version {
        done = done.with("x-amz-copy-source-version-id", version);
    }
    store(s3, call, copy, version_id)?;
    Ok(done)
}
