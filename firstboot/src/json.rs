//! Owns finding values in JSON documents by their key. It reads strings as JSON defines them and is
//! forgiving about everything else: a document that is not JSON has no values.

use crate::bytes::Text;

/// The first value of `key`, at any depth: a string's text as it is written, without its quotes, or
/// the number or word.
pub fn raw<'b>(document: &'b [u8], key: &[u8]) -> Option<&'b [u8]> {
    let mut rest = document;
    while let Some(begin) = rest.iter().position(|byte| *byte == b'"') {
        let (string, after) = string(&rest[begin + 1..])?;
        rest = after;
        let after = after.trim_ascii_start();
        if string == key
            && let Some(value) = after.strip_prefix(b":")
        {
            let value = value.trim_ascii_start();
            if let Some(text) = value.strip_prefix(b"\"") {
                return self::string(text).map(|(text, _)| text);
            }
            let end = value.iter().position(|byte| b",}] \n\r\t".contains(byte))?;
            return Some(&value[..end]);
        }
    }
    None
}

/// A string up to its closing quote, and what follows.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            b'"' => return Some((&bytes[..at], &bytes[at + 1..])),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Adds what a string says.
pub fn unescape(string: &[u8], into: &mut Text) {
    let mut rest = string;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            into.push(&[*first]);
            continue;
        }
        let [escape, tail @ ..] = rest else { return };
        rest = tail;
        match *escape {
            b'n' => into.push(b"\n"),
            b't' => into.push(b"\t"),
            b'r' => into.push(b"\r"),
            b'u' => {
                let (digits, tail) = rest.split_at_checked(4).unwrap_or((rest, b""));
                rest = tail;
                let code = digits.iter().fold(0, |code, digit| {
                    code << 4 | char::from(*digit).to_digit(16).unwrap_or(0)
                });
                // Half of a pair stands for nothing by itself.
                let letter = char::from_u32(code).unwrap_or('\u{fffd}');
                into.push(letter.encode_utf8(&mut [0; 4]).as_bytes())
            }
            other => into.push(&[other]),
        };
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
        let mut text = Text::new(64);
        unescape(br#"a\"\\\/\n\u0041\u00e9\u20AC\ud83d\x"#, &mut text);
        assert_eq!(
            String::from_utf8_lossy(text.get()),
            "a\"\\/\nA\u{e9}\u{20ac}\u{fffd}x"
        );
        unescape(br"\", text.clear());
        unescape(br"\u12", &mut text);
        assert_eq!(text.get(), "\u{12}".as_bytes());
    }
}
