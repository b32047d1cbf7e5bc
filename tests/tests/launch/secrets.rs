//! What recipes' programs say of secrets that do not do: which one, and the character, never the value.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::harness::recipe;

/// What a program says of a value that it gets as its input; nothing where it takes it.
fn said(program: &str, arguments: &[&str], value: &[u8]) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that has seen enough has closed its end.
    let _closed = child.stdin.take().unwrap().write_all(value);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    said
}

/// A place, a value, and what is said of it; nothing where it fits.
const CASES: [(&str, &str, &str); 11] = [
    ("plain", " both ends ", ""),
    (
        "plain",
        "a\n",
        "it has a line feed at byte 2, and goes where one line of printable characters fits",
    ),
    (
        "plain",
        "\tb",
        "it has a tab at byte 1, and goes where one line of printable characters fits",
    ),
    (
        "plain",
        "é\u{7f}",
        "it has the byte 0x7f at byte 3, and goes where one line of printable characters fits",
    ),
    ("plain", "", "it is empty"),
    ("option-file", "a\tb", ""),
    (
        "option-file",
        "ab\r",
        "it has a carriage return at byte 3, which ends a line of an option file of MariaDB",
    ),
    (
        "environment",
        "a\u{1b}",
        "it has the byte 0x1b at byte 2, and systemd leaves a variable with that out of an environment",
    ),
    (
        "environment",
        "\u{fffe}",
        "it has U+FFFE, and systemd leaves a variable with that out of an environment",
    ),
    ("json", "a\nb", ""),
    (
        "json",
        "a\tb",
        "it has a tab at byte 2, which is left out of a text in JSON",
    ),
];

/// What is said of the secret `x` at a place.
#[track_caller]
fn check(place: &str, value: &str, expected: &str) {
    let expected = if expected.is_empty() {
        String::new()
    } else {
        format!("secret x: {expected}\n")
    };
    let script = recipe("firstboot-launch/files/secret");
    let got = said("perl", &[&script, "x", place], value.as_bytes());
    assert_eq!(got, expected, "{value:?}");
}

#[test]
fn a_secret_that_does_not_fit_is_named_with_the_character() {
    for (place, value, expected) in CASES {
        check(place, value, expected);
    }
    let every = (' '..='~').collect::<String>() + "é€😀";
    for place in ["plain", "option-file", "environment", "json"] {
        check(place, &every, "");
    }
    // Both places are looked at.
    let script = recipe("firstboot-launch/files/secret");
    let both = said("perl", &[&script, "x", "environment", "plain"], b"a\tb");
    assert!(
        both.starts_with("secret x: it has a tab at byte 2, "),
        "{both}"
    );
}

#[test]
fn a_secret_of_a_length_that_does_not_fit_is_named_with_it() {
    let key = "k".repeat(40);
    check("pem40", &key, "");
    check("pem40", &(key.clone() + "-#"), "");
    let short = "it has 39 bytes, and a key is made of the first 40";
    check("pem40", &key[1..], short);
    let strange = "it has `-` at byte 1, and a key is made of the first 40, which must be letters, digits, `+` or `/`";
    check("pem40", &key.replacen('k', "-", 1), strange);
    check("environment", &"x".repeat(4_096), "");
    check("option-file", &"x".repeat(4_000), "");
    let long = "it takes 4002 bytes in an option file of MariaDB, which reads 4000";
    check("option-file", &"'".repeat(2_001), long);
}

/// `expandConfig` of Grafana, and `Key.String` of the library that reads its settings.
#[test]
fn what_grafana_would_replace_is_refused() {
    let script = recipe("monitoring/files/grafana-secret");
    let variable = "secret grafana-admin: it has a `$` with a name in braces, in the place of which Grafana puts a variable or a file\n";
    let setting = "secret grafana-admin: it has a `%` with a name in brackets and an `s`, in the place of which Grafana puts another setting\n";
    for (value, expected) in [
        ("$ { } % ( ) s ${} $x{y} %()s %(x)", ""),
        ("a${HOME}", variable),
        ("$__file{/etc/shadow}", variable),
        ("a${b\nc}", variable),
        ("x%(admin_user)s", setting),
    ] {
        assert_eq!(
            said("sh", &[&script], value.as_bytes()),
            expected,
            "{value:?}"
        );
    }
}
