//! Owns `DeleteObject` and `DeleteObjects`.

use super::store::{Entry, NULL, Versioning};
use super::write::next_version_id;
use super::{Call, S3, checksum, conditions, document, malformed_xml};
use crate::wire::{Answer, Service, ServiceError, Xml};

const MOST_KEYS: usize = 1_000;

/// What became of a key.
#[derive(Debug, Default)]
struct Deleted {
    /// The version that is gone or the marker that was made.
    version_id: Option<String>,
    marker: bool,
}

/// Deletes a key or one of its versions. What is not there is deleted already.
fn delete(
    s3: &mut S3,
    call: &Call<'_>,
    key: &str,
    version_id: Option<&str>,
) -> Result<Deleted, ServiceError> {
    if let Some(version_id) = version_id {
        let removed = s3.bucket_mut(call)?.remove_version(key, version_id);
        return Ok(Deleted {
            version_id: Some(version_id.to_owned()),
            marker: removed.is_some_and(|entry| entry.object.is_none()),
        });
    }
    let mut random = s3.random.clone();
    let bucket = s3.bucket_mut(call)?;
    if bucket.versioning == Versioning::Never {
        bucket.remove(key);
        return Ok(Deleted::default());
    }
    let version_id = next_version_id(bucket, &mut random);
    bucket.push(
        key,
        Entry {
            version_id: version_id.clone(),
            modified: call.time,
            object: None,
        },
    );
    s3.random = random;
    Ok(Deleted {
        version_id: Some(version_id),
        marker: true,
    })
}

pub(super) fn delete_object(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let current = s3.bucket(call)?.current(call.key());
    if call.header("if-match").is_some() {
        conditions::check_write(call, current)?;
    }
    let deleted = delete(s3, call, call.key(), call.query("versionId"))?;
    let mut answer = Answer::new(204);
    if let Some(version_id) = deleted.version_id.filter(|id| id != NULL || deleted.marker) {
        answer = answer.with("x-amz-version-id", version_id);
    }
    if deleted.marker {
        answer = answer.with("x-amz-delete-marker", "true");
    }
    Ok(answer)
}

/// A key to delete, its version, and the entity tag it must have.
type Wanted = (String, Option<String>, Option<String>);

fn read(call: &Call<'_>) -> Result<(Vec<Wanted>, bool), ServiceError> {
    document::read(call.body, "Delete", |root| {
        let quiet = document::text(root, "Quiet").is_some_and(|text| text == "true");
        let keys = document::children(root, "Object").map(|object| {
            let text = |name| document::text(object, name).map(str::to_owned);
            let key = text("Key")
                .filter(|key| !key.is_empty())
                .ok_or_else(malformed_xml)?;
            Ok((key, text("VersionId"), text("ETag")))
        });
        let keys = keys.collect::<Result<Vec<Wanted>, ServiceError>>()?;
        if keys.is_empty() || keys.len() > MOST_KEYS {
            return Err(malformed_xml());
        }
        Ok((keys, quiet))
    })
}

pub(super) fn delete_objects(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    s3.bucket(call)?;
    if !checksum::is_named(call) {
        return Err(ServiceError::new(
            "InvalidRequest",
            400,
            "Missing required header for this request: Content-MD5",
        ));
    }
    checksum::verify(call)?;
    let (keys, quiet) = read(call)?;
    let mut outcomes = Vec::new();
    for (key, version_id, etag) in keys {
        let current = s3.bucket(call)?.current(&key);
        let refused = match (&etag, current) {
            (Some(etag), Some(object)) => etag.trim_matches('"') != object.etag.trim_matches('"'),
            (Some(_), None) | (None, _) => false,
        };
        let outcome = if refused {
            Err((
                "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold",
            ))
        } else {
            Ok(delete(s3, call, &key, version_id.as_deref())?)
        };
        outcomes.push((key, version_id, outcome));
    }
    let mut xml = Xml::new();
    xml.element_of("DeleteResult", Service::S3.namespace(), |xml| {
        for (key, asked, outcome) in outcomes {
            match outcome {
                Ok(_) if quiet => {}
                Ok(deleted) => xml.element("Deleted", |xml| {
                    xml.text("Key", key);
                    if let Some(asked) = asked {
                        xml.text("VersionId", asked);
                    }
                    if deleted.marker {
                        xml.text("DeleteMarker", true);
                        xml.text(
                            "DeleteMarkerVersionId",
                            deleted.version_id.unwrap_or_default(),
                        );
                    }
                }),
                Err((code, message)) => xml.element("Error", |xml| {
                    xml.text("Key", key);
                    xml.text("Code", code);
                    xml.text("Message", message);
                }),
            }
        }
    });
    Ok(Answer::xml(xml.finish()))
}
