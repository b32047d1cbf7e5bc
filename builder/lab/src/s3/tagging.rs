//! Owns the tags of objects, and reading sets of tags.

use std::collections::BTreeMap;

use roxmltree::Node;

use super::conditions::no_such_key;
use super::store::{Bucket, Entry};
use super::{Call, S3, document, malformed_xml};
use crate::wire::{Answer, Service, ServiceError, Xml};

fn invalid_tag(message: &str) -> ServiceError {
    ServiceError::new("InvalidTag", 400, message)
}

/// Reads the `Tag` elements of a set.
pub(super) fn read_set(set: Node<'_, '_>) -> Result<BTreeMap<String, String>, ServiceError> {
    let mut tags = BTreeMap::new();
    for tag in document::children(set, "Tag") {
        let key = document::text(tag, "Key").ok_or_else(malformed_xml)?;
        let value = document::text(tag, "Value").ok_or_else(malformed_xml)?;
        insert(&mut tags, key, value)?;
    }
    if tags.len() > 50 {
        return Err(ServiceError::new(
            "BadRequest",
            400,
            "Tag count cannot be greater than 50",
        ));
    }
    Ok(tags)
}

fn insert(tags: &mut BTreeMap<String, String>, key: &str, value: &str) -> Result<(), ServiceError> {
    if key.is_empty() || key.chars().count() > 128 {
        return Err(invalid_tag("The TagKey you have provided is invalid"));
    }
    if key.starts_with("aws:") {
        return Err(invalid_tag(
            "System tags cannot be added/updated by requester",
        ));
    }
    if value.chars().count() > 256 {
        return Err(invalid_tag("The TagValue you have provided is invalid"));
    }
    if tags.insert(key.to_owned(), value.to_owned()).is_some() {
        return Err(invalid_tag(
            "Cannot provide multiple Tags with the same key",
        ));
    }
    Ok(())
}

/// A document of these tags.
pub(super) fn document(tags: &BTreeMap<String, String>) -> String {
    let mut xml = Xml::new();
    xml.element_of("Tagging", Service::S3.namespace(), |xml| {
        xml.element("TagSet", |xml| {
            for (key, value) in tags {
                xml.element("Tag", |xml| {
                    xml.text("Key", key);
                    xml.text("Value", value);
                });
            }
        });
    });
    xml.finish()
}

/// Reads the header `x-amz-tagging`, which has the form of a query.
pub(super) fn read_header(call: &Call<'_>) -> Result<BTreeMap<String, String>, ServiceError> {
    let mut tags = BTreeMap::new();
    let pairs = call.header("x-amz-tagging").unwrap_or("").split('&');
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| {
            let text = text.replace('+', " ");
            percent_encoding::percent_decode_str(&text)
                .decode_utf8_lossy()
                .into_owned()
        };
        insert(&mut tags, &plain(key), &plain(value))?;
    }
    check_count(tags)
}

fn check_count(tags: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ServiceError> {
    if tags.len() > 10 {
        return Err(ServiceError::new(
            "BadRequest",
            400,
            "Object tags cannot be greater than 10",
        ));
    }
    Ok(tags)
}

fn find<'a>(bucket: &'a mut Bucket, call: &Call<'_>) -> Result<&'a mut Entry, ServiceError> {
    let entry = bucket.version_mut(call.key(), call.query("versionId"));
    entry
        .filter(|entry| entry.object.is_some())
        .ok_or_else(|| no_such_key(call.key()))
}

pub(super) fn get_object_tagging(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let entry = find(s3.bucket_mut(call)?, call)?;
    let tags = entry.object.as_ref().map(|object| object.tags.clone());
    Ok(Answer::xml(document(&tags.unwrap_or_default())))
}

pub(super) fn put_object_tagging(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let tags = document::read(call.body, "Tagging", |root| {
        read_set(document::child(root, "TagSet").ok_or_else(malformed_xml)?)
    })?;
    let tags = check_count(tags)?;
    if let Some(object) = &mut find(s3.bucket_mut(call)?, call)?.object {
        object.tags = tags;
    }
    Ok(Answer::new(200))
}

pub(super) fn delete_object_tagging(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    if let Some(object) = &mut find(s3.bucket_mut(call)?, call)?.object {
        object.tags.clear();
    }
    Ok(Answer::new(204))
}
