//! Tests of signatures against the examples of AWS's documentation, and of what is refused.

use std::time::Duration;

use http::request::Parts;

use super::{ChunkFault, Claim, Fault, NoClaim, format_timestamp, parse_timestamp, verify};
use crate::wire::clock::Moment;
use crate::wire::credentials::Credentials;
use crate::wire::service::Service;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// 2013-05-24T00:00:00Z.
const MAY_24: Duration = Duration::from_hours(380_376);

fn credentials() -> Credentials {
    Credentials::with_operator(KEY, SECRET)
}

fn at(wall: Duration) -> Moment {
    Moment {
        now: Duration::ZERO,
        wall,
    }
}

fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn check(head: &Parts, body: &[u8], wall: Duration) -> Result<Vec<u8>, Fault> {
    let claim = Claim::read(head).map_err(Fault::NoClaim)?;
    let service = Service::parse(&claim.scope.service).unwrap_or(Service::Sts);
    let verified = verify(head, body, service, &claim, &credentials(), at(wall))?;
    Ok(verified.body.into_owned())
}

/// S3's example "GET Object", with another signature where asked.
fn get_object(signature: &str) -> Parts {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature={signature}"
    );
    head(
        "GET",
        "/test.txt",
        &[
            ("host", "examplebucket.s3.amazonaws.com"),
            ("authorization", &authorization),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY),
            ("x-amz-date", "20130524T000000Z"),
        ],
    )
}

const GET_SIGNATURE: &str = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";

#[test]
fn the_documentations_header_example_verifies() {
    assert_eq!(
        check(&get_object(GET_SIGNATURE), b"", MAY_24),
        Ok(Vec::new())
    );
}

#[test]
fn the_documentations_query_example_verifies_until_it_expires() {
    let uri = |signature: &str| {
        format!(
            "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={KEY}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}"
        )
    };
    let signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let host = [("host", "examplebucket.s3.amazonaws.com")];
    let signed = head("GET", &uri(signature), &host);
    assert_eq!(check(&signed, b"", MAY_24), Ok(Vec::new()));
    let day = Duration::from_hours(24);
    assert_eq!(check(&signed, b"", MAY_24 + day), Ok(Vec::new()));
    assert_eq!(
        check(&signed, b"", MAY_24 + day + Duration::from_secs(1)),
        Err(Fault::Expired {
            expired: "20130525T000000Z".to_owned(),
            server: "20130525T000001Z".to_owned(),
        })
    );
    let forged = head("GET", &uri("00"), &host);
    assert!(matches!(
        check(&forged, b"", MAY_24),
        Err(Fault::Mismatch { .. })
    ));
}

