//! Owns how each service words the refusal of a signature. One table per service, as AWS's differ.

use super::error::ServiceError;
use super::service::{Protocol, Service};
use super::signature::{ChunkFault, Fault, NoClaim};

const OUTDATED: &str =
    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. \
                        Check your AWS Secret Access Key and signing method. Consult the service \
                        documentation for details.";

/// The service's error for a signature that it does not accept.
pub(crate) fn refusal(service: Service, fault: &Fault) -> ServiceError {
    match service.protocol() {
        Protocol::Ec2 => ec2(fault),
        Protocol::Query => coded(fault, &QUERY),
        Protocol::Json => coded(fault, &JSON),
        Protocol::Rest => s3(fault),
    }
}

/// EC2 tells a client with a wrong secret no more than one with an unknown key.
fn ec2(fault: &Fault) -> ServiceError {
    const NOT_VALID: &str = "AWS was not able to validate the provided access credentials";
    match fault {
        Fault::NoClaim(NoClaim::Missing) => ServiceError::new(
            "MissingAuthenticationToken",
            403,
            "Request is missing Authentication Token",
        ),
        Fault::NoClaim(NoClaim::Outdated) => {
            ServiceError::new("IncompleteSignature", 400, OUTDATED)
        }
        Fault::NoClaim(NoClaim::Incomplete(why) | NoClaim::Malformed(why)) => {
            ServiceError::new("IncompleteSignature", 400, why.clone())
        }
        Fault::ExpiredToken | Fault::Skewed { .. } | Fault::Expired { .. } => {
            ServiceError::new("RequestExpired", 400, "Request has expired.")
        }
        Fault::UnknownKey
        | Fault::BadToken
        | Fault::Mismatch { .. }
        | Fault::NoContentHash
        | Fault::ContentHash
        | Fault::Unsigned(_)
        | Fault::Chunks(_)
        | Fault::Region(_) => ServiceError::new("AuthFailure", 401, NOT_VALID),
    }
}

/// The codes of a protocol that words its refusals as the other does.
struct Codes {
    missing: (&'static str, &'static str),
    incomplete: &'static str,
    unknown: &'static str,
    expired: &'static str,
    mismatch: &'static str,
    /// Of everything but what is incomplete, which is 400.
    status: u16,
}

const QUERY: Codes = Codes {
    missing: (
        "MissingAuthenticationToken",
        "Request is missing Authentication Token",
    ),
    incomplete: "IncompleteSignature",
    unknown: "InvalidClientTokenId",
    expired: "ExpiredToken",
    mismatch: "SignatureDoesNotMatch",
    status: 403,
};

const JSON: Codes = Codes {
    missing: (
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    ),
    incomplete: "IncompleteSignatureException",
    unknown: "UnrecognizedClientException",
    expired: "ExpiredTokenException",
    mismatch: "InvalidSignatureException",
    status: 400,
};

fn coded(fault: &Fault, codes: &Codes) -> ServiceError {
    match fault {
        Fault::NoClaim(NoClaim::Missing) => {
            let (code, message) = codes.missing;
            ServiceError::new(code, codes.status, message)
        }
        Fault::NoClaim(NoClaim::Outdated) => ServiceError::new(codes.incomplete, 400, OUTDATED),
        Fault::NoClaim(NoClaim::Incomplete(why) | NoClaim::Malformed(why)) => {
            ServiceError::new(codes.incomplete, 400, why.clone())
        }
        Fault::UnknownKey | Fault::BadToken => ServiceError::new(
            codes.unknown,
            codes.status,
            "The security token included in the request is invalid.",
        ),
        Fault::ExpiredToken => ServiceError::new(
            codes.expired,
            codes.status,
            "The security token included in the request is expired",
        ),
        Fault::Skewed { .. }
        | Fault::Expired { .. }
        | Fault::NoContentHash
        | Fault::ContentHash
        | Fault::Unsigned(_)
        | Fault::Mismatch { .. }
        | Fault::Chunks(_)
        | Fault::Region(_) => ServiceError::new(codes.mismatch, codes.status, mismatch(fault)),
    }
}

