//! Owns `GetObject` and `HeadObject`.

use super::conditions::{Read, check_read, no_such_key};
use super::object::describe;
use super::store::{Bucket, Entry, Object};
use super::{Call, S3, checksum, invalid_argument};
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
    if let Some(object) = &entry.object {
        return Ok((entry, object));
    }
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
    let range = call.header("range").unwrap_or("");
    let (mut answer, body, whole) = match parse_range(range, size) {
        Range::Whole => (Answer::new(200), object.body.clone(), true),
        Range::Part(first, last) => {
            let part = format!("bytes {first}-{last}/{size}");
            let answer = Answer::new(206).with("content-range", part);
            (answer, object.body.slice(first..=last), false)
        }
        Range::Outside => return Err(not_satisfiable(range, size)),
    };
    answer = describe(answer, entry, object, call);
    answer.body = body;
    let wants_checksum = call
        .header("x-amz-checksum-mode")
        .is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"));
    // A part has no checksum of its own.
    if let (true, true, Some((header, value))) = (wants_checksum, whole, &object.checksum) {
        answer = answer
            .with(header, value)
            .with("x-amz-checksum-type", checksum::Kind::of(value).name());
    }
    Ok(answer)
}

/// What a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    /// Everything; also when S3 does not understand it.
    Whole,
    /// From the one byte to the other, both included.
    Part(usize, usize),
    /// Nothing that is there.
    Outside,
}

fn parse_range(text: &str, size: usize) -> Range {
    let words = text
        .trim()
        .strip_prefix("bytes=")
        .and_then(|words| words.split_once('-'));
    let Some((first, last)) = words else {
        return Range::Whole;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| text.parse::<usize>().unwrap_or(usize::MAX);
    if first.is_empty() && is_number(last) {
        return match number(last).min(size) {
            0 => Range::Outside,
            length => Range::Part(size - length, size - 1),
        };
    }
    if !is_number(first) || !(last.is_empty() || is_number(last)) {
        return Range::Whole;
    }
    let from = number(first);
    let to = if last.is_empty() {
        usize::MAX
    } else {
        number(last)
    };
    if from > to {
        Range::Whole
    } else if from < size {
        Range::Part(from, to.min(size - 1))
    } else {
        Range::Outside
    }
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
            ("bytes=0-3", Range::Part(0, 3)),
            ("bytes=4-", Range::Part(4, 9)),
            ("bytes=8-99", Range::Part(8, 9)),
            ("bytes=-3", Range::Part(7, 9)),
            ("bytes=-99", Range::Part(0, 9)),
            ("bytes=-0", Range::Outside),
            ("bytes=10-", Range::Outside),
            ("bytes=99999999999999999999999-", Range::Outside),
            ("bytes=5-4", Range::Whole),
            ("bytes=0-1,3-4", Range::Whole),
            ("bytes=x-", Range::Whole),
            ("bytes=-", Range::Whole),
            ("lines=1-2", Range::Whole),
        ] {
            assert_eq!(parse_range(text, 10), range, "{text}");
        }
        assert_eq!(parse_range("bytes=0-0", 0), Range::Outside);
        assert_eq!(parse_range("bytes=-5", 0), Range::Outside);
    }
}
