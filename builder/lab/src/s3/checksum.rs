//! Owns the checksums that S3 verifies and keeps: MD5, the CRCs and the SHAs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, Crc};
use md5::Digest as _;
use sha2::Digest as _;

use super::Call;
use crate::wire::ServiceError;

const CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
const CRC64NVME: Crc<u64> = Crc::<u64>::new(&CRC_64_NVME);

/// Every header of a checksum with the name of its algorithm.
const ALGORITHMS: [(&str, &str); 5] = [
    ("x-amz-checksum-crc32", "CRC32"),
    ("x-amz-checksum-crc32c", "CRC32C"),
    ("x-amz-checksum-crc64nvme", "CRC64NVME"),
    ("x-amz-checksum-sha1", "SHA1"),
    ("x-amz-checksum-sha256", "SHA256"),
];

/// The entity tag of a body, with its quotes.
pub(super) fn etag(body: &[u8]) -> String {
    format!("\"{}\"", hex::encode(md5::Md5::digest(body)))
}

fn compute(header: &str, body: &[u8]) -> String {
    let bytes = match header {
        "x-amz-checksum-crc32" => CRC32.checksum(body).to_be_bytes().to_vec(),
        "x-amz-checksum-crc32c" => CRC32C.checksum(body).to_be_bytes().to_vec(),
        "x-amz-checksum-sha1" => sha1::Sha1::digest(body).to_vec(),
        "x-amz-checksum-sha256" => sha2::Sha256::digest(body).to_vec(),
        _ => CRC64NVME.checksum(body).to_be_bytes().to_vec(),
    };
    STANDARD.encode(bytes)
}

/// Verifies what the client says about its body, and gives the checksum to keep: the client's, or
/// CRC64NVME as S3 does by itself.
pub(super) fn verify(call: &Call<'_>) -> Result<(String, String), ServiceError> {
    verify_md5(call)?;
    let trailer = |name: &str| {
        let found = call.trailers.iter().find(|(trailer, _)| trailer == name);
        found.map(|(_, value)| value.as_str())
    };
    let mut kept = None;
    for (header, algorithm) in ALGORITHMS {
        let Some(named) = call.header(header).or_else(|| trailer(header)) else {
            continue;
        };
        if kept.is_some() {
            return Err(ServiceError::new(
                "InvalidRequest",
                400,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
        if compute(header, call.body) != named {
            return Err(ServiceError::new(
                "BadDigest",
                400,
                format!("The {algorithm} you specified did not match the calculated checksum."),
            ));
        }
        kept = Some((header.to_owned(), named.to_owned()));
    }
    let by_default = "x-amz-checksum-crc64nvme";
    Ok(kept.unwrap_or_else(|| (by_default.to_owned(), compute(by_default, call.body))))
}

fn verify_md5(call: &Call<'_>) -> Result<(), ServiceError> {
    let Some(named) = call.header("content-md5") else {
        return Ok(());
    };
    let digest = STANDARD
        .decode(named)
        .ok()
        .filter(|bytes| bytes.len() == 16);
    let Some(digest) = digest else {
        return Err(ServiceError::new(
            "InvalidDigest",
            400,
            "The Content-MD5 you specified was invalid.",
        ));
    };
    if digest == md5::Md5::digest(call.body).to_vec() {
        return Ok(());
    }
    Err(ServiceError::new(
        "BadDigest",
        400,
        "The Content-MD5 you specified did not match what we received.",
    ))
}

/// The name of the algorithm that a checksum's header is for.
pub(super) fn algorithm(header: &str) -> &'static str {
    let found = ALGORITHMS.iter().find(|(name, _)| *name == header);
    found.map_or("CRC64NVME", |(_, algorithm)| algorithm)
}

/// Whether a request says anything about its body.
pub(super) fn is_named(call: &Call<'_>) -> bool {
    call.header("content-md5").is_some()
        || ALGORITHMS.iter().any(|(header, _)| {
            call.header(header).is_some() || call.trailers.iter().any(|(name, _)| name == header)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_catalogues() {
        let check = |header, encoded: &str| assert_eq!(compute(header, b"123456789"), encoded);
        check("x-amz-checksum-crc32", "y/Q5Jg==");
        check("x-amz-checksum-crc32c", "4waSgw==");
        check("x-amz-checksum-crc64nvme", "rosUhgp5mIg=");
        check("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=");
        check(
            "x-amz-checksum-sha256",
            "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
        );
        assert_eq!(etag(b""), "\"d41d8cd98f00b204e9800998ecf8427e\"");
    }
}
