//! Owns what objects are made of and shown with: the headers that clients may set.

use super::Call;
use super::store::{Entry, NULL, Object};
use super::time::http;
use crate::wire::Answer;

/// Headers that S3 keeps beside the metadata.
const KEPT: [&str; 8] = [
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

/// The headers of a request that its object keeps.
pub(super) fn kept_headers(call: &Call<'_>) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    for (name, value) in &call.head.headers {
        let name = name.as_str();
        let Ok(value) = value.to_str() else {
            continue;
        };
        if name == "content-encoding" {
            // It says how the body is sent, not what is kept.
            let others = value
                .split(',')
                .map(str::trim)
                .filter(|coding| *coding != "aws-chunked");
            let others: Vec<&str> = others.filter(|coding| !coding.is_empty()).collect();
            if !others.is_empty() {
                kept.push((name.to_owned(), others.join(", ")));
            }
        } else if KEPT.contains(&name) || name.starts_with("x-amz-meta-") {
            kept.push((name.to_owned(), value.to_owned()));
        }
    }
    if !kept.iter().any(|(name, _)| name == "content-type") {
        kept.push(("content-type".to_owned(), "binary/octet-stream".to_owned()));
    }
    kept
}

/// The headers that tell about a version, without its body.
pub(super) fn describe(
    mut answer: Answer,
    entry: &Entry,
    object: &Object,
    call: &Call<'_>,
) -> Answer {
    for (name, value) in &object.headers {
        let override_name = format!("response-{name}");
        let value = call.query(&override_name).unwrap_or(value);
        if !(name == "x-amz-storage-class" && value == "STANDARD") {
            answer = answer.with(name, value);
        }
    }
    answer = answer
        .with("etag", &object.etag)
        .with("last-modified", http(entry.modified))
        .with("accept-ranges", "bytes")
        .with("x-amz-server-side-encryption", "AES256");
    if entry.version_id != NULL {
        answer = answer.with("x-amz-version-id", &entry.version_id);
    }
    if !object.tags.is_empty() {
        answer = answer.with("x-amz-tagging-count", object.tags.len().to_string());
    }
    answer
}
