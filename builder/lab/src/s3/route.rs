//! Owns the way from a method, a host, a path and a query to an operation.

use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::operations::{OPERATIONS, On};
use crate::wire::service;

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) operation: &'static str,
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) query: Vec<(String, String)>,
}

/// Parameters that go with an operation and do not make one.
const PLAIN_PARAMETERS: [&str; 24] = [
    "x-id",
    "prefix",
    "delimiter",
    "marker",
    "max-keys",
    "encoding-type",
    "continuation-token",
    "start-after",
    "fetch-owner",
    "key-marker",
    "version-id-marker",
    "versionId",
    "partNumber",
    "response-content-type",
    "response-content-language",
    "response-expires",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "max-buckets",
    "bucket-region",
    "list-type",
    "tagging",
    "delete",
];

impl Route {
    /// The operation's name. Where it has none, what makes it one, without the names of buckets, keys
    /// and values: `PUT bucket?website`.
    pub(crate) fn asked_for(&self, head: &Parts) -> String {
        if self.operation != "Unknown" {
            return self.operation.to_owned();
        }
        let on = match (&self.bucket, &self.key) {
            (None, _) => "service",
            (Some(_), None) => "bucket",
            (Some(_), Some(_)) => "object",
        };
        let special = self.query.iter().map(|(name, _)| name.as_str());
        let special: Vec<&str> = special.filter(|name| !is_plain(name)).collect();
        format!("{} {on}?{}", head.method, special.join("&"))
    }
}

/// Whether a parameter of the query goes with any operation.
fn is_plain(name: &str) -> bool {
    PLAIN_PARAMETERS.contains(&name) || name.to_ascii_lowercase().starts_with("x-amz-")
}

/// Reads what a request is for. Bucket names are in the host or in the path.
pub(crate) fn route(head: &Parts) -> Route {
    let path = head.uri.path().strip_prefix('/').unwrap_or("");
    let (bucket, key) = match host_bucket(&service::host(head)) {
        Some(bucket) => (bucket, path),
        None => match path.split_once('/') {
            Some((bucket, key)) => (decode(bucket), key),
            None => (decode(path), ""),
        },
    };
    let (bucket, key) = (
        Some(bucket).filter(|name| !name.is_empty()),
        Some(decode(key)).filter(|key| !key.is_empty()),
    );
    let query = parse_query(head.uri.query().unwrap_or(""));
    let on = match (&bucket, &key) {
        (None, _) => On::Service,
        (Some(_), None) => On::Bucket,
        (Some(_), Some(_)) => On::Object,
    };
    let has = |name: &str| query.iter().any(|(key, _)| key == name);
    let lines = OPERATIONS
        .iter()
        .filter(|line| line.0 == head.method.as_str() && line.1 == on);
    let special = lines.clone().find(|line| line.2.is_some_and(has));
    let plain_only = query.iter().all(|(key, _)| is_plain(key));
    let plain = lines.clone().find(|line| line.2.is_none() && plain_only);
    let operation = match special.or(plain) {
        None => "Unknown",
        Some(line) if !head.headers.contains_key("x-amz-copy-source") => line.3,
        Some(line) => match line.3 {
            "PutObject" => "CopyObject",
            "UploadPart" => "UploadPartCopy",
            other => other,
        },
    };
    Route {
        operation,
        bucket,
        key,
        query,
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn parse_query(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| {
            (
                decode(&name.replace('+', " ")),
                decode(&value.replace('+', " ")),
            )
        })
        .collect()
}

/// The bucket in names like `b.s3.eu-west-1.amazonaws.com`, `b.s3.amazonaws.com`, `b.localhost`.
fn host_bucket(host: &str) -> Option<String> {
    if let Some(bucket) = host.strip_suffix(".localhost") {
        return Some(bucket.to_owned());
    }
    let name = host.strip_suffix(".amazonaws.com")?;
    let (bucket, rest) = name.rsplit_once(".s3")?;
    (rest.is_empty() || rest.starts_with('.')).then(|| bucket.to_owned())
}
