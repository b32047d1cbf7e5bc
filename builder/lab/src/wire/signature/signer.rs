//! Owns the signing of requests in tests; what clients of the lab do with code of their own.

use std::time::Duration;

use http::request::Parts;

use super::canonical::{self, PathForm, sha256_hex};
use super::claim::Scope;
use super::format_timestamp;
use crate::wire::credentials::AccessKey;

/// Signs every header of a request for a region and a service, as of `wall`.
pub(crate) fn sign_request(
    head: &mut Parts,
    body: &[u8],
    (region, service): (&str, &str),
    key: &AccessKey,
    wall: Duration,
) {
    let timestamp = format_timestamp(wall);
    let header = |text: &str| text.parse::<http::HeaderValue>().expect("it is plain text");
    head.headers.insert("x-amz-date", header(&timestamp));
    let mut hash = sha256_hex(body);
    if service == "s3" {
        match head.headers.get("x-amz-content-sha256") {
            Some(named) => named
                .to_str()
                .expect("it is plain text")
                .clone_into(&mut hash),
            None => drop(head.headers.insert("x-amz-content-sha256", header(&hash))),
        }
    }
    let mut names: Vec<String> = head
        .headers
        .keys()
        .map(|name| name.as_str().to_owned())
        .collect();
    names.sort();
    let scope = Scope {
        date: timestamp.get(..8).unwrap_or_default().to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
    };
    let form = if service == "s3" {
        PathForm::Once
    } else {
        PathForm::Twice
    };
    let canonical = canonical::canonical_request(head, form, &names, &hash);
    let text = canonical::string_to_sign(&timestamp, &scope, &canonical);
    let signature = canonical::sign(
        &canonical::signing_key(&key.secret_access_key, &scope),
        &text,
    );
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
        key.access_key_id,
        scope.text(),
        names.join(";")
    );
    head.headers.insert("authorization", header(&authorization));
}
