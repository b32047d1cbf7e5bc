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

/// What S3 computes where nobody asks for another.
pub(super) const USUAL: &str = "x-amz-checksum-crc64nvme";

/// What the checksum of an object that was uploaded in parts is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The whole content.
    FullObject,
    /// The checksums of the parts.
    Composite,
}

impl Kind {
    /// S3's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let kinds = [Self::FullObject, Self::Composite];
        kinds.into_iter().find(|kind| kind.name() == name)
    }

    /// Of a checksum as it is shown: those of parts end with how many there were.
    pub(super) fn of(checksum: &str) -> Self {
        if checksum.contains('-') {
            Self::Composite
        } else {
            Self::FullObject
        }
    }
}

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

/// The entity tag of an object of these parts, with its quotes.
pub(super) fn etag_of_parts(etags: &[&str]) -> String {
    let digests = etags.iter().map(|etag| hex::decode(etag.trim_matches('"')));
    let digests: Vec<u8> = digests.flatten().flatten().collect();
    let digest = hex::encode(md5::Md5::digest(digests));
    format!("\"{digest}-{}\"", etags.len())
}

/// The checksum of the parts' checksums.
pub(super) fn of_checksums<'a>(header: &str, sums: impl Iterator<Item = &'a str>) -> String {
    let sums: Vec<Vec<u8>> = sums.flat_map(|sum| STANDARD.decode(sum)).collect();
    format!("{}-{}", compute(header, &sums.concat()), sums.len())
}

/// The checksum of a body, as it is written.
pub(super) fn compute(header: &str, body: &[u8]) -> String {
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
    let named = verify_named(call)?;
    Ok(named.unwrap_or_else(|| (USUAL.to_owned(), compute(USUAL, call.body))))
}

/// Verifies what the client says about its body, and gives the checksum that it names.
pub(super) fn verify_named(call: &Call<'_>) -> Result<Option<(String, String)>, ServiceError> {
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
    Ok(kept)
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

/// The header of the checksum of an algorithm.
pub(super) fn header(algorithm: &str) -> Option<&'static str> {
    let found = ALGORITHMS.iter().find(|(_, name)| *name == algorithm);
    found.map(|(header, _)| *header)
}

/// The kinds that a checksum can be of, the usual one first.
pub(super) fn kinds(header: &str) -> &'static [Kind] {
    match header {
        // These can be put together from those of the parts.
        "x-amz-checksum-crc32" | "x-amz-checksum-crc32c" => &[Kind::Composite, Kind::FullObject],
        "x-amz-checksum-sha1" | "x-amz-checksum-sha256" => &[Kind::Composite],
        _ => &[Kind::FullObject],
    }
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

    #[test]
    fn those_of_parts_are_of_their_digests() {
        // md5(md5("a") + md5("b")), as Python's hashlib gives it.
        let (a, b) = (etag(b"a"), etag(b"b"));
        assert_eq!(
            etag_of_parts(&[&a, &b]),
            "\"96e024ba2074fe77e8e965ba43a704be-2\""
        );
        let header = "x-amz-checksum-sha256";
        let sums = [compute(header, b"a"), compute(header, b"b")];
        let sum = of_checksums(header, sums.iter().map(String::as_str));
        assert_eq!(sum, "5aAf7hTg7VxIcU8iGA8lrYNltT+XefedxKPX6Tlj+Uo=-2");
        assert_eq!(
            (Kind::of(&sum), Kind::of(&sums[0])),
            (Kind::Composite, Kind::FullObject)
        );
    }
}
