//! Owns what there is to know for checking targets from the outside: whom to ask, how, and what the
//! answer means. Must not ask anybody.

use std::net::SocketAddrV4;
use std::time::Duration;

use crate::aws::report::{TargetAnswer, TargetReport};

/// A target that a listener forwards to, and how it is checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetCheck {
    /// Where.
    pub region: String,
    /// The target group's ARN.
    pub target_group: String,
    /// The instance, or the address of a target that is registered by its address.
    pub target: String,
    /// The port it is registered with, which tells it from the same target on another port.
    pub port: u16,
    /// Where it is asked.
    pub address: SocketAddrV4,
    /// What it is asked.
    pub question: Question,
    /// From one question to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Good answers in a row that make an unhealthy target healthy.
    pub healthy: u64,
    /// Bad answers in a row that make a target unhealthy.
    pub unhealthy: u64,
}

impl TargetCheck {
    /// What is told of the target when checks have made it healthy or unhealthy.
    #[must_use]
    pub fn report(&self, health: TargetAnswer) -> TargetReport<'_> {
        TargetReport {
            region: &self.region,
            target_group: &self.target_group,
            target: &self.target,
            port: self.port,
            health,
        }
    }
}

/// What a target is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Whether it takes connections.
    Tcp,
    /// For a page.
    Http {
        /// Over TLS, with whatever certificate the target has.
        tls: bool,
        /// The path and the query.
        path: String,
        /// The answers that are good.
        codes: Codes,
    },
}

/// Status codes: `200`, `200,302`, `200-399`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Codes(Vec<(u16, u16)>);

impl Codes {
    /// Reads the text of a matcher. `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let code = |text: &str| {
            let number: u16 = text.trim().parse().ok()?;
            (200..=599).contains(&number).then_some(number)
        };
        let ranges = text.split(',').map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (code(first)?, code(last)?);
            (first <= last).then_some((first, last))
        });
        ranges.collect::<Option<Vec<_>>>().map(Self)
    }

    /// Whether a code is one of them.
    pub fn contain(&self, code: u16) -> bool {
        self.0
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&code))
    }
}

/// How a target fails its checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetFailure {
    /// It answers with a code that is not among the good ones.
    Code(u16),
    /// It does not answer in time.
    Timeout,
    /// It takes no connection, or answers something else than was asked for.
    Refused,
}

impl TargetFailure {
    /// AWS's code.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Code(_) => "Target.ResponseCodeMismatch",
            Self::Timeout => "Target.Timeout",
            Self::Refused => "Target.FailedHealthChecks",
        }
    }

    /// AWS's words.
    pub fn description(self) -> String {
        match self {
            Self::Code(code) => format!("Health checks failed with these codes: [{code}]"),
            Self::Timeout => "Request timed out".to_owned(),
            Self::Refused => "Health checks failed".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Codes, TargetFailure};

    #[test]
    fn a_matcher_is_codes_and_ranges() {
        let table: [(&str, &[u16], &[u16]); 3] = [
            ("200", &[200], &[199, 201, 503]),
            ("200,302", &[200, 302], &[201, 301]),
            ("200-299, 404", &[200, 250, 299, 404], &[300, 403]),
        ];
        for (text, good, bad) in table {
            let codes = Codes::parse(text).unwrap();
            assert!(good.iter().all(|code| codes.contain(*code)), "{text}");
            assert!(!bad.iter().any(|code| codes.contain(*code)), "{text}");
        }
        for text in ["", "200,", "299-200", "x", "199", "600", "200-", "-200"] {
            assert_eq!(Codes::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn failures_are_told_in_awss_words() {
        let table = [
            (
                TargetFailure::Code(503),
                "Target.ResponseCodeMismatch",
                "Health checks failed with these codes: [503]",
            ),
            (
                TargetFailure::Timeout,
                "Target.Timeout",
                "Request timed out",
            ),
            (
                TargetFailure::Refused,
                "Target.FailedHealthChecks",
                "Health checks failed",
            ),
        ];
        for (failure, reason, description) in table {
            assert_eq!(
                (failure.reason(), failure.description().as_str()),
                (reason, description)
            );
        }
    }
}
