//! Owns `GetObject` and `HeadObject`.

use super::conditions::{Read, check_read, no_such_key};
use super::object::describe;
use super::store::{Bucket, Entry, Object};
use super::{Call, S3, invalid_argument};
use crate::wire::{Answer, ServiceError};

/// The version that a read asks for; a delete marker is none.
pub(super) fn find<'a>(
    bucket: &'a Bucket,
    key: &str,
    version_id: Option<&str>,
) -> Result<(&'a Entry, &'a Object), ServiceError> {
    let entry = match version_id {
        None => bucket.newest(key).ok_or_else(|| no_such_key(key))?,
        Some("") => {
            return Err(invalid_argument(
                "Version id cannot be the empty string",
                "versionId",
                "",
            ));
        }
        Some(id) => bucket.version(key, id).ok_or_else(|| {
            ServiceError::new(
                "NoSuchVersion",
                404,
                "The specified version does not exist.",
            )
            .with("Key", key)
            .with("VersionId", id)
        })?,
    };
    match &entry.object {
        Some(object) => Ok((entry, object)),
        None => {
            let error = match version_id {
                None => no_such_key(key),
                Some(_) => ServiceError::new(
                    "MethodNotAllowed",
                    405,
                    "The specified method is not allowed against this resource.",
                ),
            };
            Err(error
                .with_header("x-amz-delete-marker", "true")
                .with_header("x-amz-version-id", &entry.version_id))
        }
    }
}

pub(super) fn get_object(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    read(s3, call)
}

/// The server leaves the body out of a response to HEAD; its headers are those of GET.
pub(super) fn head_object(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    read(s3, call)
}

fn read(s3: &S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let bucket = s3.bucket(call)?;
    let (entry, object) = find(bucket, call.key(), call.query("versionId"))?;
    if check_read(call, object, entry.modified)? == Read::NotModified {
        return Ok(describe(Answer::new(304), entry, object, call));
    }
    let size = object.body.len();
    let range = call
        .header("range")
        .and_then(|range| parse_range(range, size));
    let mut answer = match range {
        None => Answer::new(200),
        Some(Some((first, last))) => {
            Answer::new(206).with("content-range", format!("bytes {first}-{last}/{size}"))
        }
        Some(None) => return Err(not_satisfiable(call.header("range").unwrap_or(""), size)),
    };
    answer = describe(answer, entry, object, call);
    answer.body = match range.flatten() {
        Some((first, last)) => object.body.slice(first..=last),
        None => object.body.clone(),
    };
    let wants_checksum = call
        .header("x-amz-checksum-mode")
        .is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"));
    // A part has no checksum of its own.
    if let (true, None, Some((header, value))) = (wants_checksum, range, &object.checksum) {
        answer = answer
            .with(header, value)
            .with("x-amz-checksum-type", "FULL_OBJECT");
    }
    Ok(answer)
}

/// `None`: no range that S3 understands, which means all. `Some(None)`: a range outside the object.
fn parse_range(text: &str, size: usize) -> Option<Option<(usize, usize)>> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| text.parse::<usize>().unwrap_or(usize::MAX);
    if first.is_empty() && is_number(last) {
        let length = number(last).min(size);
        return Some((length > 0).then(|| (size - length, size - 1)));
    }
    if !is_number(first) || !(last.is_empty() || is_number(last)) {
        return None;
    }
    let from = number(first);
    let to = if last.is_empty() {
        usize::MAX
    } else {
        number(last)
    };
    if from > to {
        return None;
    }
    Some((from < size).then(|| (from, to.min(size - 1))))
}

fn not_satisfiable(range: &str, size: usize) -> ServiceError {
    ServiceError::new(
        "InvalidRange",
        416,
        "The requested range is not satisfiable",
    )
    .with("RangeRequested", range)
    .with("ActualObjectSize", size.to_string())
    .with_header("content-range", format!("bytes */{size}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_s3_does() {
        for (text, range) in [
            ("bytes=0-3", Some(Some((0, 3)))),
            ("bytes=4-", Some(Some((4, 9)))),
            ("bytes=8-99", Some(Some((8, 9)))),
            ("bytes=-3", Some(Some((7, 9)))),
            ("bytes=-99", Some(Some((0, 9)))),
            ("bytes=-0", Some(None)),
            ("bytes=10-", Some(None)),
            ("bytes=99999999999999999999999-", Some(None)),
            ("bytes=5-4", None),
            ("bytes=0-1,3-4", None),
            ("bytes=x-", None),
            ("bytes=-", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(parse_range(text, 10), range, "{text}");
        }
        assert_eq!(parse_range("bytes=0-0", 0), Some(None));
        assert_eq!(parse_range("bytes=-5", 0), Some(None));
    }
}
