//! Owns the documents that configure a bucket: kept as they were given, after a look at what they must
//! hold. What they ask for (expiry, say) is not carried out.

use roxmltree::Node;

use super::store::Bucket;
use super::{Call, S3, document, malformed_xml, tagging};
use crate::wire::{Answer, ServiceError};

type Check = fn(Node<'_, '_>) -> Result<(), ServiceError>;

/// One kind of document.
struct Kind {
    /// The parameter of the query that names it.
    name: &'static str,
    /// Its root element; `None` for JSON.
    root: Option<&'static str>,
    check: Check,
    /// The error when there is none.
    absent: (&'static str, &'static str),
    /// The status of a write that is done.
    written: u16,
}

const KINDS: [Kind; 6] = [
    Kind {
        name: "tagging",
        root: Some("Tagging"),
        check: check_tagging,
        absent: ("NoSuchTagSet", "The TagSet does not exist"),
        written: 204,
    },
    Kind {
        name: "publicAccessBlock",
        root: Some("PublicAccessBlockConfiguration"),
        check: check_public_access_block,
        absent: (
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        ),
        written: 200,
    },
    Kind {
        name: "encryption",
        root: Some("ServerSideEncryptionConfiguration"),
        check: check_encryption,
        absent: (
            "ServerSideEncryptionConfigurationNotFoundError",
            "The server side encryption configuration was not found",
        ),
        written: 200,
    },
    Kind {
        name: "lifecycle",
        root: Some("LifecycleConfiguration"),
        check: check_lifecycle,
        absent: (
            "NoSuchLifecycleConfiguration",
            "The lifecycle configuration does not exist",
        ),
        written: 200,
    },
    Kind {
        name: "ownershipControls",
        root: Some("OwnershipControls"),
        check: check_ownership,
        absent: (
            "OwnershipControlsNotFoundError",
            "The bucket ownership controls were not found",
        ),
        written: 200,
    },
    Kind {
        name: "policy",
        root: None,
        check: |_| Ok(()),
        absent: ("NoSuchBucketPolicy", "The bucket policy does not exist"),
        written: 204,
    },
];

const ENCRYPTION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ServerSideEncryptionConfiguration \
    xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule><ApplyServerSideEncryptionByDefault>\
    <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false\
    </BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>";

const PUBLIC_ACCESS_BLOCK: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PublicAccessBlockConfiguration \
    xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><BlockPublicAcls>true</BlockPublicAcls>\
    <IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>\
    <RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";

const OWNERSHIP: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<OwnershipControls \
    xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule><ObjectOwnership>BucketOwnerEnforced\
    </ObjectOwnership></Rule></OwnershipControls>";

impl Bucket {
    /// What every new bucket has since 2023.
    pub(super) fn set_defaults(&mut self) {
        let documents = [
            ("encryption", ENCRYPTION),
            ("publicAccessBlock", PUBLIC_ACCESS_BLOCK),
            ("ownershipControls", OWNERSHIP),
        ];
        for (name, document) in documents {
            self.documents.insert(name, document.to_owned());
        }
    }
}

fn kind(call: &Call<'_>) -> Result<&'static Kind, ServiceError> {
    let found = KINDS.iter().find(|kind| call.query(kind.name).is_some());
    found.ok_or_else(malformed_xml)
}

pub(super) fn get(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let kind = kind(call)?;
    let bucket = s3.bucket(call)?;
    let Some(document) = bucket.documents.get(kind.name) else {
        let (code, message) = kind.absent;
        return Err(ServiceError::new(code, 404, message).with("BucketName", call.bucket_name()));
    };
    let content_type = if kind.root.is_some() {
        "application/xml"
    } else {
        "application/json"
    };
    Ok(Answer::new(200).with_body(content_type, document.clone()))
}

pub(super) fn put(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let kind = kind(call)?;
    let bucket = s3.bucket_mut(call)?;
    super::checksum::verify(call)?;
    match kind.root {
        Some(root) => document::read(call.body, root, kind.check)?,
        None => check_policy(call.body)?,
    }
    let document = String::from_utf8(call.body.to_vec()).map_err(|_not_text| malformed_xml())?;
    bucket.documents.insert(kind.name, document);
    Ok(Answer::new(kind.written))
}

pub(super) fn delete(s3: &mut S3, call: &Call<'_>) -> Result<Answer, ServiceError> {
    let kind = kind(call)?;
    let bucket = s3.bucket_mut(call)?;
    bucket.documents.remove(kind.name);
    if kind.name == "encryption" {
        bucket.documents.insert("encryption", ENCRYPTION.to_owned());
    }
    Ok(Answer::new(204))
}

fn check_policy(body: &[u8]) -> Result<(), ServiceError> {
    let value: Result<serde_json::Value, _> = serde_json::from_slice(body);
    let policy = value.ok().filter(|value| value.get("Statement").is_some());
    let malformed = "This policy contains invalid Json";
    policy
        .map(drop)
        .ok_or_else(|| ServiceError::new("MalformedPolicy", 400, malformed))
}

fn check_tagging(root: Node<'_, '_>) -> Result<(), ServiceError> {
    let set = document::child(root, "TagSet").ok_or_else(malformed_xml)?;
    tagging::read_set(set).map(drop)
}

fn check_public_access_block(root: Node<'_, '_>) -> Result<(), ServiceError> {
    const FLAGS: [&str; 4] = [
        "BlockPublicAcls",
        "IgnorePublicAcls",
        "BlockPublicPolicy",
        "RestrictPublicBuckets",
    ];
    let mut elements = root.children().filter(Node::is_element);
    let right = elements.all(|child| {
        FLAGS.contains(&child.tag_name().name())
            && ["true", "false"].contains(&child.text().unwrap_or("").to_ascii_lowercase().as_str())
    });
    if right { Ok(()) } else { Err(malformed_xml()) }
}

fn check_encryption(root: Node<'_, '_>) -> Result<(), ServiceError> {
    let rule = document::child(root, "Rule").ok_or_else(malformed_xml)?;
    let by_default =
        document::child(rule, "ApplyServerSideEncryptionByDefault").ok_or_else(malformed_xml)?;
    match document::text(by_default, "SSEAlgorithm") {
        Some("AES256" | "aws:kms" | "aws:kms:dsse") => Ok(()),
        Some(_) | None => Err(malformed_xml()),
    }
}

fn check_lifecycle(root: Node<'_, '_>) -> Result<(), ServiceError> {
    const ACTIONS: [&str; 5] = [
        "Expiration",
        "Transition",
        "NoncurrentVersionExpiration",
        "NoncurrentVersionTransition",
        "AbortIncompleteMultipartUpload",
    ];
    let rules: Vec<Node<'_, '_>> = document::children(root, "Rule").collect();
    let right = rules.iter().all(|rule| {
        let has = |name: &str| document::child(*rule, name).is_some();
        matches!(
            document::text(*rule, "Status"),
            Some("Enabled" | "Disabled")
        ) && (has("Filter") || has("Prefix"))
            && ACTIONS.iter().any(|action| has(action))
    });
    if right && !rules.is_empty() {
        Ok(())
    } else {
        Err(malformed_xml())
    }
}

fn check_ownership(root: Node<'_, '_>) -> Result<(), ServiceError> {
    let rule = document::child(root, "Rule").ok_or_else(malformed_xml)?;
    match document::text(rule, "ObjectOwnership") {
        Some("BucketOwnerPreferred" | "ObjectWriter" | "BucketOwnerEnforced") => Ok(()),
        Some(_) | None => Err(malformed_xml()),
    }
}
