//! Owns the ways in which a metadata service can misbehave when a lab asks it to.

use super::http::Response;

/// What happens to one request instead of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interference {
    /// An error with this status: 401, 404 or 503.
    Status(u16),
    /// A page of HTML with status 200, as from a proxy that is in the way.
    Html,
    /// The connection is reset.
    Reset,
    /// The answer ends in the middle, and the connection with it.
    Truncate,
}

impl Interference {
    /// The interference of that name in the text form of faults.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "401" => Some(Self::Status(401)),
            "404" => Some(Self::Status(404)),
            "503" => Some(Self::Status(503)),
            "html" => Some(Self::Html),
            "reset" => Some(Self::Reset),
            "truncate" => Some(Self::Truncate),
            _ => None,
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Status(status) => status.to_string(),
            Self::Html => "html".to_owned(),
            Self::Reset => "reset".to_owned(),
            Self::Truncate => "truncate".to_owned(),
        }
    }

    /// What is sent instead of `answer`, whose head ends where its body of `body_bytes` begins.
    pub(super) fn apply(self, mut answer: Vec<u8>, body_bytes: usize) -> Vec<u8> {
        match self {
            Self::Status(status) => Response::error(status).to_bytes(false),
            Self::Html => Response::page().to_bytes(false),
            Self::Reset => Vec::new(),
            Self::Truncate => {
                answer.truncate(answer.len().saturating_sub(body_bytes.div_ceil(2)));
                answer
            }
        }
    }

    /// Whether the connection cannot go on after it.
    pub(super) fn ends_connection(self) -> bool {
        matches!(self, Self::Reset | Self::Truncate)
    }
}
