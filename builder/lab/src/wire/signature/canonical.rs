//! Owns the texts that Signature Version 4 signs: the canonical request and the string to sign.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::claim::Scope;

/// What AWS escapes in a query: everything but RFC 3986's unreserved characters.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// In a path the slash stays too.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// The digest of no bytes at all.
pub(super) const EMPTY_SHA256: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// How often a path is escaped: S3 signs it as it was sent, all other services once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathForm {
    Once,
    Twice,
}

/// Hexadecimal SHA-256.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The canonical request, without its signature's own parameter.
pub(super) fn canonical_request(
    head: &Parts,
    path_form: PathForm,
    signed_headers: &[String],
    payload_hash: &str,
) -> String {
    let mut text = String::with_capacity(512);
    text.push_str(head.method.as_str());
    text.push('\n');
    text.push_str(&canonical_path(head.uri.path(), path_form));
    text.push('\n');
    text.push_str(&canonical_query(head.uri.query().unwrap_or("")));
    text.push('\n');
    for name in signed_headers {
        text.push_str(name);
        text.push(':');
        push_header(&mut text, head, name);
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&signed_headers.join(";"));
    text.push('\n');
    text.push_str(payload_hash);
    text
}

/// Values of one name are joined by commas, spaces within them fold to one.
fn push_header(text: &mut String, head: &Parts, name: &str) {
    for (index, value) in head.headers.get_all(name).iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        for (index, word) in value.split_ascii_whitespace().enumerate() {
            if index > 0 {
                text.push(' ');
            }
            text.push_str(word);
        }
    }
}

fn canonical_path(path: &str, form: PathForm) -> String {
    let plain = percent_decode_str(path).decode_utf8_lossy();
    let once = utf8_percent_encode(&plain, PATH).to_string();
    match form {
        PathForm::Once => once,
        PathForm::Twice => utf8_percent_encode(&once, PATH).to_string(),
    }
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| (escape_again(name), escape_again(value)))
        .collect();
    pairs.sort();
    let mut text = String::new();
    for (index, (name, value)) in pairs.iter().enumerate() {
        let separator = if index == 0 { "" } else { "&" };
        write!(text, "{separator}{name}={value}").expect("a String takes any text");
    }
    text
}

fn escape_again(text: &str) -> String {
    let text = text.replace('+', " ");
    let bytes: Vec<u8> = percent_decode_str(&text).collect();
    percent_encoding::percent_encode(&bytes, QUERY).to_string()
}

/// The string to sign of a whole request.
pub(super) fn string_to_sign(timestamp: &str, scope: &Scope, canonical: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256\n{timestamp}\n{}\n{}",
        scope.text(),
        sha256_hex(canonical.as_bytes())
    )
}

/// The key that signs for one day, region and service.
pub(super) fn signing_key(secret: &str, scope: &Scope) -> Vec<u8> {
    let mut key = hmac(format!("AWS4{secret}").as_bytes(), scope.date.as_bytes());
    for part in [
        scope.region.as_str(),
        scope.service.as_str(),
        "aws4_request",
    ] {
        key = hmac(&key, part.as_bytes());
    }
    key
}

/// The signature of `text`, in hexadecimal.
pub(super) fn sign(key: &[u8], text: &str) -> String {
    hex::encode(hmac(key, text.as_bytes()))
}

fn hmac(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(bytes);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_sorted_and_escaped_as_aws_does() {
        for (query, canonical) in [
            ("", ""),
            ("uploads", "uploads="),
            ("b=2&a=1", "a=1&b=2"),
            ("a=b&a=a", "a=a&a=b"),
            ("a=x+y&b=%2b", "a=x%20y&b=%2B"),
            ("prefix=a/b~c*", "prefix=a%2Fb~c%2A"),
            ("a=1&X-Amz-Signature=00", "a=1"),
        ] {
            assert_eq!(canonical_query(query), canonical, "{query}");
        }
    }

    #[test]
    fn paths_are_escaped_once_for_s3_and_twice_elsewhere() {
        assert_eq!(canonical_path("/a%20b/c+d", PathForm::Once), "/a%20b/c%2Bd");
        assert_eq!(canonical_path("/a%20b", PathForm::Twice), "/a%2520b");
        assert_eq!(canonical_path("/", PathForm::Twice), "/");
    }
}
