//! Owns the listing of objects, in both versions: prefixes, delimiters, pages.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::store::{Bucket, Entry, Object};
use super::time::iso;
use super::{Call, S3, checksum, invalid_argument};
use crate::wire::{Answer, Service, ServiceError, Xml};

const MOST: usize = 1_000;
const URL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'/')
    .remove(b'*');

/// Whether names are escaped, because XML cannot hold every key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    pub(super) fn text(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Plain => Cow::Borrowed(text),
            Self::Url => utf8_percent_encode(text, URL).into(),
        }
    }

    pub(super) fn name(self, xml: &mut Xml) {
        if self == Self::Url {
            xml.text("EncodingType", "url");
        }
    }
}

pub(super) fn url_encoding(call: &Call<'_>) -> Result<Encoding, ServiceError> {
    match call.query("encoding-type") {
        None => Ok(Encoding::Plain),
        Some("url") => Ok(Encoding::Url),
        Some(other) => Err(invalid_argument(
            "Invalid Encoding Method specified in Request",
            "encoding-type",
            other,
        )),
    }
}

pub(super) fn max_keys(call: &Call<'_>) -> Result<usize, ServiceError> {
    let Some(text) = call.query("max-keys") else {
        return Ok(MOST);
    };
    match text.parse::<i32>() {
        Ok(number) if number >= 0 => Ok(usize::try_from(number).unwrap_or(MOST).min(MOST)),
        Ok(_) => Err(invalid_argument(
            "Argument maxKeys must be an integer between 0 and 2147483647",
            "maxKeys",
            text,
        )),
        Err(_no_number) => Err(invalid_argument(
            "Provided max-keys not an integer or within integer range",
            "max-keys",
            text,
        )),
    }
}

/// One line of a listing.
enum Item<'a> {
    Object(&'a str, &'a Entry, &'a Object),
    Prefix(&'a str),
}

impl<'a> Item<'a> {
    fn name(&self) -> &'a str {
        match self {
            Self::Object(key, _, _) => key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// A page of a listing, and whether there is more.
struct Page<'a> {
    items: Vec<Item<'a>>,
    truncated: bool,
}

/// Lists what comes after `after`: objects below `prefix`, those with `delimiter` in the rest of
/// their keys folded to one common prefix.
fn page<'a>(
    bucket: &'a Bucket,
    prefix: &str,
    delimiter: &str,
    after: &str,
    most: usize,
) -> Page<'a> {
    let mut items: Vec<Item<'a>> = Vec::new();
    let mut truncated = false;
    let from = if after > prefix { after } else { prefix };
    for (key, entry, object) in bucket.objects_from(from) {
        let Some(rest) = key.strip_prefix(prefix) else {
            break;
        };
        let end = rest.find(delimiter).filter(|_| !delimiter.is_empty());
        let common = end.and_then(|end| key.get(..prefix.len() + end + delimiter.len()));
        let item = common.map_or(Item::Object(key, entry, object), Item::Prefix);
        // Everything below a prefix that was shown already is behind us as well.
        if item.name() <= after || items.last().is_some_and(|last| last.name() == item.name()) {
            continue;
        }
        if items.len() == most {
            truncated = most > 0;
            break;
        }
        items.push(item);
    }
    Page { items, truncated }
}

fn write_items(xml: &mut Xml, page: &Page<'_>, encoding: Encoding, owner: Option<&str>) {
    for item in &page.items {
        let Item::Object(key, entry, object) = item else {
            continue;
        };
        xml.element("Contents", |xml| {
            xml.text("Key", encoding.text(key));
            xml.text("LastModified", iso(entry.modified));
            xml.text("ETag", &object.etag);
            if let Some((header, _)) = &object.checksum {
                xml.text("ChecksumAlgorithm", checksum::algorithm(header));
                xml.text("ChecksumType", "FULL_OBJECT");
            }
            xml.text("Size", object.body.len());
            xml.text("StorageClass", "STANDARD");
            if let Some(owner) = owner {
                xml.element("Owner", |xml| xml.text("ID", owner));
            }
        });
    }
    for item in &page.items {
        if let Item::Prefix(prefix) = item {
            xml.element("CommonPrefixes", |xml| {
                xml.text("Prefix", encoding.text(prefix));
            });
        }
    }
}

pub(super) fn list_objects_v2(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let bucket = s3.bucket(call)?;
    if call.query("list-type") != Some("2") {
        let value = call.query("list-type").unwrap_or("");
        return Err(invalid_argument(
            "Invalid List Type specified in Request",
            "list-type",
            value,
        ));
    }
    let (prefix, delimiter) = (
        call.query("prefix").unwrap_or(""),
        call.query("delimiter").unwrap_or(""),
    );
    let (most, encoding) = (max_keys(call)?, url_encoding(call)?);
    let token = call.query("continuation-token");
    let start = match token {
        None => call.query("start-after").unwrap_or("").to_owned(),
        Some(token) => decode_token(token).ok_or_else(|| {
            invalid_argument(
                "The continuation token provided is incorrect",
                "continuation-token",
                token,
            )
        })?,
    };
    let page = page(bucket, prefix, delimiter, &start, most);
    let owner = Some(call.account_id).filter(|_| call.query("fetch-owner") == Some("true"));
    let mut xml = Xml::new();
    xml.element_of("ListBucketResult", Service::S3.namespace(), |xml| {
        xml.text("Name", call.bucket_name());
        xml.text("Prefix", encoding.text(prefix));
        if !delimiter.is_empty() {
            xml.text("Delimiter", encoding.text(delimiter));
        }
        if let Some(start) = call.query("start-after") {
            xml.text("StartAfter", encoding.text(start));
        }
        if let Some(token) = token {
            xml.text("ContinuationToken", token);
        }
        xml.text("MaxKeys", most);
        xml.text("KeyCount", page.items.len());
        encoding.name(xml);
        xml.text("IsTruncated", page.truncated);
        if let (true, Some(last)) = (page.truncated, page.items.last()) {
            xml.text("NextContinuationToken", encode_token(last.name()));
        }
        write_items(xml, &page, encoding, owner);
    });
    Ok(Answer::xml(xml.finish()))
}

pub(super) fn list_objects(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let bucket = s3.bucket(call)?;
    let (prefix, delimiter) = (
        call.query("prefix").unwrap_or(""),
        call.query("delimiter").unwrap_or(""),
    );
    let marker = call.query("marker").unwrap_or("");
    let (most, encoding) = (max_keys(call)?, url_encoding(call)?);
    let page = page(bucket, prefix, delimiter, marker, most);
    let mut xml = Xml::new();
    xml.element_of("ListBucketResult", Service::S3.namespace(), |xml| {
        xml.text("Name", call.bucket_name());
        xml.text("Prefix", encoding.text(prefix));
        xml.text("Marker", encoding.text(marker));
        xml.text("MaxKeys", most);
        if !delimiter.is_empty() {
            xml.text("Delimiter", encoding.text(delimiter));
        }
        encoding.name(xml);
        xml.text("IsTruncated", page.truncated);
        if let (true, false, Some(last)) = (page.truncated, delimiter.is_empty(), page.items.last())
        {
            xml.text("NextMarker", encoding.text(last.name()));
        }
        write_items(xml, &page, encoding, Some(call.account_id));
    });
    Ok(Answer::xml(xml.finish()))
}

fn encode_token(key: &str) -> String {
    STANDARD.encode(format!("after:{key}"))
}

fn decode_token(token: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    text.strip_prefix("after:").map(str::to_owned)
}
