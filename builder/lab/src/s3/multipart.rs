//! Owns the operations of uploads in parts: create, upload, complete, abort, and listing the parts.

use bytes::Bytes;

use super::checksum::Kind;
use super::store::Bucket;
use super::time::iso;
use super::uploads::{LEAST_PART_BYTES, Named, Part, Upload, Wrong};
use super::write::{answer, check_key, check_metadata, next_version_id, store};
use super::{
    Call, S3, checksum, conditions, document, invalid_argument, malformed_xml, object, tagging,
};
use crate::wire::{Answer, Service, ServiceError, Xml};

const MOST_PARTS: u32 = 10_000;

/// Of parts in one answer, as S3 has it.
const MOST_LISTED: usize = 1_000;

/// What one upload may hold: far less than S3's 5 TiB, but it is all in memory.
const MOST_UPLOAD_BYTES: usize = 1_024 * 1_024 * 1_024;

const ID_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

fn invalid_request(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidRequest", 400, message)
}

fn no_such_upload(id: &str) -> ServiceError {
    ServiceError::new(
        "NoSuchUpload",
        404,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
         completed.",
    )
    .with("UploadId", id)
}

/// The upload that a request names; its key must be the request's.
fn find<'a>(bucket: &'a Bucket, call: &Call<'_>) -> Result<(&'a str, &'a Upload), ServiceError> {
    let id = call.query("uploadId").unwrap_or("");
    let found = bucket.uploads.get_key_value(id);
    let found = found.filter(|(_, upload)| upload.key == call.key());
    let (id, upload) = found.ok_or_else(|| no_such_upload(id))?;
    Ok((id, upload))
}

pub(super) fn create(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    s3.bucket(call)?;
    check_key(call.key())?;
    let headers = object::kept_headers(call);
    check_metadata(&headers)?;
    let tags = tagging::read_header(call)?;
    let (checksum, kind) = wanted_checksum(call)?;
    let id = s3.random.text(64, ID_ALPHABET);
    let mut xml = Xml::new();
    xml.element_of(
        "InitiateMultipartUploadResult",
        Service::S3.namespace(),
        |xml| {
            xml.text("Bucket", call.bucket_name());
            xml.text("Key", call.key());
            xml.text("UploadId", &id);
        },
    );
    let mut answer = Answer::xml(xml.finish()).with("x-amz-server-side-encryption", "AES256");
    if let Some(header) = checksum {
        answer = answer
            .with("x-amz-checksum-algorithm", checksum::algorithm(header))
            .with("x-amz-checksum-type", kind.name());
    }
    let upload = Upload {
        key: call.key().to_owned(),
        headers,
        tags,
        checksum,
        kind,
        parts: std::collections::BTreeMap::new(),
    };
    s3.bucket_mut(call)?.uploads.insert(id, upload);
    Ok(answer)
}

