//! Owns S3's `aws-chunked` bodies: data in chunks, each signed by the one before it, and trailers.

use std::fmt::Write as _;

use super::canonical::{EMPTY_SHA256, sha256_hex, sign};
use super::claim::Claim;

/// What a chunked body held.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) body: Vec<u8>,
    /// Names in lower case, for example `x-amz-checksum-crc32`.
    pub(crate) trailers: Vec<(String, String)>,
}

/// Why a chunked body was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkFault {
    /// It is not in this form, or it ends early.
    Malformed,
    /// A chunk's or the trailers' signature is wrong.
    Signature,
}

/// The form that `x-amz-content-sha256` announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Streaming {
    pub(crate) signed: bool,
    pub(crate) trailer: bool,
}

impl Streaming {
    pub(crate) fn parse(content_sha256: &str) -> Option<Self> {
        let (signed, trailer) = match content_sha256 {
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => (true, false),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => (true, true),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => (false, true),
            _ => return None,
        };
        Some(Self { signed, trailer })
    }
}

/// Verifies signatures chunk by chunk.
struct Chain<'a> {
    claim: &'a Claim,
    key: &'a [u8],
    previous: String,
}

impl Chain<'_> {
    fn check(&mut self, algorithm: &str, hashes: &str, signature: &str) -> Result<(), ChunkFault> {
        let text = format!(
            "{algorithm}\n{}\n{}\n{}\n{hashes}",
            self.claim.timestamp,
            self.claim.scope.text(),
            self.previous
        );
        if sign(self.key, &text) != signature {
            return Err(ChunkFault::Signature);
        }
        signature.clone_into(&mut self.previous);
        Ok(())
    }
}

/// Takes a body apart; `key` is the signing key of `claim`.
pub(crate) fn decode(
    body: &[u8],
    form: Streaming,
    claim: &Claim,
    key: &[u8],
) -> Result<Decoded, ChunkFault> {
    let mut chain = Chain {
        claim,
        key,
        previous: claim.signature.clone(),
    };
    let mut decoded = Decoded::default();
    let mut rest = body;
    loop {
        let line = take_line(&mut rest)?;
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let size =
            usize::from_str_radix(size.trim(), 16).map_err(|_no_size| ChunkFault::Malformed)?;
        let data = rest.get(..size).ok_or(ChunkFault::Malformed)?;
        rest = rest.get(size..).ok_or(ChunkFault::Malformed)?;
        if form.signed {
            let signature = extension
                .strip_prefix("chunk-signature=")
                .ok_or(ChunkFault::Signature)?;
            let hashes = format!("{EMPTY_SHA256}\n{}", sha256_hex(data));
            chain.check("AWS4-HMAC-SHA256-PAYLOAD", &hashes, signature)?;
        }
        if size == 0 {
            break;
        }
        rest = rest.strip_prefix(b"\r\n").ok_or(ChunkFault::Malformed)?;
        decoded.body.extend_from_slice(data);
    }
    if form.trailer {
        decoded.trailers = take_trailers(&mut rest, form, &mut chain)?;
    }
    Ok(decoded)
}

fn take_trailers(
    rest: &mut &[u8],
    form: Streaming,
    chain: &mut Chain<'_>,
) -> Result<Vec<(String, String)>, ChunkFault> {
    let mut trailers = Vec::new();
    let mut signed_text = String::new();
    let mut verified = !form.signed;
    while !rest.is_empty() {
        let line = take_line(rest)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or(ChunkFault::Malformed)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "x-amz-trailer-signature" {
            if form.signed {
                let hash = sha256_hex(signed_text.as_bytes());
                chain.check("AWS4-HMAC-SHA256-TRAILER", &hash, value)?;
                verified = true;
            }
            continue;
        }
        writeln!(signed_text, "{name}:{value}").expect("a String takes any text");
        trailers.push((name, value.to_owned()));
    }
    if verified {
        Ok(trailers)
    } else {
        Err(ChunkFault::Signature)
    }
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Result<&'a str, ChunkFault> {
    let end = rest
        .windows(2)
        .position(|window| window == b"\r\n")
        .ok_or(ChunkFault::Malformed)?;
    let line = rest.get(..end).ok_or(ChunkFault::Malformed)?;
    *rest = rest.get(end + 2..).unwrap_or_default();
    str::from_utf8(line).map_err(|_not_text| ChunkFault::Malformed)
}
