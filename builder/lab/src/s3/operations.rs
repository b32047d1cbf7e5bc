//! Owns the table of operations: what a request is like, what it is called, and who does it. Adding an
//! operation is adding a line here and its function.

use super::{
    Call, Handle, S3, bucket, configuration, copy, delete, list, multipart, read, tagging,
    versions, write,
};
use crate::wire::{Answer, ServiceError};

/// What an operation is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    Service,
    Bucket,
    Object,
}

/// Method, target, the parameter of the query that makes the operation, its name. What has no such
/// parameter comes last.
pub(super) type Line = (&'static str, On, Option<&'static str>, &'static str, Handle);

pub(super) const OPERATIONS: [Line; 47] = [
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
    (
        "POST",
        On::Object,
        Some("uploads"),
        "CreateMultipartUpload",
        multipart::create,
    ),
    (
        "PUT",
        On::Object,
        Some("uploadId"),
        "UploadPart",
        multipart::upload_part,
    ),
    (
        "POST",
        On::Object,
        Some("uploadId"),
        "CompleteMultipartUpload",
        multipart::complete,
    ),
    (
        "DELETE",
        On::Object,
        Some("uploadId"),
        "AbortMultipartUpload",
        multipart::abort,
    ),
    (
        "GET",
        On::Object,
        Some("uploadId"),
        "ListParts",
        multipart::list_parts,
    ),
    // What is left is known by name, so that its refusal can say what is not simulated.
    (
        "GET",
        On::Bucket,
        Some("uploads"),
        "ListMultipartUploads",
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

fn not_simulated(_: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    Err(ServiceError::new(
        "NotImplemented",
        501,
        format!("The lab does not simulate `{}`", call.route.operation),
    ))
}

/// The function that does an operation.
pub(super) fn handle(operation: &str) -> Option<Handle> {
    match operation {
        "CopyObject" => return Some(copy::copy_object),
        "UploadPartCopy" => return Some(not_simulated),
        _ => {}
    }
    OPERATIONS
        .iter()
        .find(|line| line.3 == operation)
        .map(|line| line.4)
}
