//! Tests of the whole simulation without sockets: what is answered to requests that are whole and signed,
//! and to those that are not.

mod fuzz;
mod requests;
mod server;

use std::time::Duration;

use http::request::Parts;

use super::signature::sign_request;
use super::{Cloud, Moment};

/// 2026-01-01T00:00:00Z, where [`Cloud::example`] starts.
const WALL: Duration = Duration::from_hours(490_896);

fn moment(seconds: u64) -> Moment {
    Moment {
        now: Duration::from_secs(seconds),
        wall: WALL + Duration::from_secs(seconds),
    }
}

/// A request that the operator signs for a service and a region.
struct Ask<'a> {
    service: &'a str,
    region: &'a str,
    method: &'a str,
    uri: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            service: "ec2",
            region: "eu-west-1",
            method: "POST",
            uri: "/",
            headers: &[],
            body: b"",
        }
    }
}

fn signed(cloud: &Cloud, ask: &Ask<'_>, wall: Duration) -> Option<Parts> {
    let mut request = http::Request::builder().method(ask.method).uri(ask.uri);
    request = request.header("host", "127.0.0.1:4566");
    for (name, value) in ask.headers {
        request = request.header(*name, *value);
    }
    let mut head = request.body(()).ok()?.into_parts().0;
    let operator = cloud.credentials().operator();
    sign_request(
        &mut head,
        ask.body,
        (ask.region, ask.service),
        operator,
        wall,
    );
    Some(head)
}

/// Status and body of the answer to a signed request, at so many seconds of the simulation.
fn ask_at(cloud: &mut Cloud, ask: &Ask<'_>, seconds: u64) -> (u16, String) {
    let moment = moment(seconds);
    let head = signed(cloud, ask, moment.wall).unwrap();
    let reply = cloud.respond(&head, ask.body, moment);
    let body = String::from_utf8_lossy(reply.response.body()).into_owned();
    (reply.response.status().as_u16(), body)
}
