//! Templates with the values that hurt.

use super::{Facts, field};
use crate::bytes::{Fault, Text};

const LIST: &[u8] = b"1 i-1 10.1.0.4 1 a\n2 i-2 10.1.0.5 2 b\n";

fn expand(facts: &Facts, template: &'static [u8]) -> Result<String, Fault> {
    let mut text = Text::default();
    match facts.expand(template, b"1 i-9 10.1.0.9 - c", &mut text) {
        Ok(()) => Ok(String::from_utf8(text.get().to_vec()).unwrap()),
        Err(fault) => Err(fault),
    }
}

#[test]
fn values_are_quoted_for_where_they_go() {
    let mut facts = Facts::default();
    let hostile = " a'b\"c\\d $e`f`%#;=é\n\t ";
    facts.set(32, hostile.as_bytes());
    facts.set(33, b"10");
    facts.set(34, &[b'f'; 64]);
    facts.set(35, b"a\0b");
    for (template, expected) in [
        (
            &b"x=\x01\x20\x03;"[..],
            Ok("x=\" a'b\\\"c\\\\d \\$e\\`f\\`%#;=é\n\t \";"),
        ),
        (b"\x01\x20\x02", Ok("' a\\'b\"c\\\\d $e`f`%#;=é\n\t '")),
        (b"\x01\x20\x04", Ok("\" a'b\\\"c\\\\d $e`f`%#;=é\\n  \"")),
        (b"\x01\x20\x07", Ok(hostile)),
        (b"\x01\x20\x01", Err(Fault::Unfit)),
        (b"\x01\x20\x05", Err(Fault::Unfit)),
        (b"\x01\x21\x05 \x01\x21\x01", Ok("10 10")),
        (b"\x01\x21\x06", Err(Fault::Unfit)),
        (
            b"\x01\x22\x06",
            Ok("ffffffffffffffffffffffffffffffffffffffff"),
        ),
        (b"\x01\x23\x02", Err(Fault::Unfit)),
        (b"\x01\x23\x07", Ok("a\0b")),
        (b"\x01\x30\x01|\x01\x30\x04", Ok("|\"\"")),
        (b"\x01\x21\x08", Err(Fault::Damaged)),
        (b"\x01\x21", Err(Fault::Damaged)),
        (b"plain", Ok("plain")),
        (b"", Ok("")),
    ] {
        assert_eq!(
            expand(&facts, template).as_deref().map_err(|fault| *fault),
            expected,
            "{template:?}"
        );
    }
}

#[test]
fn blocks_repeat_and_are_left_out() {
    let mut facts = Facts::default();
    facts.set(40, LIST);
    facts.set(41, b"yes");
    facts.set(42, b"no");
    for (template, expected) in [
        (&b"[\x02\x28\x04\x02\x01,\x05]"[..], "[10.1.0.4,10.1.0.5,]"),
        (b"[\x02\x2b\x04\x02\x01,\x05]", "[]"),
        (b"\x03\x29a\x05\x03\xa9b\x05", "a"),
        (b"\x03\x2aa\x05\x03\xaab\x05\x03\xabc\x05", "bc"),
        // Lists within what is left out, and what is left out within lists.
        (b"\x03\x2a\x02\x28x\x05\x05y", "y"),
        (b"\x02\x28\x03\x29\x04\x03\x01\x05\x03\x2a-\x05\x05", "12"),
        (b"\x04\x01\x01", "i-9"),
    ] {
        assert_eq!(
            expand(&facts, template).as_deref(),
            Ok(expected),
            "{template:?}"
        );
    }
    assert_eq!(expand(&facts, b"a\x05b"), Err(Fault::Damaged));
    assert_eq!(expand(&facts, b"\x02"), Err(Fault::Damaged));
}

#[test]
fn conditions_are_about_what_is_known_and_not_no() {
    let mut facts = Facts::default();
    facts.set(33, b"no");
    facts.set(34, b"0");
    let holds: Vec<bool> = [32, 33, 34, 0xa0, 0xa1, 0xa2]
        .map(|one| facts.holds(one))
        .into();
    assert_eq!(holds, [false, false, true, true, true, false]);
    assert!(facts.all_hold(&[]) && facts.all_hold(&[34, 0xa1]) && !facts.all_hold(&[34, 33]));
    facts.set(0, b"x");
    assert_eq!(facts.get(0), b"");
}

#[test]
fn fields_are_words() {
    let fields: Vec<&[u8]> = (1..=7).map(|number| field(b"9 i-1 a", number)).collect();
    assert_eq!(fields, [&b"i-1"[..], b"a", b"", b"", b"", b"", b"9"]);
}
