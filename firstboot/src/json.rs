//! Owns finding values in JSON documents by their key. It reads strings as JSON defines them and is
//! forgiving about everything else: a document that is not JSON has no values.

use crate::bytes::{Text, find};

/// The first value of `key`, at any depth: a string's text as it is written, without its quotes, or
/// the number or word. Within a string the quotes of a key would be escaped, so none is found there.
pub fn raw<'b>(document: &'b [u8], key: &[u8]) -> Option<&'b [u8]> {
    let mut rest = document;
    loop {
        rest = &rest[find(rest, key)? + key.len()..];
        let after = rest
            .strip_prefix(b"\"")
            .unwrap_or_default()
            .trim_ascii_start();
        let is_key = document[..document.len() - rest.len() - key.len()].ends_with(b"\"");
        let Some(value) = after.strip_prefix(b":") else {
            continue;
        };
        let value = value.trim_ascii_start();
        if !is_key {
            continue;
        }
        let (text, ends): (_, &[u8]) = match value.strip_prefix(b"\"") {
            Some(text) => (text, b"\""),
            None => (value, b",}] \n\r\t"),
        };
        let mut end = 0;
        while !ends.contains(text.get(end)?) {
            end += 1 + usize::from(text[end] == b'\\');
        }
        return Some(&text[..end]);
    }
}

/// Adds what a string says.
pub fn unescape(string: &[u8], into: &mut Text) {
    let mut rest = string.iter();
    let mut upper = 0;
    while let Some(byte) = rest.next() {
        let mut byte = *byte;
        if byte == b'\\' {
            byte = match *rest.next().unwrap_or(&b'?') {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'b' => 8,
                b'f' => 12,
                b'u' => {
                    let mut code = 0_u32;
                    for _ in 0..4 {
                        let digit = char::from(*rest.next().unwrap_or(&b'0'));
                        code = code << 4 | digit.to_digit(16).unwrap_or(0);
                    }
                    // A letter beyond 16 bits is written as two numbers, each with a mark of its own
                    // (RFC 8259, section 7): both marks, and the 64 that the first lacks, go here.
                    if code >> 10 == 0xd800 >> 10 {
                        upper = (code - (0xd800 - 64 + (0xdc00 >> 10))) << 10;
                    } else {
                        push_letter(code + upper, 0x80, into);
                        upper = 0;
                    }
                    continue;
                }
                other => other,
            };
        }
        into.push(&[byte]);
    }
}

/// Adds a letter in UTF-8, whose first byte has room for codes below `room`: as many ones as there are
/// bytes, a zero, and the code's first bits.
fn push_letter(code: u32, room: u32, into: &mut Text) {
    if code < room {
        into.push(&[(code | !(2 * room - 1)) as u8]);
    } else {
        push_letter(code >> 6, (room >> 1).min(0x20), into);
        into.push(&[(0x80 | code & 0x3f) as u8]);
    }
}

#[cfg(test)]
mod tests {
    use super::{raw, unescape};
    use crate::bytes::Text;

    #[test]
    fn values_are_found_where_they_are_and_not_in_texts() {
        let document =
            br#"{"a" : {"Value2":"x\"Value\":\"no\"", "Value":"y\\"}, "n":12,"t": true }"#;
        for (key, expected) in [
            (&b"Value"[..], Some(&br"y\\"[..])),
            (b"n", Some(b"12")),
            (b"t", Some(b"true")),
            (b"y\\\\", None),
            (b"z", None),
        ] {
            assert_eq!(raw(document, key), expected);
        }
        for broken in [
            &b"\"a"[..],
            b"\"a\":",
            b"\"a\":\"b",
            b"\"a\\",
            b"<html>",
            b"\"a\":1",
        ] {
            assert_eq!(raw(broken, b"a"), None, "{broken:?}");
        }
    }

    #[test]
    fn escapes_are_undone() {
        let mut text = Text::default();
        let string = r#"a\"\\\/\n\r\t\b\f\u0041\u00e9\u20ac\ud83D\uDE00é\x"#;
        unescape(string.as_bytes(), &mut text);
        assert_eq!(text.get(), "a\"\\/\n\r\t\u{8}\u{c}Aé€😀éx".as_bytes());
        unescape(br"\", text.clear());
        unescape(br"\u12", &mut text);
        assert_eq!(text.get(), "?\u{1200}".as_bytes());
    }
}
