//! A small project that is right, to be broken by tests.

use std::fmt::Write as _;

use vmimage_plan::definition::check_project;
use vmimage_plan::sources::SourceFile;
use vmimage_plan::{Diagnostic, Sources};

/// `images/small.toml`.
pub(crate) const IMAGE: &str = r#"format = 1
name = "small"
description = "A small image"
suite = "trixie"
architectures = ["x86_64"]
recipes = ["base", "web"]
"#;

/// `recipes/base/recipe.toml`.
pub(crate) const BASE: &str = r#"format = 1
name = "base"
description = "Debian"
packages = ["apt", "systemd/{suite}-backports"]

[[repository]]
archive = "debian"
url = "http://deb.debian.org/debian/"
suites = ["{suite}", "{suite}-updates"]
components = ["main"]
fingerprints = ["B8B8 0B5B 623E AB6A D877  5C45 B7C5 D7D6 3509 47F8"]
key = "keys/debian.asc"

[[file]]
path = "/etc/hosts"
source = "files/hosts"

[units]
mask = ["apt-daily.timer"]

[[seal]]
path = "/etc/machine-id"
action = "write"
content = "uninitialized\n"
reason = "Every instance makes its own"
"#;

/// `recipes/web/recipe.toml`.
pub(crate) const WEB: &str = r#"format = 1
minimum-version = "0.1.0"
name = "web"
description = "A web server"
packages = ["apache2"]

[[debconf]]
owner = "apache2"
question = "apache2/port"
type = "string"
value = "80"

[[directory]]
path = "/srv/www"
owner = "www-data"

[[link]]
path = "/srv/current"
target = "www"

[[command]]
argv = ["a2enmod", "ssl"]
reason = "Sites use TLS"

[units]
disable = ["apache2.service"]

[[check]]
path = "/etc/apache2/apache2.conf"
state = "present"
reason = "It is the server"

[suite.bookworm]
packages = ["php8.2-fpm"]

[suite.trixie]
packages = ["php8.4-fpm"]
units.enable = ["php8.4-fpm.service"]
"#;

/// `images/fleet.toml`.
pub(crate) const FLEET: &str = r#"format = 1
cluster = "hosting"
domain = "example.org"
state = "s3://example-state/hosting"
image = "small"

[[region]]
name = "us-west-2"
wave = 2

[[region]]
name = "us-east-1"
wave = 1

[role.web]
min = 1
max = 4

[role.web.health]
path = "/healthy"
"#;

/// The project with these files replaced or added.
pub(crate) fn with(changes: &[(&str, &str)]) -> Sources {
    let mut sources = Sources::default();
    let good = [
        ("images/small.toml", IMAGE),
        ("images/fleet.toml", FLEET),
        ("recipes/base/recipe.toml", BASE),
        ("recipes/base/files/hosts", "127.0.0.1 localhost\n"),
        ("recipes/base/keys/debian.asc", "a key\n"),
        ("recipes/web/recipe.toml", WEB),
    ];
    for (path, text) in good.iter().chain(changes) {
        let file = SourceFile {
            bytes: text.as_bytes().to_vec(),
            executable: false,
        };
        sources.insert(*path, file);
    }
    sources
}

/// The problems of the good project with these changes, as [`lines`].
pub(crate) fn check(changes: &[(&str, &str)], expected: &str) {
    let sources = with(changes);
    let found = lines(&sources, &check_project(&sources));
    assert_eq!(found.trim_end(), expected.trim_end());
}

/// One line per problem: `file:line:column message [label] (hint)`.
pub(crate) fn lines(sources: &Sources, problems: &[Diagnostic]) -> String {
    let mut lines = String::new();
    for problem in problems {
        lines += &problem.file;
        if let Some(span) = problem.span {
            let text = sources.text(&problem.file).expect("only text has places");
            let before = &text[..span.start];
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            write!(lines, ":{line}:{column}").expect("a String takes every text");
        }
        write!(lines, " {}", problem.message).expect("a String takes every text");
        if let Some(label) = &problem.label {
            write!(lines, " [{label}]").expect("a String takes every text");
        }
        if let Some(hint) = &problem.hint {
            write!(lines, " ({hint})").expect("a String takes every text");
        }
        lines += "\n";
    }
    lines
}
