//! What the contract suite cannot see: routes, hosts, and regions by host name.

use std::time::Duration;

use http::request::Parts;

use super::{Call, S3, route};

const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

fn head(method: &str, host: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder()
        .method(method)
        .uri(uri)
        .header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// Status, code and headers of the answer, as signed for a region at a host.
fn answer(
    s3: &mut S3,
    region: &str,
    head: &Parts,
    body: &[u8],
) -> Result<Vec<(String, String)>, (u16, String)> {
    let regions = REGIONS.map(str::to_owned);
    let host_region = crate::wire::service::host_region(head);
    let call = Call {
        route: &route(head),
        region,
        host_region: host_region.as_deref(),
        account_id: "123456789012",
        regions: &regions,
        head,
        body,
        trailers: &[],
        time: Duration::from_hours(490_896),
    };
    let answer = s3
        .call(&call)
        .map_err(|error| (error.status, error.code.into_owned()))?;
    Ok(answer.headers)
}

const LOCATION: &[u8] =
    b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";

fn with_bucket() -> S3 {
    let mut s3 = S3::new(1);
    let create = head("PUT", "127.0.0.1", "/web", &[]);
    answer(&mut s3, "eu-west-1", &create, LOCATION).unwrap();
    s3
}

/// Method, host and URI; operation, bucket and key, `-` where there is none.
const ROUTES: &str = "\
GET 127.0.0.1:4566 / => ListBuckets - -
GET 127.0.0.1:4566 /b => ListObjects b -
GET 127.0.0.1:4566 /b/?list-type=2&prefix=x => ListObjectsV2 b -
GET 127.0.0.1:4566 /b?location => GetBucketLocation b -
GET 127.0.0.1:4566 /b/k%2B/l => GetObject b k+/l
PUT 127.0.0.1:4566 /b/k?x-id=PutObject => PutObject b k
GET b.s3.eu-west-1.amazonaws.com /k/l => GetObject b k/l
GET a.b.s3.amazonaws.com / => ListObjects a.b -
GET s3.eu-west-1.amazonaws.com /b/k => GetObject b k
HEAD b.localhost:4566 /k => HeadObject b k
POST 127.0.0.1:4566 /b/k?uploads => CreateMultipartUpload b k
PUT 127.0.0.1:4566 /b/k?partNumber=1&uploadId=x => UploadPart b k
POST 127.0.0.1:4566 /b/k?uploadId=x => CompleteMultipartUpload b k
DELETE 127.0.0.1:4566 /b/k?uploadId=x => AbortMultipartUpload b k
GET 127.0.0.1:4566 /b/k?max-parts=2&uploadId=x => ListParts b k
GET 127.0.0.1:4566 /b?cors => Unknown b -
PATCH 127.0.0.1:4566 /b => Unknown b -";

#[test]
fn requests_are_routed_by_method_host_path_and_query() {
    for line in ROUTES.lines() {
        let (request, expected) = line.split_once(" => ").unwrap();
        let words: Vec<&str> = request.split(' ').collect();
        let route = route(&head(words[0], words[1], words[2], &[]));
        let name = |name: Option<String>| name.unwrap_or("-".to_owned());
        let found = [
            route.operation.to_owned(),
            name(route.bucket),
            name(route.key),
        ];
        assert_eq!(found.join(" "), expected, "{request}");
    }
    for (uri, operation) in [
        ("/b/k", "CopyObject"),
        ("/b/k?partNumber=1&uploadId=x", "UploadPartCopy"),
    ] {
        let copy = head("PUT", "127.0.0.1", uri, &[("x-amz-copy-source", "a/b")]);
        assert_eq!(route(&copy).operation, operation);
    }
}

#[test]
fn a_bucket_is_in_one_region() {
    let mut s3 = with_bucket();
    let refused = |status, code: &str| Err((status, code.to_owned()));
    for (region, host, expected) in [
        ("eu-west-1", "s3.eu-west-1.amazonaws.com", Ok(())),
        (
            "us-east-1",
            "s3.us-east-1.amazonaws.com",
            refused(301, "PermanentRedirect"),
        ),
        ("us-east-1", "127.0.0.1", refused(301, "PermanentRedirect")),
        (
            "us-east-1",
            "s3.eu-west-1.amazonaws.com",
            refused(400, "AuthorizationHeaderMalformed"),
        ),
    ] {
        let list = head("GET", host, "/web", &[]);
        assert_eq!(
            answer(&mut s3, region, &list, b"").map(drop),
            expected,
            "{region} {host}"
        );
    }
}

#[test]
fn a_write_that_is_refused_leaves_everything_as_it_was() {
    let mut s3 = with_bucket();
    let put = |headers: &[(&str, &str)]| head("PUT", "127.0.0.1", "/web/k", headers);
    answer(&mut s3, "eu-west-1", &put(&[]), b"first").unwrap();
    for headers in [
        [("if-none-match", "*")],
        [("if-match", "\"x\"")],
        [("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")],
        [("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")],
    ] {
        assert!(
            answer(&mut s3, "eu-west-1", &put(&headers), b"second").is_err(),
            "{headers:?}"
        );
    }
    let get = head(
        "GET",
        "127.0.0.1",
        "/web/k",
        &[("x-amz-checksum-mode", "ENABLED")],
    );
    let headers = answer(&mut s3, "eu-west-1", &get, b"").unwrap();
    let value = |name: &str| {
        let found = headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(value("etag"), Some("\"8b04d5e3775d298e78455efc5ca404d5\""));
    assert_eq!(
        value("last-modified"),
        Some("Thu, 01 Jan 2026 00:00:00 GMT")
    );
    assert_eq!(value("x-amz-checksum-type"), Some("FULL_OBJECT"));
}

#[test]
fn documents_that_are_not_the_operations_are_refused() {
    let mut s3 = with_bucket();
    for (uri, body) in [
        ("/web?tagging", "<Tagging/>"),
        ("/web?tagging", "no XML"),
        (
            "/web?tagging",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><Tagging><TagSet>&a;</TagSet></Tagging>",
        ),
        (
            "/web?encryption",
            "<ServerSideEncryptionConfiguration><Rule/></ServerSideEncryptionConfiguration>",
        ),
        (
            "/web?publicAccessBlock",
            "<PublicAccessBlockConfiguration><X>true</X></PublicAccessBlockConfiguration>",
        ),
        ("/web?lifecycle", "<LifecycleConfiguration/>"),
        (
            "/web?versioning",
            "<VersioningConfiguration><Status>On</Status></VersioningConfiguration>",
        ),
        (
            "/web?ownershipControls",
            "<OwnershipControls><Rule/></OwnershipControls>",
        ),
    ] {
        let put = head("PUT", "127.0.0.1", uri, &[]);
        let refused = answer(&mut s3, "eu-west-1", &put, body.as_bytes());
        assert_eq!(
            refused,
            Err((400, "MalformedXML".to_owned())),
            "{uri} {body}"
        );
    }
}
