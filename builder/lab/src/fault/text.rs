//! Owns the text form of faults: a kind and `key=value` words.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Fault, Interference, Kind};
use crate::wire::Service;

/// Why a text is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Nothing was said.
    #[error("the fault is empty; it begins with one of {KINDS}")]
    Empty,
    /// There is no such fault.
    #[error("no fault is called `{0}`; there are {KINDS}")]
    UnknownKind(String),
    /// A word is not of the form `key=value`.
    #[error("`{0}` is not of the form key=value")]
    NotAPair(String),
    /// No fault has this key.
    #[error("no fault has the key `{0}`")]
    UnknownKey(String),
    /// This fault does not have it.
    #[error("`{key}` does not go with `{kind}`")]
    DoesNotGo {
        /// The key.
        key: String,
        /// The fault.
        kind: String,
    },
    /// A key is there twice.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// A key's value makes no sense.
    #[error("`{key}={value}`: expected {expected}")]
    BadValue {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// A key is missing.
    #[error("`{kind}` needs `{key}=`: {expected}")]
    Missing {
        /// The fault.
        kind: String,
        /// The key.
        key: &'static str,
        /// What it can be.
        expected: &'static str,
    },
    /// It ends before it begins.
    #[error("it ends (`until`) before it begins (`from`)")]
    EndsBeforeItBegins,
    /// The lab has no such region.
    #[error("no region of this lab is called `{0}`")]
    UnknownRegion(String),
}

const KINDS: &str = "throttle, fail, fail-after, lose-reply, down, slow, cut, conflict, stale, capacity, not-offered, imds";

const DURATION: &str = "a duration like 500ms, 5s, 2m or 1h";
const PROBABILITY: &str = "a probability between 0 and 1, with six decimals at most";
const NUMBER: &str = "a whole number";
const SERVICE: &str = "ec2, autoscaling, elasticloadbalancing, sts, ssm or s3";
const ANSWER: &str = "401, 404, 503, html, reset or truncate";
const ZONE: &str = "a zone like eu-west-1a";
const TYPE: &str = "an instance type like t3.medium";
const NAME: &str = "a name";

/// Keys that go with every fault.
const ALWAYS: [&str; 3] = ["region", "from", "until"];
/// Keys that go with faults of requests.
const REQUESTS: [&str; 4] = ["service", "action", "p", "count"];
/// All keys.
const KEYS: [&str; 15] = [
    "service",
    "action",
    "region",
    "zone",
    "instances",
    "type",
    "node",
    "answer",
    "path",
    "by",
    "at",
    "p",
    "count",
    "from",
    "until",
];

