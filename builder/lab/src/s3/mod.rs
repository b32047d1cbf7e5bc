//! Owns the simulated S3: buckets and objects with versions and conditional writes. A state machine over
//! requests that are verified already; must not know signatures or clocks.

mod bucket;
mod checksum;
mod conditions;
mod configuration;
mod copy;
mod delete;
mod document;
mod list;
mod multipart;
mod object;
mod operations;
mod read;
mod route;
mod store;
mod tagging;
#[cfg(test)]
mod tests;
mod time;
mod uploads;
mod versions;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use http::request::Parts;

use crate::random::Random;
use crate::wire::{Answer, ServiceError};

pub(crate) use route::{Route, route};
use store::Bucket;

/// The S3 of a whole account; bucket names are global.
#[derive(Clone, Debug)]
pub(crate) struct S3 {
    buckets: BTreeMap<String, Bucket>,
    random: Random,
}

/// A verified request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) route: &'a Route,
    /// The region it was signed for.
    pub(crate) region: &'a str,
    /// The region in the host's name, if it has one.
    pub(crate) host_region: Option<&'a str>,
    pub(crate) account_id: &'a str,
    pub(crate) regions: &'a [String],
    pub(crate) head: &'a Parts,
    pub(crate) body: &'a [u8],
    pub(crate) trailers: &'a [(String, String)],
    /// Since 1970.
    pub(crate) time: Duration,
}

impl Call<'_> {
    /// A header's text.
    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    }

    /// A parameter of the query; present without a value is empty.
    fn query(&self, name: &str) -> Option<&str> {
        self.route
            .query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn key(&self) -> &str {
        self.route.key.as_deref().unwrap_or("")
    }

    fn bucket_name(&self) -> &str {
        self.route.bucket.as_deref().unwrap_or("")
    }
}

type Handle = fn(&mut S3, &Call<'_>) -> Result<Answer, ServiceError>;

impl S3 {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            buckets: BTreeMap::new(),
            random: Random::new(seed ^ 0x7333),
        }
    }

    /// What an object holds now.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> Option<&[u8]> {
        let object = self.buckets.get(bucket)?.current(key)?;
        Some(&object.body)
    }

    /// Answers one request.
    pub(crate) fn call(&mut self, call: &Call<'_>) -> Result<Answer, ServiceError> {
        match operations::handle(call.route.operation) {
            Some(handle) => handle(self, call),
            None => Err(ServiceError::new(
                "NotImplemented",
                501,
                format!("The lab does not simulate `{}`", call.route.operation),
            )),
        }
    }

    /// The bucket of a call, if it is in the region that the call was signed for.
    fn bucket(&self, call: &Call<'_>) -> Result<&Bucket, ServiceError> {
        let name = call.bucket_name();
        let bucket = self.buckets.get(name).ok_or_else(|| no_such_bucket(name))?;
        check_owner(call, "x-amz-expected-bucket-owner")?;
        check_region(bucket, name, call)?;
        Ok(bucket)
    }

    fn bucket_mut(&mut self, call: &Call<'_>) -> Result<&mut Bucket, ServiceError> {
        self.bucket(call)?;
        let name = call.bucket_name();
        self.buckets
            .get_mut(name)
            .ok_or_else(|| no_such_bucket(name))
    }
}

fn check_owner(call: &Call<'_>, header: &str) -> Result<(), ServiceError> {
    match call.header(header) {
        Some(owner) if owner != call.account_id => {
            Err(ServiceError::new("AccessDenied", 403, "Access Denied"))
        }
        Some(_) | None => Ok(()),
    }
}

fn no_such_bucket(name: &str) -> ServiceError {
    ServiceError::new("NoSuchBucket", 404, "The specified bucket does not exist")
        .with("BucketName", name)
}

/// A request that reached the bucket's own region with another region's signature is malformed; one
/// that reached another region is sent on.
fn check_region(bucket: &Bucket, name: &str, call: &Call<'_>) -> Result<(), ServiceError> {
    if bucket.region == call.region {
        return Ok(());
    }
    let reached = call.host_region.unwrap_or(call.region);
    let error = if reached == bucket.region {
        ServiceError::new(
            "AuthorizationHeaderMalformed",
            400,
            format!(
                "The authorization header is malformed; the region '{}' is wrong; expecting '{}'",
                call.region, bucket.region
            ),
        )
        .with("Region", &bucket.region)
    } else {
        ServiceError::new(
            "PermanentRedirect",
            301,
            "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all \
             future requests to this endpoint.",
        )
        .with("Endpoint", format!("{name}.s3.{}.amazonaws.com", bucket.region))
        .with("Bucket", name)
    };
    Err(error.with_header("x-amz-bucket-region", &bucket.region))
}

/// The error for a body that is not what the operation takes.
fn malformed_xml() -> ServiceError {
    ServiceError::new(
        "MalformedXML",
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

fn invalid_argument(message: &str, name: &str, value: &str) -> ServiceError {
    ServiceError::new("InvalidArgument", 400, message)
        .with("ArgumentName", name)
        .with("ArgumentValue", value)
}
