//! What the engine writes for option files, environments, shells and SQL, given to the programs that
//! read those.

use std::fmt::Write as _;

use firstboot::bytes::Text;
use firstboot::facts::put;
use firstboot::program::quote;

use super::fleet::Fleet;

/// Values that something in some format has a meaning for.
fn values() -> Vec<String> {
    let plain = "p#;=:!%$`'\"\\ [x] {y} <z> ,.~*?&|() a#b a;b a=b it's \"quoted\" 'quoted' back\\slash ends\\ \\ %s%d ${HOME} $HOME `id` \\n\\t\\s \\\" \\' é € 😀 #x ;x -- /* */ %(x)s";
    let mut values: Vec<String> = plain.split(' ').map(str::to_owned).collect();
    values.extend([plain, " both ends ", "  ", " #", "a  b"].map(str::to_owned));
    values.extend(["x".repeat(4_000), "'".repeat(2_000), "\\".repeat(1_999)]);
    values
}

fn quoted(value: &str, how: u8) -> String {
    let mut text = Text::default();
    assert_eq!(put(value.as_bytes(), how, &mut text), Ok(()), "{value}");
    String::from_utf8(text.get().to_vec()).unwrap()
}

/// A text for all values, and what its reader must say of them.
fn all(values: &[String], piece: impl Fn(usize, &str) -> (String, String)) -> (String, String) {
    let pieces = (0..).zip(values).map(|(at, value)| piece(at, value));
    pieces.fold(Default::default(), |(text, expected), (more, wanted)| {
        (text + &more, expected + &wanted)
    })
}

pub(crate) fn what_the_engine_quotes_is_read_back(fleet: &Fleet, node: &str) {
    let values = values();
    let last = values.len() - 1;
    let (file, expected) = all(&values, |at, value| {
        (
            format!("[g{at}]\npassword = {}\n", quoted(value, quote::SQL)),
            format!("--password={value}\n"),
        )
    });
    fleet.write(node, "/run/quoted.cnf", &file);
    let read = format!(
        "for n in $(seq 0 {last}); do my_print_defaults --defaults-file=/run/quoted.cnf g$n; done"
    );
    assert_eq!(fleet.done(node, &["sh", "-c", &read]), expected);

    let (file, expected) = all(&values, |at, value| {
        (
            format!("V{at}={}\n", quoted(value, quote::SHELL)),
            format!("{value}\n"),
        )
    });
    fleet.write(node, "/run/quoted.env", &file);
    let mut show = String::new();
    for at in 0..values.len() {
        writeln!(show, "printf '%s\\n' \"$V{at}\"").unwrap();
    }
    fleet.write(node, "/run/show", &show);
    let read = [
        "systemd-run",
        "--quiet",
        "--wait",
        "--pipe",
        "--property=EnvironmentFile=/run/quoted.env",
        "sh",
        "/run/show",
    ];
    assert_eq!(fleet.done(node, &read), expected);
    assert_eq!(
        fleet.done(node, &["sh", "-c", ". /run/quoted.env; . /run/show"]),
        expected
    );

    // Whatever is not NUL.
    let mut values = values;
    values.extend(["a\nb\r\n", "\tx\t", "\u{1b}\u{7f}\u{1}", "\n"].map(str::to_owned));
    let (file, expected) = all(&values, |_, value| {
        (
            format!("SELECT HEX({});\n", quoted(value, quote::SQL)),
            format!("{}\n", hex::encode_upper(value)),
        )
    });
    fleet.write(node, "/run/quoted.sql", &file);
    // As recipes feed it: the client leaves out carriage returns at the ends of lines.
    let read = "sed 's/\\r/\\\\r/g' /run/quoted.sql | mariadb --batch --skip-column-names";
    assert_eq!(fleet.done(node, &["sh", "-c", read]), expected);
}
