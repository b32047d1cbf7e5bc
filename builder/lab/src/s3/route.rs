//! Owns the way from a method, a host, a path and a query to an operation. One table.

use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::{Handle, bucket, configuration, copy, delete, list, read, tagging, versions, write};
use crate::wire::service;

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) operation: &'static str,
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) query: Vec<(String, String)>,
}

/// What an operation is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Service,
    Bucket,
    Object,
}

/// Method, target, the parameter of the query that makes the operation, its name. What has no such
/// parameter comes last.
type Line = (&'static str, On, Option<&'static str>, &'static str, Handle);

const OPERATIONS: [Line; 44] = [
    (
        "GET",
        On::Service,
        None,
        "ListBuckets",
        bucket::list_buckets,
    ),
    (
        "GET",
        On::Bucket,
        Some("location"),
        "GetBucketLocation",
        bucket::get_bucket_location,
    ),
    (
        "GET",
        On::Bucket,
        Some("versioning"),
        "GetBucketVersioning",
        versions::get_bucket_versioning,
    ),
    (
        "PUT",
        On::Bucket,
        Some("versioning"),
        "PutBucketVersioning",
        versions::put_bucket_versioning,
    ),
    (
        "GET",
        On::Bucket,
        Some("versions"),
        "ListObjectVersions",
        versions::list_object_versions,
    ),
    (
        "GET",
        On::Bucket,
        Some("tagging"),
        "GetBucketTagging",
        configuration::get,
    ),
    (
        "PUT",
        On::Bucket,
        Some("tagging"),
        "PutBucketTagging",
        configuration::put,
    ),
    (
        "DELETE",
        On::Bucket,
        Some("tagging"),
        "DeleteBucketTagging",
        configuration::delete,
    ),
    (
        "GET",
        On::Bucket,
        Some("publicAccessBlock"),
        "GetPublicAccessBlock",
        configuration::get,
    ),
    (
        "PUT",
        On::Bucket,
        Some("publicAccessBlock"),
        "PutPublicAccessBlock",
        configuration::put,
    ),
    (
        "DELETE",
        On::Bucket,
        Some("publicAccessBlock"),
        "DeletePublicAccessBlock",
        configuration::delete,
    ),
    (
        "GET",
        On::Bucket,
        Some("encryption"),
        "GetBucketEncryption",
        configuration::get,
    ),
    (
        "PUT",
        On::Bucket,
        Some("encryption"),
        "PutBucketEncryption",
        configuration::put,
    ),
    (
        "DELETE",
        On::Bucket,
        Some("encryption"),
        "DeleteBucketEncryption",
        configuration::delete,
    ),
    (
        "GET",
        On::Bucket,
        Some("lifecycle"),
        "GetBucketLifecycleConfiguration",
        configuration::get,
    ),
    (
        "PUT",
        On::Bucket,
        Some("lifecycle"),
        "PutBucketLifecycleConfiguration",
        configuration::put,
    ),
    (
        "DELETE",
        On::Bucket,
        Some("lifecycle"),
        "DeleteBucketLifecycle",
        configuration::delete,
    ),
    (
        "GET",
        On::Bucket,
        Some("ownershipControls"),
        "GetBucketOwnershipControls",
        configuration::get,
    ),
    (
        "PUT",
        On::Bucket,
        Some("ownershipControls"),
        "PutBucketOwnershipControls",
        configuration::put,
    ),
    (
        "DELETE",
        On::Bucket,
        Some("ownershipControls"),
        "DeleteBucketOwnershipControls",
        configuration::delete,
    ),
    (
        "GET",
        On::Bucket,
        Some("policy"),
        "GetBucketPolicy",
        configuration::get,
    ),
    (
        "PUT",
        On::Bucket,
        Some("policy"),
        "PutBucketPolicy",
        configuration::put,
    ),
    (
        "DELETE",
        On::Bucket,
        Some("policy"),
        "DeleteBucketPolicy",
        configuration::delete,
    ),
    (
        "POST",
        On::Bucket,
        Some("delete"),
        "DeleteObjects",
        delete::delete_objects,
    ),
    (
        "GET",
        On::Bucket,
        Some("list-type"),
        "ListObjectsV2",
        list::list_objects_v2,
    ),
    ("GET", On::Bucket, None, "ListObjects", list::list_objects),
    ("HEAD", On::Bucket, None, "HeadBucket", bucket::head_bucket),
    (
        "PUT",
        On::Bucket,
        None,
        "CreateBucket",
        bucket::create_bucket,
    ),
    (
        "DELETE",
        On::Bucket,
        None,
        "DeleteBucket",
        bucket::delete_bucket,
    ),
    (
        "GET",
        On::Object,
        Some("tagging"),
        "GetObjectTagging",
        tagging::get_object_tagging,
    ),
    (
        "PUT",
        On::Object,
        Some("tagging"),
        "PutObjectTagging",
        tagging::put_object_tagging,
    ),
    (
        "DELETE",
        On::Object,
        Some("tagging"),
        "DeleteObjectTagging",
        tagging::delete_object_tagging,
    ),
    ("GET", On::Object, None, "GetObject", read::get_object),
    ("HEAD", On::Object, None, "HeadObject", read::head_object),
    ("PUT", On::Object, None, "PutObject", write::put_object),
    (
        "DELETE",
        On::Object,
        None,
        "DeleteObject",
        delete::delete_object,
    ),
    // What is left is known by name, so that its refusal can say what is not simulated.
    (
        "POST",
        On::Object,
        Some("uploads"),
        "CreateMultipartUpload",
        not_simulated,
    ),
    (
        "PUT",
        On::Object,
        Some("uploadId"),
        "UploadPart",
        not_simulated,
    ),
    (
        "POST",
        On::Object,
        Some("uploadId"),
        "CompleteMultipartUpload",
        not_simulated,
    ),
    (
        "GET",
        On::Object,
        Some("acl"),
        "GetObjectAcl",
        not_simulated,
    ),
    (
        "PUT",
        On::Object,
        Some("acl"),
        "PutObjectAcl",
        not_simulated,
    ),
    (
        "GET",
        On::Bucket,
        Some("acl"),
        "GetBucketAcl",
        not_simulated,
    ),
    (
        "PUT",
        On::Bucket,
        Some("acl"),
        "PutBucketAcl",
        not_simulated,
    ),
    (
        "GET",
        On::Object,
        Some("attributes"),
        "GetObjectAttributes",
        not_simulated,
    ),
];

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

fn not_simulated(
    _: &mut super::S3,
    call: &super::Call<'_>,
) -> Result<crate::wire::Answer, crate::wire::ServiceError> {
    Err(crate::wire::ServiceError::new(
        "NotImplemented",
        501,
        format!("The lab does not simulate `{}`", call.route.operation),
    ))
}

/// The function that does an operation.
pub(super) fn handle(operation: &str) -> Option<Handle> {
    if operation == "CopyObject" {
        return Some(copy::copy_object);
    }
    OPERATIONS
        .iter()
        .find(|line| line.3 == operation)
        .map(|line| line.4)
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
    let plain_only = query.iter().all(|(key, _)| {
        PLAIN_PARAMETERS.contains(&key.as_str()) || key.to_ascii_lowercase().starts_with("x-amz-")
    });
    let plain = lines.clone().find(|line| line.2.is_none() && plain_only);
    let operation = match special.or(plain) {
        Some(line) if line.3 == "PutObject" && head.headers.contains_key("x-amz-copy-source") => {
            "CopyObject"
        }
        Some(line) => line.3,
        None => "Unknown",
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
