//! Owns what a request claims about its signature: who signed, for which scope, when. Must not verify it.

use http::request::Parts;

/// The only algorithm there is.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The longest that a presigned request may be valid: seven days.
const LONGEST_PRESIGNED_SECS: u64 = 604_800;

/// The credential's scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// As in `20260131`.
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
}

impl Scope {
    pub(super) fn text(&self) -> String {
        format!(
            "{}/{}/{}/aws4_request",
            self.date, self.region, self.service
        )
    }
}

/// A signature, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) access_key_id: String,
    pub(crate) scope: Scope,
    /// As in `20260131T120000Z`.
    pub(crate) timestamp: String,
    pub(crate) signed_headers: Vec<String>,
    pub(crate) signature: String,
    pub(crate) session_token: Option<String>,
    /// For how many seconds a presigned request is valid; `None` when the header is used.
    pub(crate) presigned_secs: Option<u64>,
}

/// Why a request has no usable claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoClaim {
    /// It is not signed at all.
    Missing,
    /// It is signed in the way of before 2014.
    Outdated,
    /// Something is lacking; AWS's words.
    Incomplete(String),
    /// The credential does not have five parts or the like.
    Malformed(String),
}

impl Claim {
    /// Reads the claim of a request from its `Authorization` header or from its query.
    pub(crate) fn read(head: &Parts) -> Result<Self, NoClaim> {
        if let Some(value) = head.headers.get("authorization") {
            let value = value
                .to_str()
                .map_err(|_unreadable| NoClaim::Malformed("Authorization is not text".into()))?;
            return Self::from_header(value, head);
        }
        let query = head.uri.query().unwrap_or("");
        if query.contains("AWSAccessKeyId=") {
            return Err(NoClaim::Outdated);
        }
        if query.contains("X-Amz-Signature=") || query.contains("X-Amz-Credential=") {
            return Self::from_query(query);
        }
        Err(NoClaim::Missing)
    }

    fn from_header(value: &str, head: &Parts) -> Result<Self, NoClaim> {
        let Some(rest) = value.trim().strip_prefix(ALGORITHM) else {
            if value.starts_with("AWS ") {
                return Err(NoClaim::Outdated);
            }
            let algorithm = value.split_whitespace().next().unwrap_or("");
            return Err(NoClaim::Incomplete(format!(
                "Unsupported AWS 'algorithm': '{algorithm}'."
            )));
        };
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for part in rest.split(',').map(str::trim) {
            match part.split_once('=') {
                Some(("Credential", value)) => credential = Some(value),
                Some(("SignedHeaders", value)) => signed = Some(value),
                Some(("Signature", value)) => signature = Some(value),
                Some(_) | None => {}
            }
        }
        let lacking = |name: &str| {
            NoClaim::Incomplete(format!("Authorization header requires '{name}' parameter."))
        };
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let timestamp = header("x-amz-date").or_else(|| header("date")).ok_or_else(|| {
            NoClaim::Incomplete(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".into(),
            )
        })?;
        let (access_key_id, scope) =
            parse_credential(credential.ok_or_else(|| lacking("Credential"))?)?;
        Ok(Self {
            access_key_id,
            scope,
            timestamp: timestamp.to_owned(),
            signed_headers: parse_signed_headers(signed.ok_or_else(|| lacking("SignedHeaders"))?)?,
            signature: signature.ok_or_else(|| lacking("Signature"))?.to_owned(),
            session_token: header("x-amz-security-token").map(str::to_owned),
            presigned_secs: None,
        })
    }

    fn from_query(query: &str) -> Result<Self, NoClaim> {
        let value = |wanted: &str| {
            query.split('&').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                let value = percent_encoding::percent_decode_str(value)
                    .decode_utf8()
                    .ok()?;
                (name == wanted).then(|| value.into_owned())
            })
        };
        let required = |name: &str| {
            value(name).ok_or_else(|| {
                NoClaim::Malformed(format!(
                    "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                     X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters: no {name}."
                ))
            })
        };
        if required("X-Amz-Algorithm")? != ALGORITHM {
            return Err(NoClaim::Malformed(
                "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"".into(),
            ));
        }
        // EC2 takes presigned requests without an end, S3 does not.
        let expires = value("X-Amz-Expires").map_or(Ok(900), |text| text.parse::<u64>());
        let expires = expires.map_err(|_not_a_number| {
            NoClaim::Malformed("X-Amz-Expires should be a number".into())
        })?;
        if expires > LONGEST_PRESIGNED_SECS {
            return Err(NoClaim::Malformed(
                "X-Amz-Expires must be less than a week (in seconds) that is 604800".into(),
            ));
        }
        let (access_key_id, scope) = parse_credential(&required("X-Amz-Credential")?)?;
        Ok(Self {
            access_key_id,
            scope,
            timestamp: required("X-Amz-Date")?,
            signed_headers: parse_signed_headers(&required("X-Amz-SignedHeaders")?)?,
            signature: required("X-Amz-Signature")?,
            session_token: value("X-Amz-Security-Token"),
            presigned_secs: Some(expires),
        })
    }
}

fn parse_credential(text: &str) -> Result<(String, Scope), NoClaim> {
    let parts: Vec<&str> = text.split('/').collect();
    let [id, date, region, service, "aws4_request"] = parts.as_slice() else {
        return Err(NoClaim::Malformed(
            "The Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."
                .into(),
        ));
    };
    let scope = Scope {
        date: (*date).to_owned(),
        region: (*region).to_owned(),
        service: (*service).to_owned(),
    };
    Ok(((*id).to_owned(), scope))
}

fn parse_signed_headers(text: &str) -> Result<Vec<String>, NoClaim> {
    let names: Vec<String> = text.split(';').map(str::to_ascii_lowercase).collect();
    if names.iter().any(|name| name == "host") {
        return Ok(names);
    }
    Err(NoClaim::Incomplete(
        "'Host' must be a 'SignedHeader' in the AWS Authorization.".into(),
    ))
}
