//! No bytes in any file of a project make a check panic, and no lock that is not right is taken for one.

use super::project::{BASE, FLEET, IMAGE, WEB, with};
use vmimage_plan::definition::{FLEET_FILE, check_project, load_fleet, load_image};
use vmimage_plan::lock::Lock;
use vmimage_plan::sources::SourceFile;

/// A small generator with a fixed seed (xorshift64*), so that every run tries the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("lengths fit");
        usize::try_from(self.next() % bound).expect("below a length")
    }
}

/// What tends to break readers of TOML and of what is in it.
const PIECES: [&[u8]; 20] = [
    b"",
    b"\xff\xfe",
    b"\0",
    b"[[",
    b"]]",
    b"=",
    b"\"",
    b"'''",
    b"{",
    b"}",
    b"\n",
    b".",
    b"-1",
    b"99999999999999999999",
    b"nan",
    b"1979-05-27",
    b"..",
    b"/",
    b"\xf0\x9f\x92\xa9",
    b"\r\n[file]\n",
];

/// `good` with a few changes.
fn mutate(good: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(4) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
            2 => drop(bytes.splice(at..end, PIECES[random.below(PIECES.len())].iter().copied())),
            _ => {
                // Lines change places, so that keys land in other tables.
                let line = bytes[at..]
                    .split_inclusive(|b| *b == b'\n')
                    .nth(1)
                    .map(<[u8]>::to_vec);
                drop(bytes.splice(end..end, line.unwrap_or_default()));
            }
        }
    }
    bytes
}

/// A recipe with a boot half.
const BOOT: &str = r#"format = 1
name = "web"
description = "A web server"

[[boot]]
roles = ["*"]
name = "peers"
peers = "web"
as = "webs"

[[boot]]
roles = ["web"]
name = "file"
when = ["!slot"]
write = "/etc/x"
content = "{{#each webs}}{{.address}}{{#if slot}}{{slot|json}}{{/if}}{{/each}}"

[[boot]]
roles = ["web"]
name = "claim"
claim = "{{region}}/x.json"
token = "{{instance}}"
as = "writer"
at-most-secs = 30
"#;

/// Puts `bytes` at `path`; every problem must lie within its file.
fn check(path: &str, bytes: Vec<u8>) -> usize {
    let mut sources = with(&[]);
    sources.insert(
        path,
        SourceFile {
            bytes,
            executable: false,
        },
    );
    let mut problems = check_project(&sources);
    problems.extend(load_image(&sources, "images/small.toml").1);
    problems.extend(load_fleet(&sources, FLEET_FILE).1);
    for problem in &problems {
        if let Some(span) = problem.span {
            let text = sources
                .text(&problem.file)
                .expect("a span is only given for text");
            assert!(
                text.get(span.start..span.end).is_some(),
                "{path}: {problem:?}"
            );
        }
    }
    problems.len()
}

#[test]
fn mutated_definitions_never_panic() {
    let mut random = Random(0x5eed);
    let files = [
        ("images/small.toml", IMAGE),
        ("images/fleet.toml", FLEET),
        ("recipes/base/recipe.toml", BASE),
        ("recipes/web/recipe.toml", WEB),
        ("recipes/web/recipe.toml", BOOT),
    ];
    let mut refused = 0;
    for _ in 0..500 {
        for (path, good) in files {
            refused += usize::from(check(path, mutate(good.as_bytes(), &mut random)) > 0);
        }
    }
    assert!(
        refused > 1_000,
        "the changes must break something: {refused}"
    );
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(0xbad);
    let paths = [
        "images/small.toml",
        "images/fleet.toml",
        "images/small.lock",
        "recipes/web/recipe.toml",
        "recipes/base/files/hosts",
        "recipes/a b/recipe.toml",
        "images/a/b.toml",
        "recipes/",
    ];
    for round in 0..200 {
        for path in paths {
            let bytes = (0..random.below(round + 2)).map(|_| random.next().to_le_bytes()[0]);
            check(path, bytes.collect());
        }
    }
}

#[test]
fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
    let deep = format!(
        "format = 1\nx = {}{}",
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    assert!(check("images/small.toml", deep.into_bytes()) > 0);
    let dotted = format!("format = 1\n{} = 1", vec!["a"; 20_000].join("."));
    assert!(check("recipes/web/recipe.toml", dotted.into_bytes()) > 0);
}

#[test]
fn a_lock_that_parses_renders_to_itself() {
    let good = include_str!("small.lock");
    assert_eq!(
        Lock::parse("images/small.lock", good).unwrap().render(),
        good
    );
    let mut random = Random(0x10c);
    for _ in 0..1_000 {
        let bytes = mutate(good.as_bytes(), &mut random);
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        if let Ok(lock) = Lock::parse("images/small.lock", &text) {
            assert_eq!(Lock::parse("images/small.lock", &lock.render()), Ok(lock));
        }
    }
}
