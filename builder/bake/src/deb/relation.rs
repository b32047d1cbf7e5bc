//! Owns relations between packages and the order of versions, as deb-version(7) has it. Must not
//! resolve anything: locks do.

use std::cmp::Ordering;

/// One alternative of a relation field, for example `libc6 (>= 2.38)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The package's name, without an architecture.
    pub name: String,
    /// Operator and version, where it has one.
    pub version: Option<(Operator, String)>,
}

/// How a version must compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Relation {
    /// Whether the package `name` in `version` is meant.
    pub fn matches(&self, name: &str, version: &str) -> bool {
        self.name == name
            && self.version.as_ref().is_none_or(|(operator, than)| {
                let order = compare_versions(version, than);
                match operator {
                    Operator::Earlier => order.is_lt(),
                    Operator::EarlierOrEqual => order.is_le(),
                    Operator::Equal => order.is_eq(),
                    Operator::LaterOrEqual => order.is_ge(),
                    Operator::Later => order.is_gt(),
                }
            })
    }
}

/// Reads a relation field: clauses (all must hold) of alternatives (one must hold).
pub fn parse_relations(field: &str) -> Vec<Vec<Relation>> {
    field
        .split(',')
        .map(|clause| clause.split('|').filter_map(parse_relation).collect())
        .filter(|clause: &Vec<Relation>| !clause.is_empty())
        .collect()
}

fn parse_relation(text: &str) -> Option<Relation> {
    let text = text.trim();
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, '(' | '[' | '<'))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let name = name.split(':').next().filter(|name| !name.is_empty())?;
    let version = rest
        .split_once('(')
        .and_then(|(_, inner)| inner.split_once(')'))
        .and_then(|(inner, _)| parse_version(inner.trim()));
    Some(Relation {
        name: name.to_owned(),
        version,
    })
}

fn parse_version(text: &str) -> Option<(Operator, String)> {
    let end = text.find(|c| !matches!(c, '<' | '=' | '>'))?;
    let (operator, version) = text.split_at(end);
    let operator = match operator {
        "<<" => Operator::Earlier,
        // A single sign is the historical spelling of the inclusive operators.
        "<=" | "<" => Operator::EarlierOrEqual,
        "=" => Operator::Equal,
        ">=" | ">" => Operator::LaterOrEqual,
        ">>" => Operator::Later,
        _ => return None,
    };
    Some((operator, version.trim().to_owned()))
}

/// Compares two Debian versions.
pub fn compare_versions(left: &str, right: &str) -> Ordering {
    let (left_epoch, left_upstream, left_revision) = split_version(left);
    let (right_epoch, right_upstream, right_revision) = split_version(right);
    left_epoch
        .cmp(&right_epoch)
        .then_with(|| compare_part(left_upstream, right_upstream))
        .then_with(|| compare_part(left_revision, right_revision))
}

fn split_version(version: &str) -> (u64, &[u8], &[u8]) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (
        epoch.parse().unwrap_or(0),
        upstream.as_bytes(),
        revision.as_bytes(),
    )
}

/// Text and numbers alternate; `~` sorts before everything, the end too, and letters before the rest.
fn compare_part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = split_while(left, |byte| !byte.is_ascii_digit());
        let (right_text, right_rest) = split_while(right, |byte| !byte.is_ascii_digit());
        let length = left_text.len().max(right_text.len());
        for index in 0..length {
            let order = weight(left_text.get(index)).cmp(&weight(right_text.get(index)));
            if order.is_ne() {
                return order;
            }
        }
        let (left_digits, left_rest) = split_while(left_rest, u8::is_ascii_digit);
        let (right_digits, right_rest) = split_while(right_rest, u8::is_ascii_digit);
        let order = compare_numbers(left_digits, right_digits);
        if order.is_ne() {
            return order;
        }
        left = left_rest;
        right = right_rest;
    }
    Ordering::Equal
}

fn split_while(bytes: &[u8], keep: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes
        .iter()
        .position(|byte| !keep(byte))
        .unwrap_or(bytes.len());
    bytes.split_at(end)
}

fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}

/// Numbers may be longer than any integer type.
fn compare_numbers(left: &[u8], right: &[u8]) -> Ordering {
    let (_, left) = split_while(left, |byte| *byte == b'0');
    let (_, right) = split_while(right, |byte| *byte == b'0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}