/// The checksum that an upload is to have, and whether it is one of the whole or of its parts'.
fn wanted_checksum(call: &Call<'_>) -> Result<(Option<&'static str>, Kind), ServiceError> {
    let kind = call.header("x-amz-checksum-type");
    let Some(algorithm) = call.header("x-amz-checksum-algorithm") else {
        return match kind {
            None => Ok((None, Kind::FullObject)),
            Some(_) => Err(invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let header = checksum::header(algorithm).ok_or_else(|| {
        invalid_request("Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
                         [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
    })?;
    let kinds = checksum::kinds(header);
    let kind =
        match kind {
            None => kinds.first().copied(),
            Some(name) => Some(Kind::parse(name).ok_or_else(|| {
                invalid_request("Value for x-amz-checksum-type header is invalid.")
            })?),
        };
    let kind = kind.unwrap_or(Kind::FullObject);
    if !kinds.contains(&kind) {
        return Err(invalid_request(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind.name(),
            algorithm.to_ascii_lowercase()
        )));
    }
    Ok((Some(header), kind))
}

pub(super) fn upload_part(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let (id, upload) = find(s3.bucket(call)?, call)?;
    let text = call.query("partNumber").unwrap_or("");
    let number: Option<u32> = text.parse().ok();
    let number = number.filter(|number| (1..=MOST_PARTS).contains(number));
    let number = number.ok_or_else(|| {
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        invalid_argument(message, "partNumber", text)
    })?;
    let named = checksum::verify_named(call)?;
    let sum = match (named, upload.checksum) {
        (Some(named), Some(wanted)) if named.0 != wanted => {
            return Err(other_checksum(wanted, checksum::algorithm(&named.0)));
        }
        (None, Some(wanted)) if upload.kind == Kind::Composite => {
            return Err(other_checksum(wanted, "null"));
        }
        (Some(named), _) => named,
        (None, wanted) => {
            let header = wanted.unwrap_or(checksum::USUAL);
            (header.to_owned(), checksum::compute(header, call.body))
        }
    };
    let replaced = upload.parts.get(&number).map_or(0, |part| part.body.len());
    if upload.size() - replaced + call.body.len() > MOST_UPLOAD_BYTES {
        let message = "Your proposed upload exceeds the maximum allowed size";
        let limit = MOST_UPLOAD_BYTES.to_string();
        return Err(ServiceError::new("EntityTooLarge", 400, message).with("MaxSizeAllowed", limit));
    }
    let part = Part {
        body: Bytes::copy_from_slice(call.body),
        etag: checksum::etag(call.body),
        checksum: sum,
        modified: call.time,
    };
    let answer = Answer::new(200)
        .with("etag", &part.etag)
        .with("x-amz-server-side-encryption", "AES256")
        .with(&part.checksum.0, &part.checksum.1);
    let id = id.to_owned();
    if let Some(upload) = s3.bucket_mut(call)?.uploads.get_mut(&id) {
        upload.parts.insert(number, part);
    }
    Ok(answer)
}

fn other_checksum(wanted: &str, found: &str) -> ServiceError {
    invalid_request(format!(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        checksum::algorithm(wanted).to_ascii_lowercase(),
        found.to_ascii_lowercase()
    ))
}

/// The parts that a client names.
fn named_parts(call: &Call<'_>) -> Result<Vec<Named>, ServiceError> {
    document::read(call.body, "CompleteMultipartUpload", |root| {
        let parts = document::children(root, "Part").map(|part| {
            let number = document::text(part, "PartNumber").and_then(|text| text.parse().ok());
            let etag = document::text(part, "ETag").filter(|etag| !etag.is_empty());
            let mut sums = part.children().filter(|child| {
                child.is_element() && child.tag_name().name().starts_with("Checksum")
            });
            Ok(Named {
                number: number.ok_or_else(malformed_xml)?,
                etag: etag.ok_or_else(malformed_xml)?.to_owned(),
                checksum: sums.next().and_then(|sum| sum.text()).map(str::to_owned),
            })
        });
        let parts = parts.collect::<Result<Vec<Named>, ServiceError>>()?;
        if parts.is_empty() || parts.len() > MOST_PARTS as usize {
            return Err(malformed_xml());
        }
        Ok(parts)
    })
}

fn refusal(wrong: Wrong, id: &str, upload: &Upload) -> ServiceError {
    match wrong {
        Wrong::Order => ServiceError::new(
            "InvalidPartOrder",
            400,
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
        )
        .with("UploadId", id),
        Wrong::Part(part) => ServiceError::new(
            "InvalidPart",
            400,
            "One or more of the specified parts could not be found.  The part may not have been uploaded, or the \
             specified entity tag may not match the part's entity tag.",
        )
        .with("UploadId", id)
        .with("PartNumber", part.number.to_string())
        .with("ETag", part.etag.trim_matches('"')),
        Wrong::Unnamed(number) => {
            let algorithm = checksum::algorithm(upload.checksum.unwrap_or(checksum::USUAL));
            invalid_request(format!(
                "The upload was created using a {} checksum. The complete request must include the checksum for \
                 each part. It was missing for part {number} in the request.",
                algorithm.to_ascii_lowercase()
            ))
        }
        Wrong::Small(part, size) => ServiceError::new(
            "EntityTooSmall",
            400,
            "Your proposed upload is smaller than the minimum allowed size",
        )
        .with("ProposedSize", size.to_string())
        .with("MinSizeAllowed", LEAST_PART_BYTES.to_string())
        .with("PartNumber", part.number.to_string())
        .with("ETag", part.etag.trim_matches('"')),
    }
}

pub(super) fn complete(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let bucket = s3.bucket(call)?;
    let (id, upload) = find(bucket, call)?;
    let parts = named_parts(call)?;
    let object = upload.assemble(&parts);
    let object = object.map_err(|wrong| refusal(wrong, id, upload))?;
    check_whole(call, &object)?;
    conditions::check_write(call, bucket.current(call.key()))?;
    let version_id = next_version_id(bucket, &mut s3.random.clone());
    let (id, place) = (id.to_owned(), location(bucket, call));
    let mut xml = Xml::new();
    xml.element_of(
        "CompleteMultipartUploadResult",
        Service::S3.namespace(),
        |xml| {
            xml.text("Location", place);
            xml.text("Bucket", call.bucket_name());
            xml.text("Key", call.key());
            xml.text("ETag", &object.etag);
            if let Some((header, value)) = &object.checksum {
                xml.text(&format!("Checksum{}", checksum::algorithm(header)), value);
                xml.text("ChecksumType", Kind::of(value).name());
            }
        },
    );
    // The document tells them; headers are those of a write without them.
    let headers = super::store::Object {
        checksum: None,
        ..object.clone()
    };
    let done = answer(Answer::xml(xml.finish()), &headers, &version_id);
    store(s3, call, object, version_id)?;
    s3.bucket_mut(call)?.uploads.remove(&id);
    Ok(done)
}

/// What a client says of the whole must be so.
fn check_whole(call: &Call<'_>, object: &super::store::Object) -> Result<(), ServiceError> {
    let size = call.header("x-amz-mp-object-size");
    if size.is_some_and(|size| size != object.body.len().to_string()) {
        return Err(invalid_request(
            "The provided 'x-amz-mp-object-size' header does not match what was computed.",
        ));
    }
    let Some((header, value)) = &object.checksum else {
        return Ok(());
    };
    match call.header(header) {
        Some(named) if named != value => {
            let algorithm = checksum::algorithm(header).to_ascii_lowercase();
            Err(ServiceError::new(
                "BadDigest",
                400,
                format!("The {algorithm} you specified did not match the calculated checksum."),
            ))
        }
        Some(_) | None => Ok(()),
    }
}

fn location(bucket: &Bucket, call: &Call<'_>) -> String {
    let key = percent_encoding::utf8_percent_encode(call.key(), percent_encoding::NON_ALPHANUMERIC);
    format!(
        "https://{}.s3.{}.amazonaws.com/{key}",
        call.bucket_name(),
        bucket.region
    )
}

pub(super) fn abort(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let (id, _) = find(s3.bucket(call)?, call)?;
    let id = id.to_owned();
    s3.bucket_mut(call)?.uploads.remove(&id);
    Ok(Answer::new(204))
}

pub(super) fn list_parts(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let (id, upload) = find(s3.bucket(call)?, call)?;
    let number = |name: &str, otherwise: usize| {
        let Some(text) = call.query(name).filter(|text| !text.is_empty()) else {
            return Ok(otherwise);
        };
        let message = "Provided value is not an integer or within integer range";
        let number = text.parse::<usize>();
        number.map_err(|_not_a_number| invalid_argument(message, name, text))
    };
    let most = number("max-parts", MOST_LISTED)?.min(MOST_LISTED);
    let marker = number("part-number-marker", 0)?;
    let after = upload.parts.iter();
    let after = after.filter(|(number, _)| **number as usize > marker);
    let shown: Vec<(&u32, &Part)> = after.clone().take(most).collect();
    let truncated = after.count() > shown.len();
    let mut xml = Xml::new();
    xml.element_of("ListPartsResult", Service::S3.namespace(), |xml| {
        xml.text("Bucket", call.bucket_name());
        xml.text("Key", call.key());
        xml.text("UploadId", id);
        for role in ["Initiator", "Owner"] {
            xml.element(role, |xml| xml.text("ID", call.account_id));
        }
        xml.text("StorageClass", "STANDARD");
        xml.text("PartNumberMarker", marker);
        if let (true, Some((number, _))) = (truncated, shown.last()) {
            xml.text("NextPartNumberMarker", number);
        }
        xml.text("MaxParts", most);
        xml.text("IsTruncated", truncated);
        if let Some(header) = upload.checksum {
            xml.text("ChecksumAlgorithm", checksum::algorithm(header));
            xml.text("ChecksumType", upload.kind.name());
        }
        for (number, part) in shown {
            write_part(xml, *number, part);
        }
    });
    Ok(Answer::xml(xml.finish()))
}

fn write_part(xml: &mut Xml, number: u32, part: &Part) {
    xml.element("Part", |xml| {
        xml.text("PartNumber", number);
        xml.text("LastModified", iso(part.modified));
        xml.text("ETag", &part.etag);
        xml.text("Size", part.body.len());
        let (header, value) = &part.checksum;
        xml.text(&format!("Checksum{}", checksum::algorithm(header)), value);
    });
}
