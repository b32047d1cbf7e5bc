//! Owns what a request is for, read before anything is verified: service, region, operation.

use http::request::Parts;

use super::service::{self, Protocol, Service};
use super::signature::{Claim, NoClaim};
use crate::aws::{ApiError, Params};
use crate::s3::{Route, route};

/// A request with its meaning.
#[derive(Debug)]
pub(super) struct Identified {
    pub(super) service: Service,
    pub(super) region: String,
    /// Empty when the request names none.
    pub(super) action: String,
    pub(super) claim: Result<Claim, NoClaim>,
    /// The name in the scope when no service has it.
    pub(super) unknown_service: Option<String>,
    pub(super) detail: Detail,
}

/// What only one kind of protocol has.
#[derive(Debug)]
pub(super) enum Detail {
    Query {
        params: Result<Params, ApiError>,
        version: String,
    },
    Json,
    Rest(Route),
}

/// Reads what a request is for.
pub(super) fn identify(head: &Parts, body: &[u8]) -> Identified {
    let claim = Claim::read(head);
    let scope = claim.as_ref().ok().map(|claim| &claim.scope);
    let named = scope.and_then(|scope| Service::parse(&scope.service));
    let unknown_service = scope
        .filter(|_| named.is_none())
        .map(|scope| scope.service.clone());
    let service = named.unwrap_or_else(|| {
        let form = String::from_utf8_lossy(body.get(..4_096).unwrap_or(body));
        Service::guess(head, &form)
    });
    let region = scope.map(|scope| scope.region.clone());
    let region = region
        .or_else(|| service::host_region(head))
        .unwrap_or_default();
    let (action, detail) = match service.protocol() {
        Protocol::Ec2 | Protocol::Query => query(head, body),
        Protocol::Json => (target(head), Detail::Json),
        Protocol::Rest => {
            let route = route(head);
            (route.operation.to_owned(), Detail::Rest(route))
        }
    };
    Identified {
        service,
        // The global endpoint of STS signs for a place of its own.
        region: if region == "aws-global" {
            "us-east-1".to_owned()
        } else {
            region
        },
        action,
        claim,
        unknown_service,
        detail,
    }
}

/// Parameters come in the body, in the query, or in both; those of the signature are not the
/// operation's.
fn query(head: &Parts, body: &[u8]) -> (String, Detail) {
    let query = head.uri.query().unwrap_or("").as_bytes();
    let pairs = form_urlencoded::parse(query).chain(form_urlencoded::parse(body));
    let params = Params::from_pairs(pairs.filter(|(name, _)| !name.starts_with("X-Amz-")));
    let text = |name: &str| {
        let params = params.as_ref().ok();
        params
            .and_then(|params| params.filled(name))
            .unwrap_or("")
            .to_owned()
    };
    let (action, version) = (text("Action"), text("Version"));
    (action, Detail::Query { params, version })
}

/// The operation in `X-Amz-Target: AmazonSSM.GetParameter`.
fn target(head: &Parts) -> String {
    let target = head
        .headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix("AmazonSSM."));
    operation.unwrap_or("").to_owned()
}
