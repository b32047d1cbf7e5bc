//! Owns versioning: switching it on, and listing what there is of each key.

use super::store::{Bucket, Entry, Versioning};
use super::time::iso;
use super::{Call, S3, document, invalid_argument, list, malformed_xml};
use crate::wire::{Answer, Service, ServiceError, Xml};

pub(super) fn get_bucket_versioning(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let bucket = s3.bucket(call)?;
    let mut xml = Xml::new();
    xml.element_of(
        "VersioningConfiguration",
        Service::S3.namespace(),
        |xml| match bucket.versioning {
            Versioning::Never => {}
            Versioning::Enabled => xml.text("Status", "Enabled"),
            Versioning::Suspended => xml.text("Status", "Suspended"),
        },
    );
    Ok(Answer::xml(xml.finish()))
}

pub(super) fn put_bucket_versioning(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let bucket = s3.bucket_mut(call)?;
    bucket.versioning =
        document::read(
            call.body,
            "VersioningConfiguration",
            |root| match document::text(root, "Status") {
                Some("Enabled") => Ok(Versioning::Enabled),
                Some("Suspended") => Ok(Versioning::Suspended),
                Some(_) | None => Err(malformed_xml()),
            },
        )?;
    Ok(Answer::new(200))
}

pub(super) fn list_object_versions(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let bucket = s3.bucket(call)?;
    if call
        .query("delimiter")
        .is_some_and(|delimiter| !delimiter.is_empty())
    {
        let message = "The lab lists versions without a delimiter";
        return Err(invalid_argument(
            message,
            "delimiter",
            call.query("delimiter").unwrap_or(""),
        ));
    }
    let prefix = call.query("prefix").unwrap_or("");
    let most = list::max_keys(call)?;
    let key_marker = call.query("key-marker").unwrap_or("");
    let version_marker = call
        .query("version-id-marker")
        .filter(|marker| !marker.is_empty());
    let (page, truncated) = page(bucket, prefix, (key_marker, version_marker), most);
    let url = list::url_encoding(call)?;
    let mut xml = Xml::new();
    xml.element_of("ListVersionsResult", Service::S3.namespace(), |xml| {
        xml.text("Name", call.bucket_name());
        xml.text("Prefix", url.text(prefix));
        xml.text("KeyMarker", url.text(key_marker));
        xml.text("VersionIdMarker", version_marker.unwrap_or(""));
        xml.text("MaxKeys", most);
        url.name(xml);
        xml.text("IsTruncated", truncated);
        if let (true, Some((key, entry, _))) = (truncated, page.last()) {
            xml.text("NextKeyMarker", url.text(key));
            xml.text("NextVersionIdMarker", &entry.version_id);
        }
        for (key, entry, latest) in &page {
            let name = if entry.object.is_some() {
                "Version"
            } else {
                "DeleteMarker"
            };
            xml.element(name, |xml| {
                xml.text("Key", url.text(key));
                xml.text("VersionId", &entry.version_id);
                xml.text("IsLatest", latest);
                xml.text("LastModified", iso(entry.modified));
                if let Some(object) = &entry.object {
                    xml.text("ETag", &object.etag);
                    xml.text("Size", object.body.len());
                    xml.text("StorageClass", "STANDARD");
                }
                xml.element("Owner", |xml| xml.text("ID", call.account_id));
            });
        }
    });
    Ok(Answer::xml(xml.finish()))
}

/// A version of a key, and whether it is its latest.
type Line<'a> = (&'a str, &'a Entry, bool);

/// The versions after a marker, and whether there are more.
fn page<'a>(
    bucket: &'a Bucket,
    prefix: &str,
    (key_marker, version_marker): (&str, Option<&str>),
    most: usize,
) -> (Vec<Line<'a>>, bool) {
    // With a version marker the key itself goes on, after that version.
    let mut passed = false;
    let after = bucket.all_versions().filter(|(key, entry, _)| {
        if *key != key_marker || key_marker.is_empty() {
            return *key > key_marker;
        }
        let show = passed;
        passed = passed || version_marker == Some(entry.version_id.as_str());
        show
    });
    let mut rest = after.filter(|(key, _, _)| key.starts_with(prefix));
    let page: Vec<Line<'_>> = rest.by_ref().take(most).collect();
    let truncated = most > 0 && rest.next().is_some();
    (page, truncated)
}
