//! Owns the conditions of HTTP on reads and writes: entity tags and times.

use std::time::Duration;

use super::store::Object;
use super::time::parse_http;
use super::{Call, invalid_argument};
use crate::wire::ServiceError;

fn failed(condition: &'static str) -> ServiceError {
    ServiceError::new(
        "PreconditionFailed",
        412,
        "At least one of the pre-conditions you specified did not hold",
    )
    .with("Condition", condition)
}

/// Whether a list of entity tags names this one.
fn names(list: &str, etag: &str) -> bool {
    let bare = etag.trim_matches('"');
    list.split(',')
        .map(str::trim)
        .any(|item| item == "*" || item.trim_matches('"') == bare)
}

/// What a read is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Whole,
    NotModified,
}

/// The names of the four headers, as a plain read and as a copy's source have them.
struct Names {
    matches: &'static str,
    none_match: &'static str,
    modified: &'static str,
    unmodified: &'static str,
}

const PLAIN: Names = Names {
    matches: "if-match",
    none_match: "if-none-match",
    modified: "if-modified-since",
    unmodified: "if-unmodified-since",
};

const SOURCE: Names = Names {
    matches: "x-amz-copy-source-if-match",
    none_match: "x-amz-copy-source-if-none-match",
    modified: "x-amz-copy-source-if-modified-since",
    unmodified: "x-amz-copy-source-if-unmodified-since",
};

/// Checks the conditions of `GetObject` and `HeadObject`.
pub(super) fn check_read(
    call: &Call<'_>,
    object: &Object,
    modified: Duration,
) -> Result<Read, ServiceError> {
    check_names(call, object, modified, &PLAIN)
}

/// Checks the conditions on the source of a copy; there is nothing like "not modified" for it.
pub(super) fn check_source(
    call: &Call<'_>,
    object: &Object,
    modified: Duration,
) -> Result<(), ServiceError> {
    match check_names(call, object, modified, &SOURCE)? {
        Read::Whole => Ok(()),
        Read::NotModified => Err(failed("x-amz-copy-source-If-None-Match")),
    }
}

fn check_names(
    call: &Call<'_>,
    object: &Object,
    modified: Duration,
    headers: &Names,
) -> Result<Read, ServiceError> {
    // Times have whole seconds in headers.
    let modified = Duration::from_secs(modified.as_secs());
    let time = |name: &str| call.header(name).and_then(parse_http);
    match call.header(headers.matches) {
        Some(list) if !names(list, &object.etag) => return Err(failed("If-Match")),
        None if time(headers.unmodified).is_some_and(|limit| modified > limit) => {
            return Err(failed("If-Unmodified-Since"));
        }
        Some(_) | None => {}
    }
    let not_modified = match call.header(headers.none_match) {
        Some(list) => names(list, &object.etag),
        None => time(headers.modified).is_some_and(|since| modified <= since),
    };
    Ok(if not_modified {
        Read::NotModified
    } else {
        Read::Whole
    })
}

/// Checks the conditions of a write against the object that is there now.
pub(super) fn check_write(call: &Call<'_>, current: Option<&Object>) -> Result<(), ServiceError> {
    match call.header("if-none-match") {
        Some("*") if current.is_some() => return Err(failed("If-None-Match")),
        Some("*") | None => {}
        Some(_) => {
            return Err(ServiceError::new(
                "NotImplemented",
                501,
                "A header you provided implies functionality that is not implemented",
            )
            .with("Header", "If-None-Match"));
        }
    }
    let Some(list) = call.header("if-match") else {
        return Ok(());
    };
    if call.header("if-none-match").is_some() {
        return Err(invalid_argument(
            "If-Match and If-None-Match cannot be used together",
            "If-Match",
            list,
        ));
    }
    match current {
        None => Err(no_such_key(call.key())),
        Some(object) if names(list, &object.etag) => Ok(()),
        Some(_) => Err(failed("If-Match")),
    }
}

pub(super) fn no_such_key(key: &str) -> ServiceError {
    ServiceError::new("NoSuchKey", 404, "The specified key does not exist.").with("Key", key)
}
