//! Owns the engine's own sentences and requests: text with facts in it, turned into template encoding
//! while the engine is compiled. A sentence costs its letters; putting it together in code would cost
//! several times as much.

use crate::program::{FACTS, mark, quote};

/// The first of the facts that the engine uses for itself within a step: `{a}`, `{b}`, ...
pub const SCRATCH: u8 = 26;

/// `{a}`
pub const A: u8 = SCRATCH;
/// `{b}`
pub const B: u8 = SCRATCH + 1;
/// `{c}`
pub const C: u8 = SCRATCH + 2;
/// `{d}`
pub const D: u8 = SCRATCH + 3;
/// `{e}`
pub const E: u8 = SCRATCH + 4;

/// Text in which `{name}` is a fact as it is and `{name|json}` one as a JSON string.
#[macro_export]
macro_rules! phrase {
    ($text:expr) => {{
        const LENGTH: usize = $crate::phrase::length($text);
        const TEMPLATE: [u8; LENGTH] = $crate::phrase::compile($text);
        const BYTES: &[u8] = &TEMPLATE;
        BYTES
    }};
}

/// The length of a compiled text.
pub const fn length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut length) = (0, 0);
    while at < bytes.len() {
        let (size, end) = if bytes[at] == b'{' && is_name(bytes, at + 1) {
            (3, close(bytes, at) + 1)
        } else {
            (1, at + 1)
        };
        (at, length) = (end, length + size);
    }
    length
}

/// The compiled text.
pub const fn compile<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    let mut compiled = [0; N];
    let (mut at, mut length) = (0, 0);
    while at < bytes.len() {
        if bytes[at] == b'{' && is_name(bytes, at + 1) {
            let end = close(bytes, at);
            let is_json = bytes[end - 1] == b'n' && end > at + 6 && bytes[end - 5] == b'|';
            let name_end = if is_json { end - 5 } else { end };
            compiled[length] = mark::FACT;
            compiled[length + 1] = number(bytes, at + 1, name_end);
            compiled[length + 2] = if is_json { quote::JSON } else { quote::PLAIN };
            (at, length) = (end + 1, length + 3);
        } else {
            compiled[length] = bytes[at];
            (at, length) = (at + 1, length + 1);
        }
    }
    compiled
}

/// JSON has braces as well, but no letter follows those.
const fn is_name(bytes: &[u8], at: usize) -> bool {
    at < bytes.len() && bytes[at].is_ascii_lowercase()
}

const fn close(bytes: &[u8], mut at: usize) -> usize {
    while bytes[at] != b'}' {
        at += 1;
    }
    at
}

const fn number(bytes: &[u8], begin: usize, end: usize) -> u8 {
    if end == begin + 1 {
        return SCRATCH + bytes[begin] - b'a';
    }
    let mut index = 0;
    while index < FACTS.len() {
        let name = FACTS[index].as_bytes();
        let mut same = 0;
        while same < name.len() && begin + same < end && name[same] == bytes[begin + same] {
            same += 1;
        }
        if same == name.len() && begin + same == end {
            return index as u8 + 1;
        }
        index += 1;
    }
    panic!("there is no such fact");
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_become_numbers() {
        assert_eq!(
            phrase!("a {role} {\"x\":{a|json}}"),
            b"a \x01\x08\x01 {\"x\":\x01\x1a\x04}"
        );
        assert_eq!(phrase!("{aws-domain}{b}"), b"\x01\x06\x01\x01\x1b\x01");
    }
}
