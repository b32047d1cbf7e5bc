//! Owns the verification of Signature Version 4, in headers and in queries. Must not know services'
//! error codes: it says what is wrong, `protocol` says it in the service's words.

mod canonical;
mod chunked;
mod claim;
#[cfg(test)]
mod signer;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use http::request::Parts;
use jiff::civil::DateTime;
use jiff::tz::Offset;

pub(crate) use canonical::sha256_hex;
pub(crate) use chunked::{ChunkFault, Decoded, Streaming};
pub(crate) use claim::{Claim, NoClaim};
#[cfg(test)]
pub(crate) use signer::sign_request;

use super::credentials::{AccessKey, Credentials};
use super::service::Service;
use crate::wire::clock::Moment;
use canonical::PathForm;

/// How far clocks may differ: five minutes, fifteen for S3.
const SKEW: Duration = Duration::from_mins(5);
const SKEW_S3: Duration = Duration::from_mins(15);

/// Why a signature is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NoClaim(NoClaim),
    UnknownKey,
    /// The session token is not the key's, or is missing.
    BadToken,
    ExpiredToken,
    /// The clocks differ too much.
    Skewed {
        signed: String,
        server: String,
    },
    /// A presigned request came too late.
    Expired {
        expired: String,
        server: String,
    },
    /// `x-amz-content-sha256` is missing on S3.
    NoContentHash,
    /// The body is not the one that was signed.
    ContentHash,
    /// S3 wants every `x-amz-` header signed.
    Unsigned(String),
    Mismatch {
        canonical: String,
        string_to_sign: String,
        provided: String,
    },
    Chunks(ChunkFault),
    /// It was signed for a region that is not there.
    Region(String),
}

/// A verified request.
#[derive(Debug)]
pub(crate) struct Verified<'a> {
    pub(crate) key: AccessKey,
    /// The payload: as it came, or taken out of its chunks.
    pub(crate) body: Cow<'a, [u8]>,
    pub(crate) trailers: Vec<(String, String)>,
}

/// Verifies that the claim holds at this moment.
pub(crate) fn verify<'a>(
    head: &Parts,
    body: &'a [u8],
    service: Service,
    claim: &Claim,
    credentials: &Credentials,
    moment: Moment,
) -> Result<Verified<'a>, Fault> {
    let key = find_key(claim, credentials, moment)?;
    check_time(claim, service, moment)?;
    let payload_hash = payload_hash(head, body, service, claim)?;
    if service == Service::S3 {
        check_all_signed(head, claim)?;
    }
    let form = if service == Service::S3 {
        PathForm::Once
    } else {
        PathForm::Twice
    };
    let canonical = canonical::canonical_request(head, form, &claim.signed_headers, &payload_hash);
    let string_to_sign = canonical::string_to_sign(&claim.timestamp, &claim.scope, &canonical);
    let signing_key = canonical::signing_key(&key.secret_access_key, &claim.scope);
    if canonical::sign(&signing_key, &string_to_sign) != claim.signature {
        return Err(Fault::Mismatch {
            canonical,
            string_to_sign,
            provided: claim.signature.clone(),
        });
    }
    let (body, trailers) = match Streaming::parse(&payload_hash) {
        None => (Cow::Borrowed(body), Vec::new()),
        Some(form) => {
            let Decoded { body, trailers } =
                chunked::decode(body, form, claim, &signing_key).map_err(Fault::Chunks)?;
            (Cow::Owned(body), trailers)
        }
    };
    Ok(Verified {
        key: key.clone(),
        body,
        trailers,
    })
}

fn find_key<'a>(
    claim: &Claim,
    credentials: &'a Credentials,
    moment: Moment,
) -> Result<&'a AccessKey, Fault> {
    let key = credentials
        .find(&claim.access_key_id)
        .ok_or(Fault::UnknownKey)?;
    if key.session_token != claim.session_token {
        return Err(Fault::BadToken);
    }
    if key.expires.is_some_and(|expires| expires <= moment.now) {
        return Err(Fault::ExpiredToken);
    }
    Ok(key)
}

fn check_time(claim: &Claim, service: Service, moment: Moment) -> Result<(), Fault> {
    let Some(signed) = parse_timestamp(&claim.timestamp) else {
        return Err(Fault::NoClaim(NoClaim::Malformed(
            "Date must be in ISO-8601 'basic format'.".into(),
        )));
    };
    if !claim.timestamp.starts_with(&claim.scope.date) {
        return Err(Fault::NoClaim(NoClaim::Malformed(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
             '{}' != '{}'.",
            claim.scope.date,
            claim.timestamp.get(..8).unwrap_or(&claim.timestamp)
        ))));
    }
    let server = format_timestamp(moment.wall);
    let skew = if service == Service::S3 {
        SKEW_S3
    } else {
        SKEW
    };
    let early = signed > moment.wall.saturating_add(skew);
    if let Some(secs) = claim.presigned_secs {
        let ends = signed.saturating_add(Duration::from_secs(secs));
        if ends < moment.wall {
            return Err(Fault::Expired {
                expired: format_timestamp(ends),
                server,
            });
        }
        if !early {
            return Ok(());
        }
    } else if !early && signed.saturating_add(skew) >= moment.wall {
        return Ok(());
    }
    Err(Fault::Skewed {
        signed: claim.timestamp.clone(),
        server,
    })
}

/// Seconds since 1970 of a time like `20260131T120000Z`.
fn parse_timestamp(text: &str) -> Option<Duration> {
    let text = text.strip_suffix('Z').filter(|text| text.len() == 15)?;
    let time = DateTime::strptime("%Y%m%dT%H%M%S", text).ok()?;
    let seconds = Offset::UTC.to_timestamp(time).ok()?.as_second();
    Some(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// A time in the form that signatures use.
pub(crate) fn format_timestamp(since_1970: Duration) -> String {
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn payload_hash(
    head: &Parts,
    body: &[u8],
    service: Service,
    claim: &Claim,
) -> Result<String, Fault> {
    let named = head
        .headers
        .get("x-amz-content-sha256")
        .and_then(|value| value.to_str().ok());
    if service != Service::S3 {
        return Ok(sha256_hex(body));
    }
    match named {
        None if claim.presigned_secs.is_some() => Ok("UNSIGNED-PAYLOAD".to_owned()),
        None => Err(Fault::NoContentHash),
        Some("UNSIGNED-PAYLOAD") => Ok("UNSIGNED-PAYLOAD".to_owned()),
        Some(named) if Streaming::parse(named).is_some() => Ok(named.to_owned()),
        Some(named) if named == sha256_hex(body) => Ok(named.to_owned()),
        Some(_) => Err(Fault::ContentHash),
    }
}

fn check_all_signed(head: &Parts, claim: &Claim) -> Result<(), Fault> {
    let names = head.headers.keys().map(http::HeaderName::as_str);
    let unsigned = names
        .filter(|name| name.starts_with("x-amz-"))
        .find(|name| !claim.signed_headers.iter().any(|signed| signed == name));
    // A presigned request may carry the hash without signing it: it is not signed either.
    match unsigned {
        Some(name) if !(claim.presigned_secs.is_some() && name == "x-amz-content-sha256") => {
            Err(Fault::Unsigned(name.to_owned()))
        }
        Some(_) | None => Ok(()),
    }
}
