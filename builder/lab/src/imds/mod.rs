//! Owns the simulated instance metadata service: `IMDSv2`, one instance. A state machine from request
//! bytes to response bytes; must not open sockets and must not read a clock: the time is passed in.
//!
//! ```
//! use std::time::Duration;
//! use vmimage_lab::imds::{Imds, Instance};
//!
//! let mut imds = Imds::new(Instance::example(), 1);
//! let answer = imds.respond(b"GET /latest/user-data HTTP/1.1\r\n\r\n", Duration::ZERO);
//! assert!(answer.starts_with(b"HTTP/1.1 401 Unauthorized\r\n"));
//! ```

mod connection;
mod http;
mod instance;
mod interference;
mod tokens;
mod tree;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use connection::{Connection, Ending, serve, serve_with};
pub use instance::{Instance, InstanceRole, PublicKey};
pub use interference::Interference;

use http::{Request, Response};
use tokens::{TokenState, Tokens};

/// The metadata service of one instance.
#[derive(Clone, Debug)]
pub struct Imds {
    instance: Instance,
    tokens: Tokens,
}

impl Imds {
    /// A service for `instance`. Tokens follow from `seed`: they are good for tests, not for secrets.
    pub fn new(instance: Instance, seed: u64) -> Self {
        Self {
            instance,
            tokens: Tokens::new(seed),
        }
    }

    /// The instance, to change what is served from now on, for example its tags.
    pub fn instance_mut(&mut self) -> &mut Instance {
        &mut self.instance
    }

    /// Answers one whole request (its body is ignored), at `now`. Bytes that are no request are
    /// answered with 400.
    pub fn respond(&mut self, request: &[u8], now: Duration) -> Vec<u8> {
        match Request::parse(request) {
            Ok(request) => self.answer(&request, now).to_bytes(request.head_only()),
            Err(status) => Response::error(status).to_bytes(false),
        }
    }

    fn answer(&mut self, request: &Request<'_>, now: Duration) -> Response {
        match request.method {
            "PUT" => self.make_token(request, now),
            "GET" | "HEAD" => self.get(request, now),
            _ => Response::error(405),
        }
    }

    fn make_token(&mut self, request: &Request<'_>, now: Duration) -> Response {
        let mut parts = request.path.trim_start_matches('/').splitn(2, '/');
        let (version, rest) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        if rest != "api/token" {
            return Response::error(405);
        }
        // Only `latest` makes tokens, and nothing that came through a proxy gets one.
        if version != "latest" || request.header("x-forwarded-for").is_some() {
            return Response::error(403);
        }
        let ttl = request
            .header("x-aws-ec2-metadata-token-ttl-seconds")
            .filter(|ttl| ttl.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|ttl| ttl.parse::<u32>().ok())
            .filter(|ttl| (1..=tokens::MAX_TTL_SECS).contains(ttl));
        let Some(ttl) = ttl else {
            return Response::error(400);
        };
        let token = self.tokens.issue(ttl, now);
        Response::text(token).with_ttl(u64::from(ttl))
    }

    fn get(&mut self, request: &Request<'_>, now: Duration) -> Response {
        let state = request.header("x-aws-ec2-metadata-token").map(|token| {
            let token = token.to_owned();
            self.tokens.state(&token, now)
        });
        let left = match state {
            Some(TokenState::Valid { secs_left }) => secs_left,
            Some(TokenState::Unknown | TokenState::Expired) | None => return Response::error(401),
        };
        if request.path.trim_start_matches('/') == "latest/api/token" {
            return Response::error(405);
        }
        match tree::find(&self.instance, request.path) {
            Some(found) => found.with_ttl(left),
            None => Response::error(404),
        }
    }
}