/// The example of IAM's documentation: another service, with a query.
#[test]
fn the_documentations_query_api_example_verifies() {
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date, \
        Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    let head = head(
        "GET",
        "/?Action=ListUsers&Version=2010-05-08",
        &[
            ("host", "iam.amazonaws.com"),
            ("authorization", authorization),
            (
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            ),
            ("x-amz-date", "20150830T123600Z"),
        ],
    );
    let claim = Claim::read(&head).unwrap();
    let credentials =
        Credentials::with_operator("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    let wall = parse_timestamp("20150830T123600Z").unwrap();
    let verified = verify(&head, b"", Service::Sts, &claim, &credentials, at(wall));
    assert_eq!(
        verified.map(|verified| verified.key.access_key_id),
        Ok("AKIDEXAMPLE".to_owned())
    );
}

/// S3's example of a body in three chunks.
fn chunked(signatures: [&str; 3]) -> (Parts, Vec<u8>) {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;\
         content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,\
         Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    );
    let head = head(
        "PUT",
        "/examplebucket/chunkObject.txt",
        &[
            ("host", "s3.amazonaws.com"),
            ("authorization", &authorization),
            ("content-encoding", "aws-chunked"),
            ("content-length", "66824"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-decoded-content-length", "66560"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ],
    );
    let mut body = Vec::new();
    for (size, signature) in [65_536, 1_024, 0].into_iter().zip(signatures) {
        body.extend(format!("{size:x};chunk-signature={signature}\r\n").into_bytes());
        body.extend(vec![b'a'; size]);
        body.extend(b"\r\n");
    }
    (head, body)
}

const CHUNK_SIGNATURES: [&str; 3] = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
];

#[test]
fn the_documentations_chunks_verify() {
    let (head, body) = chunked(CHUNK_SIGNATURES);
    assert_eq!(body.len(), 66_824);
    assert_eq!(check(&head, &body, MAY_24), Ok(vec![b'a'; 66_560]));
}

#[test]
fn chunks_that_were_changed_or_cut_are_refused() {
    let (head, body) = chunked(CHUNK_SIGNATURES);
    let mut changed = body.clone();
    changed[65_700] = b'b';
    assert_eq!(
        check(&head, &changed, MAY_24),
        Err(Fault::Chunks(ChunkFault::Signature))
    );
    for cut in [0, 10, 1_000, 66_000, body.len() - 100] {
        assert_eq!(
            check(&head, &body[..cut], MAY_24),
            Err(Fault::Chunks(ChunkFault::Malformed)),
            "cut at {cut}"
        );
    }
}

#[test]
fn what_is_wrong_is_named() {
    let mismatch = check(&get_object("00"), b"", MAY_24);
    let Err(Fault::Mismatch {
        canonical,
        provided,
        ..
    }) = mismatch
    else {
        panic!("{mismatch:?}");
    };
    assert!(canonical.starts_with("GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\n"));
    assert_eq!(provided, "00");

    let minutes = Duration::from_mins;
    let signed = get_object(GET_SIGNATURE);
    for (wall, fault) in [
        (MAY_24 + minutes(15), None),
        (MAY_24.saturating_sub(minutes(15)), None),
        (MAY_24 + minutes(16), Some("20130524T001600Z")),
        (MAY_24.saturating_sub(minutes(16)), Some("20130523T234400Z")),
    ] {
        let expected = fault.map(|server| Fault::Skewed {
            signed: "20130524T000000Z".to_owned(),
            server: server.to_owned(),
        });
        assert_eq!(check(&signed, b"", wall).err(), expected);
    }
    assert_eq!(check(&signed, b"x", MAY_24), Err(Fault::ContentHash));

    let mut more = get_object(GET_SIGNATURE);
    more.headers
        .insert("x-amz-acl", "public-read".parse().unwrap());
    assert_eq!(
        check(&more, b"", MAY_24),
        Err(Fault::Unsigned("x-amz-acl".to_owned()))
    );

    let mut none = get_object(GET_SIGNATURE);
    none.headers.remove("x-amz-content-sha256");
    assert_eq!(check(&none, b"", MAY_24), Err(Fault::NoContentHash));

    let mut token = get_object(GET_SIGNATURE);
    token
        .headers
        .insert("x-amz-security-token", "t".parse().unwrap());
    assert_eq!(check(&token, b"", MAY_24), Err(Fault::BadToken));
}

#[test]
fn claims_that_cannot_be_read_say_why() {
    let scope = format!("{KEY}/20130524/us-east-1/s3/aws4_request");
    let incomplete = |text: &str| Err(NoClaim::Incomplete(text.to_owned()));
    for (authorization, expected) in [
        (
            "Bearer x".to_owned(),
            incomplete("Unsupported AWS 'algorithm': 'Bearer'."),
        ),
        (
            "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=0".to_owned(),
            incomplete("Authorization header requires 'Credential' parameter."),
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential={scope}, Signature=0"),
            incomplete("Authorization header requires 'SignedHeaders' parameter."),
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host"),
            incomplete("Authorization header requires 'Signature' parameter."),
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=date, Signature=0"),
            incomplete("'Host' must be a 'SignedHeader' in the AWS Authorization."),
        ),
    ] {
        let headers = [
            ("authorization", authorization.as_str()),
            ("x-amz-date", "x"),
        ];
        assert_eq!(
            Claim::read(&head("GET", "/", &headers)),
            expected,
            "{authorization}"
        );
    }
    assert_eq!(Claim::read(&head("GET", "/", &[])), Err(NoClaim::Missing));
    let short = "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0";
    let headers = [("authorization", short), ("x-amz-date", "x")];
    assert!(matches!(
        Claim::read(&head("GET", "/", &headers)),
        Err(NoClaim::Malformed(_))
    ));
    let long = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Signature=0&X-Amz-Expires=604801";
    assert_eq!(
        Claim::read(&head("GET", long, &[])),
        Err(NoClaim::Malformed(
            "X-Amz-Expires must be less than a week (in seconds) that is 604800".to_owned()
        ))
    );
}

#[test]
fn timestamps_are_read_and_written() {
    assert_eq!(parse_timestamp("20130524T000000Z"), Some(MAY_24));
    assert_eq!(format_timestamp(MAY_24), "20130524T000000Z");
    for text in [
        "",
        "20130524T000000",
        "2013-05-24T00:00:00Z",
        "20131324T000000Z",
        "19600101T000000Z",
    ] {
        assert_eq!(parse_timestamp(text), None, "{text}");
    }
}

#[test]
fn keys_of_roles_need_their_token_and_expire() {
    let mut credentials = credentials();
    let key = credentials.issue("web", "i-1", Duration::ZERO);
    let claim = |token: Option<String>| {
        let mut claim = Claim::read(&get_object(GET_SIGNATURE)).unwrap();
        claim.access_key_id.clone_from(&key.access_key_id);
        claim.session_token = token;
        claim
    };
    let verified = |claim: &Claim, now| {
        let moment = Moment { now, wall: MAY_24 };
        verify(
            &get_object(""),
            b"",
            Service::S3,
            claim,
            &credentials,
            moment,
        )
        .map(|_| ())
        .err()
    };
    let right = claim(key.session_token.clone());
    assert!(matches!(
        verified(&right, Duration::ZERO),
        Some(Fault::Mismatch { .. })
    ));
    assert_eq!(
        verified(&claim(None), Duration::ZERO),
        Some(Fault::BadToken)
    );
    assert_eq!(
        verified(&claim(Some("x".to_owned())), Duration::ZERO),
        Some(Fault::BadToken)
    );
    assert_eq!(
        verified(&right, Duration::from_hours(6)),
        Some(Fault::ExpiredToken)
    );
    let mut unknown = right;
    unknown.access_key_id = "AKIANOBODY".to_owned();
    assert_eq!(verified(&unknown, Duration::ZERO), Some(Fault::UnknownKey));
}
