//! Owns the life of buckets.

use super::store::Bucket;
use super::time::iso;
use super::{Call, S3, document, no_such_bucket, tagging};
use crate::wire::{Answer, Service, ServiceError, Xml};

/// The region whose buckets have no location.
const DEFAULT_REGION: &str = "us-east-1";

#[expect(
    clippy::unnecessary_wraps,
    reason = "every operation of the table has the same type"
)]
pub(super) fn list_buckets(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let prefix = call.query("prefix").unwrap_or("");
    let region = call.query("bucket-region");
    let mut xml = Xml::new();
    xml.element_of("ListAllMyBucketsResult", Service::S3.namespace(), |xml| {
        xml.element("Owner", |xml| xml.text("ID", call.account_id));
        xml.element("Buckets", |xml| {
            for (name, bucket) in &s3.buckets {
                if !name.starts_with(prefix) || region.is_some_and(|region| bucket.region != region)
                {
                    continue;
                }
                xml.element("Bucket", |xml| {
                    xml.text("Name", name);
                    xml.text("CreationDate", iso(bucket.created));
                    xml.text("BucketRegion", &bucket.region);
                });
            }
        });
    });
    Ok(Answer::xml(xml.finish()))
}

pub(super) fn create_bucket(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let name = call.bucket_name();
    if !is_name(name) {
        return Err(ServiceError::new(
            "InvalidBucketName",
            400,
            "The specified bucket is not valid.",
        )
        .with("BucketName", name));
    }
    let (location, tags) = if call.body.is_empty() {
        (None, std::collections::BTreeMap::new())
    } else {
        document::read(call.body, "CreateBucketConfiguration", |root| {
            let location =
                document::text(root, "LocationConstraint").filter(|text| !text.is_empty());
            let tags = document::child(root, "Tags");
            let tags = tags.map_or(Ok(std::collections::BTreeMap::new()), tagging::read_set)?;
            Ok((location.map(str::to_owned), tags))
        })?
    };
    check_location(location.as_deref(), call)?;
    if let Some(bucket) = s3.buckets.get(name) {
        // The oldest region still says yes to its owner, as it always did.
        if bucket.region == DEFAULT_REGION && call.region == DEFAULT_REGION {
            return Ok(Answer::new(200).with("location", format!("/{name}")));
        }
        return Err(ServiceError::new(
            "BucketAlreadyOwnedByYou",
            409,
            "Your previous request to create the named bucket succeeded and you already own it.",
        )
        .with("BucketName", name));
    }
    let mut bucket = Bucket::new(call.region, call.time);
    bucket.set_defaults();
    if !tags.is_empty() {
        bucket.documents.insert("tagging", tagging::document(&tags));
    }
    s3.buckets.insert(name.to_owned(), bucket);
    let location = if call.region == DEFAULT_REGION {
        format!("/{name}")
    } else {
        format!("http://{name}.s3.amazonaws.com/")
    };
    Ok(Answer::new(200).with("location", location))
}

fn check_location(location: Option<&str>, call: &Call<'_>) -> Result<(), ServiceError> {
    let illegal =
        |message: String| ServiceError::new("IllegalLocationConstraintException", 400, message);
    match location {
        None if call.region == DEFAULT_REGION => Ok(()),
        None => Err(illegal(
            "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."
                .into(),
        )),
        Some(location) if location == DEFAULT_REGION || !call.regions.iter().any(|region| region == location) => {
            Err(ServiceError::new(
                "InvalidLocationConstraint",
                400,
                "The specified location-constraint is not valid",
            )
            .with("LocationConstraint", location))
        }
        Some(location) if location == call.region => Ok(()),
        Some(location) => Err(illegal(format!(
            "The {location} location constraint is incompatible for the region specific endpoint this request was sent to."
        ))),
    }
}

/// The rules for names of general purpose buckets.
fn is_name(name: &str) -> bool {
    let edge = |byte: Option<u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    (3..=63).contains(&name.len())
        && edge(name.bytes().next())
        && edge(name.bytes().last())
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
        })
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !name.starts_with("xn--")
        && !name.ends_with("-s3alias")
}

pub(super) fn head_bucket(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let bucket = s3.bucket(call)?;
    Ok(Answer::new(200)
        .with("x-amz-bucket-region", &bucket.region)
        .with("content-type", "application/xml"))
}

pub(super) fn get_bucket_location(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    // Asked for from anywhere: it is how clients find out.
    let name = call.bucket_name();
    let bucket = s3.buckets.get(name).ok_or_else(|| no_such_bucket(name))?;
    let mut xml = Xml::new();
    let location = Some(bucket.region.as_str()).filter(|region| *region != DEFAULT_REGION);
    xml.element_of("LocationConstraint", Service::S3.namespace(), |xml| {
        xml.content(location.unwrap_or(""));
    });
    Ok(Answer::xml(xml.finish()))
}

pub(super) fn delete_bucket(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let name = call.bucket_name();
    if !s3.bucket(call)?.is_empty() {
        return Err(ServiceError::new(
            "BucketNotEmpty",
            409,
            "The bucket you tried to delete is not empty",
        )
        .with("BucketName", name));
    }
    s3.buckets.remove(name);
    Ok(Answer::new(204))
}
