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

/// Adds what a string says. Letters beyond ASCII that are written as numbers, which nobody needs to,
/// become `?`.
pub fn unescape(string: &[u8], into: &mut Text) {
    let mut rest = string.iter();
    while let Some(byte) = rest.next() {
        let mut byte = *byte;
        if byte == b'\\' {
            byte = match *rest.next().unwrap_or(&b'?') {
                b'n' => b'\n',
                b't' => b'\t',
                b'u' => {
                    let mut code = 0_u32;
                    for _ in 0..4 {
                        let digit = char::from(*rest.next().unwrap_or(&b'0'));
                        code = code << 4 | digit.to_digit(16).unwrap_or(0);
                    }
                    if code < 128 { code as u8 } else { b'?' }
                }
                other => other,
            };
        }
        into.push(&[byte]);
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
        unescape(br#"a\"\\\/\n\u0041\u00e9\x"#, &mut text);
        assert_eq!(text.get(), b"a\"\\/\nA?x");
        unescape(br"\", text.clear());
        unescape(br"\u12", &mut text);
        assert_eq!(text.get(), b"??");
    }
}