/// What the two protocols above share: the canonical texts help whoever writes a client.
fn mismatch(fault: &Fault) -> String {
    match fault {
        Fault::Skewed { signed, server } => {
            let (order, sign, bound) = if signed < server {
                ("earlier", '-', "expired")
            } else {
                ("later", '+', "not yet current")
            };
            format!(
                "Signature {bound}: {signed} is now {order} than {server} ({server} {sign} 5 min.)"
            )
        }
        Fault::Expired { expired, server } => {
            format!("Signature expired: {expired} is now earlier than {server}")
        }
        Fault::Mismatch {
            canonical,
            string_to_sign,
            ..
        } => format!(
            "{MISMATCH}\n\nThe Canonical String for this request should have been\n'{canonical}'\n\n\
             The String-to-Sign should have been\n'{string_to_sign}'\n"
        ),
        Fault::Region(_) => "Credential should be scoped to a valid region.".to_owned(),
        Fault::NoClaim(_)
        | Fault::UnknownKey
        | Fault::BadToken
        | Fault::ExpiredToken
        | Fault::NoContentHash
        | Fault::ContentHash
        | Fault::Unsigned(_)
        | Fault::Chunks(_) => MISMATCH.to_owned(),
    }
}

fn s3(fault: &Fault) -> ServiceError {
    match fault {
        Fault::NoClaim(NoClaim::Missing) => ServiceError::new("AccessDenied", 403, "Access Denied"),
        Fault::NoClaim(NoClaim::Outdated) => ServiceError::new("InvalidRequest", 400, OUTDATED),
        Fault::NoClaim(NoClaim::Incomplete(why) | NoClaim::Malformed(why)) => {
            ServiceError::new("AuthorizationHeaderMalformed", 400, why.clone())
        }
        Fault::UnknownKey => ServiceError::new(
            "InvalidAccessKeyId",
            403,
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        Fault::BadToken => ServiceError::new(
            "InvalidToken",
            400,
            "The provided token is malformed or otherwise invalid.",
        ),
        Fault::ExpiredToken => {
            ServiceError::new("ExpiredToken", 400, "The provided token has expired.")
        }
        Fault::Skewed { signed, server } => ServiceError::new(
            "RequestTimeTooSkewed",
            403,
            "The difference between the request time and the current time is too large.",
        )
        .with("RequestTime", signed)
        .with("ServerTime", server)
        .with("MaxAllowedSkewMilliseconds", "900000"),
        Fault::Expired { expired, server } => {
            ServiceError::new("AccessDenied", 403, "Request has expired")
                .with("Expires", expired)
                .with("ServerTime", server)
        }
        Fault::NoContentHash
        | Fault::ContentHash
        | Fault::Unsigned(_)
        | Fault::Mismatch { .. }
        | Fault::Chunks(_) => s3_payload(fault),
        Fault::Region(region) => ServiceError::new(
            "AuthorizationHeaderMalformed",
            400,
            format!("The authorization header is malformed; the region '{region}' is wrong"),
        ),
    }
}

/// Refusals that have to do with what was signed.
fn s3_payload(fault: &Fault) -> ServiceError {
    match fault {
        Fault::NoContentHash => ServiceError::new(
            "InvalidRequest",
            400,
            "Missing required header for this request: x-amz-content-sha256",
        ),
        Fault::ContentHash => ServiceError::new(
            "XAmzContentSHA256Mismatch",
            400,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
        Fault::Unsigned(header) => ServiceError::new(
            "AccessDenied",
            403,
            "There were headers present in the request which were not signed",
        )
        .with("HeadersNotSigned", header),
        Fault::Mismatch {
            canonical,
            string_to_sign,
            provided,
        } => s3_mismatch()
            .with("StringToSign", string_to_sign)
            .with("SignatureProvided", provided)
            .with("CanonicalRequest", canonical),
        Fault::Chunks(ChunkFault::Malformed) => ServiceError::new(
            "IncompleteBody",
            400,
            "The request body terminated unexpectedly",
        ),
        Fault::Chunks(ChunkFault::Signature)
        | Fault::NoClaim(_)
        | Fault::UnknownKey
        | Fault::BadToken
        | Fault::ExpiredToken
        | Fault::Skewed { .. }
        | Fault::Expired { .. }
        | Fault::Region(_) => s3_mismatch(),
    }
}

fn s3_mismatch() -> ServiceError {
    ServiceError::new(
        "SignatureDoesNotMatch",
        403,
        "The request signature we calculated does not match the signature you provided. Check your key \
         and signing method.",
    )
}