/// The words of a text, each of its keys once.
struct Words<'a> {
    kind: &'a str,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    fn parse(text: &'a str) -> Result<Self, FaultError> {
        let mut words = text.split_whitespace();
        let kind = words.next().ok_or(FaultError::Empty)?;
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for word in words {
            let (key, value) = word
                .split_once('=')
                .ok_or_else(|| FaultError::NotAPair(word.to_owned()))?;
            if !KEYS.contains(&key) {
                return Err(FaultError::UnknownKey(key.to_owned()));
            }
            if pairs.iter().any(|(other, _)| *other == key) {
                return Err(FaultError::Twice(key.to_owned()));
            }
            if value.is_empty() {
                return Err(bad(key, value, NAME));
            }
            pairs.push((key, value));
        }
        Ok(Self { kind, pairs })
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.pairs
            .iter()
            .find(|(other, _)| *other == key)
            .map(|(_, value)| *value)
    }

    fn need(&self, key: &'static str, expected: &'static str) -> Result<&'a str, FaultError> {
        self.get(key).ok_or_else(|| FaultError::Missing {
            kind: self.kind.to_owned(),
            key,
            expected,
        })
    }

    fn duration(&self, key: &'static str) -> Result<Option<Duration>, FaultError> {
        let parse = |text| parse_duration(text).ok_or_else(|| bad(key, text, DURATION));
        self.get(key).map(parse).transpose()
    }

    fn check_keys(&self, own: &[&str], of_requests: bool) -> Result<(), FaultError> {
        for (key, _) in &self.pairs {
            let goes = ALWAYS.contains(key)
                || own.contains(key)
                || (of_requests && REQUESTS.contains(key));
            if !goes {
                return Err(FaultError::DoesNotGo {
                    key: (*key).to_owned(),
                    kind: self.kind.to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn bad(key: &str, value: &str, expected: &'static str) -> FaultError {
    FaultError::BadValue {
        key: key.to_owned(),
        value: value.to_owned(),
        expected,
    }
}

/// Reads `500ms`, `5s`, `2m`, `1h`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

fn write_duration(f: &mut fmt::Formatter<'_>, key: &str, time: Duration) -> fmt::Result {
    let millis = time.as_millis();
    if millis.is_multiple_of(1_000) {
        write!(f, " {key}={}s", millis / 1_000)
    } else {
        write!(f, " {key}={millis}ms")
    }
}

/// Reads `0.3` as 300,000 of a million; no floating point, so that the text comes back as it was.
fn parse_probability(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let fraction: u32 = format!("{fraction:0<6}").parse().ok()?;
    let per_million = whole.checked_mul(1_000_000)?.checked_add(fraction)?;
    (per_million <= 1_000_000).then_some(per_million)
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let words = Words::parse(text)?;
        let mut fault = Self::new(parse_kind(&words)?);
        if let Some(name) = words.get("service") {
            fault.service =
                Some(Service::parse(name).ok_or_else(|| bad("service", name, SERVICE))?);
        }
        if fault.kind == Kind::Conflict {
            fault.service = Some(Service::S3);
        }
        fault.action = words.get("action").map(str::to_owned);
        fault.region = words.get("region").map(str::to_owned);
        fault.node = words.get("node").map(str::to_owned);
        if let Some(text) = words.get("p") {
            fault.per_million =
                parse_probability(text).ok_or_else(|| bad("p", text, PROBABILITY))?;
        }
        if let Some(text) = words.get("count") {
            fault.count = Some(
                text.parse()
                    .map_err(|_no_number| bad("count", text, NUMBER))?,
            );
        }
        fault.from = words.duration("from")?.unwrap_or(Duration::ZERO);
        fault.until = words.duration("until")?;
        if fault.until.is_some_and(|until| until <= fault.from) {
            return Err(FaultError::EndsBeforeItBegins);
        }
        Ok(fault)
    }
}

fn parse_kind(words: &Words<'_>) -> Result<Kind, FaultError> {
    let (kind, own, of_requests): (Kind, &[&str], bool) = match words.kind {
        "throttle" => (Kind::Throttle, &[], true),
        "fail" => (Kind::Fail, &[], true),
        "fail-after" => (Kind::FailAfter, &[], true),
        "lose-reply" => (Kind::LoseReply, &[], true),
        "down" => (Kind::Down, &[], true),
        "conflict" => (Kind::Conflict, &[], true),
        "slow" => {
            words.need("by", DURATION)?;
            let by = words.duration("by")?.unwrap_or(Duration::ZERO);
            (Kind::Slow { by }, &["by"], true)
        }
        "cut" => {
            let text = words.need("at", NUMBER)?;
            let at = text.parse().map_err(|_no_number| bad("at", text, NUMBER))?;
            (Kind::Cut { at }, &["at"], true)
        }
        "stale" => {
            words.need("by", DURATION)?;
            let by = words.duration("by")?.unwrap_or(Duration::ZERO);
            (Kind::Stale { by }, &["by"], false)
        }
        "capacity" => {
            let zone = words.need("zone", ZONE)?.to_owned();
            let text = words.get("instances").unwrap_or("0");
            let number = text.parse();
            let instances = number.map_err(|_no_number| bad("instances", text, NUMBER))?;
            let kind = Kind::Capacity { zone, instances };
            (kind, &["zone", "instances"], false)
        }
        "not-offered" => {
            let zone = words.need("zone", ZONE)?.to_owned();
            let instance_type = words.need("type", TYPE)?.to_owned();
            let kind = Kind::NotOffered {
                zone,
                instance_type,
            };
            (kind, &["zone", "type"], false)
        }
        "imds" => {
            let text = words.need("answer", ANSWER)?;
            let answer = Interference::parse(text).ok_or_else(|| bad("answer", text, ANSWER))?;
            let path = words.get("path").map(str::to_owned);
            let own = &["answer", "path", "node", "p", "count"];
            (Kind::Imds { answer, path }, own, false)
        }
        other => return Err(FaultError::UnknownKind(other.to_owned())),
    };
    words.check_keys(own, of_requests)?;
    match words.get("service") {
        Some(service) if kind == Kind::Conflict && service != "s3" => {
            Err(bad("service", service, "s3, which alone has conflicts"))
        }
        Some(_) | None => Ok(kind),
    }
}

fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Throttle => "throttle",
        Kind::Fail => "fail",
        Kind::FailAfter => "fail-after",
        Kind::LoseReply => "lose-reply",
        Kind::Down => "down",
        Kind::Slow { .. } => "slow",
        Kind::Cut { .. } => "cut",
        Kind::Conflict => "conflict",
        Kind::Stale { .. } => "stale",
        Kind::Capacity { .. } => "capacity",
        Kind::NotOffered { .. } => "not-offered",
        Kind::Imds { .. } => "imds",
    }
}

/// The text that [`Fault::from_str`] reads as this fault.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name(&self.kind))?;
        if let Some(service) = self.service {
            write!(f, " service={}", service.name())?;
        }
        let texts = [
            ("action", &self.action),
            ("region", &self.region),
            ("node", &self.node),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                write!(f, " {key}={value}")?;
            }
        }
        match &self.kind {
            Kind::Slow { by } | Kind::Stale { by } => write_duration(f, "by", *by)?,
            Kind::Cut { at } => write!(f, " at={at}")?,
            Kind::Capacity { zone, instances } => write!(f, " zone={zone} instances={instances}")?,
            Kind::NotOffered {
                zone,
                instance_type,
            } => write!(f, " zone={zone} type={instance_type}")?,
            Kind::Imds { answer, path } => {
                write!(f, " answer={}", answer.name())?;
                if let Some(path) = path {
                    write!(f, " path={path}")?;
                }
            }
            Kind::Throttle
            | Kind::Fail
            | Kind::FailAfter
            | Kind::LoseReply
            | Kind::Down
            | Kind::Conflict => {}
        }
        if self.per_million < 1_000_000 {
            let digits = format!("{:06}", self.per_million);
            let digits = digits.trim_end_matches('0');
            write!(f, " p=0.{}", if digits.is_empty() { "0" } else { digits })?;
        }
        if let Some(count) = self.count {
            write!(f, " count={count}")?;
        }
        if self.from > Duration::ZERO {
            write_duration(f, "from", self.from)?;
        }
        match self.until {
            Some(until) => write_duration(f, "until", until),
            None => Ok(()),
        }
    }
}
