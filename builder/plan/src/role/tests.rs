//! Programs byte by byte.

use std::fmt::Write as _;

use firstboot::Role;

use super::{Action, DecodeError, Program, ProgramError, Step, Text, compile, decode, encode};
use crate::Sources;
use crate::definition::{FLEET_FILE, Fleet, Image, load_fleet, load_image};
use crate::sources::SourceFile;

const FLEET: &str = r#"format = 1
cluster = "hosting"
domain = "example.org"
state = "s3://example-state/hosting"
image = "small"
primary = "us-east-1"

[[region]]
name = "us-east-1"
wave = 2

[[region]]
name = "eu-west-1"
wave = 1
"#;

const IMAGE: &str = r#"format = 1
name = "small"
description = "A small image"
suite = "trixie"
architectures = ["x86_64"]
recipes = ["base", "late"]
"#;

const BASE: &str = r#"format = 1
name = "base"
description = "Debian"
packages = ["apt"]

[[repository]]
archive = "debian"
url = "http://deb.debian.org/debian"
suites = ["trixie"]
components = ["main"]
fingerprints = ["B8B8 0B5B 623E AB6A D877  5C45 B7C5 D7D6 3509 47F8"]
key = "key"
"#;

/// The fleet and the image whose recipe `base` has the steps `base`, and `late` the others.
fn load(base: &str, late: &str) -> (Fleet, Image) {
    let mut sources = Sources::default();
    let base = format!("{BASE}{base}");
    let late = format!("format = 1\nname = \"late\"\ndescription = \"More\"\n{late}");
    for (path, text) in [
        (FLEET_FILE, FLEET),
        ("images/small.toml", IMAGE),
        ("recipes/base/recipe.toml", &base),
        ("recipes/base/key", "a key\n"),
        ("recipes/late/recipe.toml", &late),
    ] {
        let bytes = text.as_bytes().to_vec();
        let executable = false;
        sources.insert(path, SourceFile { bytes, executable });
    }
    let (fleet, problems) = load_fleet(&sources, FLEET_FILE);
    assert_eq!(problems, []);
    let (image, problems) = load_image(&sources, "images/small.toml");
    assert_eq!(problems, []);
    (fleet.unwrap(), image.unwrap())
}

/// The program of the storage nodes.
fn program(base: &str, late: &str) -> Program {
    let (fleet, image) = load(base, late);
    let compiled = compile(&fleet, &image.recipes, Role::Storage).unwrap();
    compiled.program
}

const HEADER: &[u8] =
    b"storage\0vmimage-launch\0hosting-storage\0us-east-1\0\x02eu-west-1\0us-east-1\0";

/// The bytes of the steps, in hexadecimal words where they are no text.
#[track_caller]
fn check(base: &str, late: &str, expected: &[&[u8]]) {
    let program = program(base, late);
    let bytes = encode(&program).unwrap();
    let count = u16::try_from(expected.len()).unwrap().to_le_bytes();
    let wanted = [HEADER, &count, &expected.concat()].concat();
    assert_eq!(
        bytes.escape_ascii().to_string(),
        wanted.escape_ascii().to_string()
    );
    assert_eq!(decode(&bytes), Ok(program));
}

fn step(more: &str) -> String {
    format!("\n[[boot]]\nroles = [\"storage\"]\nname = \"n\"\n{more}\n")
}

#[test]
fn a_program_without_steps_is_its_header() {
    check("", "", &[]);
}

#[test]
fn what_finds_out() {
    check(
        &(step("volume = \"/srv\"\nfilesystem = \"xfs\"\nas = \"volume\"\nat-most-secs = 258")
            + &step(
                "peers = \"web\"\nregions = \"all\"\nself = true\nat-least = \"{{size}}\"\nas = \"webs\"",
            )
            + &step("peers = \"storage\"")
            + &step(
                "claim = \"{{region}}/s.json\"\ntoken = \"{{volume}}\"\nmay-claim = [\"in-primary\", \"!slot\"]\nas = \"boss\"",
            )
            + &step(
                "set = \"{{boss.mine}}{{boss.epoch|number}}\"\nequals = \"x\"\nas = \"done\"\neach = \"webs\"\nwhen = [\"volume\", \"!webs\"]",
            )),
        "",
        &[
            b"\x07\0\x20\0\x02\x01\0n\0/srv\0xfs\0",
            b"\x06\0\x21\0\x58\x02\0n\0\x03web\0\x01\x0f\x05\0",
            b"\x06\0\0\0\x58\x02\0n\0\0storage\x000\0",
            b"\x04\0\x22\0\x2c\x01\0n\0\x01\x04\x01/s.json\0\x01\x20\x01\0\x02\x16\x8e",
            b"\x0a\0\x27\x21\0\0\x02\x20\xa1n\0\x01\x01\x22\x01\x01\x26\x05\0x\0",
        ],
    );
}

#[test]
fn what_acts() {
    check(
        &(step(
            "write = \"/etc/x\"\ncontent = \"a={{address}}\"\nformat = \"json\"\nmode = \"0640\"\nowner = \"a:b\"\nas = \"new\"",
        ) + &step("run = [\"a\", \"{{zone}}\"]\nalways = true\nwhen = [\"new\"]")
            + &step(
                "run = [\"a\"]\nunless = [\"b\", \"c\"]\nstdin = \"{{zone}}\"\nformat = \"sql\"\nas = \"said\"",
            )
            + &step(
                "wait = [\"a\"]\nstdin = \"{{zone}}\"\nformat = \"shell\"\nexpect = \"{{said}}\"",
            )
            + &step("start = [\"a.service\", \"b@{{slot}}.service\"]")),
        "",
        &[
            b"\x01\0\x20\0\0\0\0n\0\xa0\x01a:b\0/etc/x\0a=\x01\x02\x04\0",
            b"\x02\x01\0\0\x2c\x01\x01\x20n\0\x02a\0\x01\x05\x01\0\0\0",
            b"\x02\0\x21\0\x2c\x01\0n\0\x01a\0\x01\x05\x02\0\x02b\0c\0",
            b"\x03\0\0\0\x78\0\0n\0\x01a\0\x01\x05\x03\0\x01\x21\x01\0",
            b"\x08\0\0\0\x3c\0\0n\0\x02a.service\0b@\x01\x0e\x01.service\0",
        ],
    );
}

#[test]
fn blocks_and_fields() {
    let list = step("peers = \"storage\"\nas = \"l\"");
    let text = "{{#each l}}{{.address}}{{#if !slot}},{{.number|json}}{{/if}};{{/each}}";
    check(
        &(list + &step(&format!("run = [\"a\", \"{text}\"]"))),
        "",
        &[
            b"\x06\0\x20\0\x58\x02\0n\0\0storage\x000\0",
            b"\x02\0\0\0\x2c\x01\0n\0\x02a\0\x02\x20\x04\x02\x01\x03\x8e,\x04\x07\x04\x05;\x05\0\0\0",
        ],
    );
}

#[test]
fn steps_are_in_the_order_of_stages_then_recipes() {
    let named = |name: &str, stage: &str, roles: &str| {
        format!(
            "\n[[boot]]\nname = \"{name}\"\nroles = [{roles}]\nstage = \"{stage}\"\nset = \"\"\nas = \"x\"\n"
        )
    };
    let program = program(
        &(named("4", "ready", "\"*\"")
            + &named("2", "configure", "\"web\", \"storage\"")
            + &named("not", "configure", "\"web\"")),
        &(named("3", "configure", "\"storage\"")
            + &named("1", "prepare", "\"storage\"")
            + &named("5", "report", "\"storage\"")),
    );
    let order: Vec<_> = program
        .steps
        .iter()
        .map(|step| {
            (
                step.title.0.escape_ascii().to_string(),
                step.flags,
                step.sets,
            )
        })
        .collect();
    let expected = ["1", "2", "3", "4", "5"].map(|n| (n.to_owned(), u8::from(n == "5") * 2, 32));
    assert_eq!(order, expected);
}

#[test]
fn what_the_report_does_is_repeated() {
    check(
        &(step("stage = \"report\"\nrun = [\"a\"]\nas = \"lag\"")
            + &step("report-content = '\"lag\":{{lag}}'")),
        "",
        &[
            b"\x02\x03\x20\0\x2c\x01\0n\0\x01a\0\0\0",
            b"\x09\x02\0\0\0\0\0n\0\"lag\":\x01\x20\x04\0",
        ],
    );
}

#[test]
fn secrets_are_read_once_and_mark_what_they_take_part_in() {
    check(
        &(step("secrets = [\"a\", \"b\"]\nwhen = [\"slot\"]") + &step("secrets = [\"c\", \"a\"]")),
        &(step("secrets = [\"a\", \"c\", \"b\", \"d\"]")
            + &step("set = \"{{secret.a}}\"\nas = \"x\"")
            + &step("set = \"{{secret.a}}\"\nequals = \"\"\nas = \"y\"")
            + &step("run = [\"r\", \"{{y}}\"]\nstdin = \"{{x}}\"\nas = \"z\"")
            + &step("run = [\"r\"]\nstdin = \"{{z}}\"")),
        &[
            b"\x05\x04\x20\0\x78\0\x01\x0en\0\x02a\0b\0",
            b"\x05\x04\x22\0\x78\0\0n\0\x01c\0",
            b"\x05\x04\x20\0\x78\0\0n\0\x01a\0",
            b"\x05\x04\x21\0\x78\0\0n\0\x01b\0",
            b"\x05\x04\x23\0\x78\0\0n\0\x01d\0",
            b"\x0a\x04\x24\0\0\0\0n\0\0\x01\x20\x01\0\0",
            b"\x0a\x04\x25\0\0\0\0n\0\x01\x01\x20\x01\0\0",
            b"\x02\x04\x26\0\x2c\x01\0n\0\x02r\0\x01\x25\x01\0\x01\x24\x01\0\0",
            b"\x02\x04\0\0\x2c\x01\0n\0\x01r\0\x01\x26\x01\0\0",
        ],
    );
}

#[test]
fn names_of_facts_come_with_their_numbers() {
    let (fleet, image) = load(
        &step("claim = \"x\"\ntoken = \"y\"\nas = \"w\""),
        &step("secrets = [\"s\"]"),
    );
    let compiled = compile(&fleet, &image.recipes, Role::Storage).unwrap();
    let names = compiled
        .facts
        .iter()
        .fold(String::new(), |mut text, (number, name)| {
            let _ = writeln!(text, "{number} {name}");
            text
        });
    assert_eq!(
        names,
        "32 w.mine\n33 w.instance\n34 w.address\n35 w.region\n36 w.epoch\n37 secret.s\n"
    );
}

#[test]
fn what_cannot_be_written_is_refused() {
    let step = |action| Step {
        flags: 0,
        sets: 0,
        each: 0,
        deadline_secs: 0,
        when: Vec::new(),
        title: Text::default(),
        action,
    };
    let with = |action| Program {
        steps: vec![step(action)],
        ..Program::default()
    };
    let units = vec![Text::default(); 256];
    assert_eq!(
        encode(&with(Action::Start { units })),
        Err(ProgramError::ListTooLong { count: 256 })
    );
    let members = Text(vec![b'a', 0]);
    assert_eq!(
        encode(&with(Action::Report { members })),
        Err(ProgramError::Nul)
    );
}

/// A small generator with a fixed seed (xorshift64*), so that every run tries the same.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u8) -> u8 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let [.., byte, _] = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes();
        byte % bound
    }

    fn text(&mut self, depth: u8) -> Text {
        let mut bytes = Vec::new();
        for _ in 0..self.below(5) {
            match self.below(if depth < 3 { 6 } else { 4 }) {
                0 => bytes.extend([1, 1 + self.below(126), 1 + self.below(6)]),
                1 => bytes.extend([4, 1 + self.below(7), 1 + self.below(6)]),
                2 | 3 => bytes.extend([6 + self.below(250), 0x80]),
                block => {
                    bytes.extend([block - 2, 1 + self.below(126)]);
                    bytes.extend(self.text(depth + 1).0);
                    bytes.push(5);
                }
            }
        }
        Text(bytes)
    }

    fn list(&mut self) -> Vec<Text> {
        (0..self.below(4)).map(|_| self.text(0)).collect()
    }

    fn conditions(&mut self) -> Vec<u8> {
        (0..self.below(4)).map(|_| 1 + self.below(126)).collect()
    }

    fn action(&mut self) -> Action {
        match self.below(10) {
            0 => Action::Write {
                mode: u16::from(self.below(255)) * 7,
                owner: self.text(0),
                path: self.text(0),
                content: self.text(0),
            },
            1 => Action::Run {
                argv: self.list(),
                stdin: self.text(0),
                unless: self.list(),
            },
            2 => Action::Wait {
                argv: self.list(),
                stdin: self.text(0),
                expect: self.text(0),
            },
            3 => Action::Claim {
                key: self.text(0),
                token: self.text(0),
                may_claim: self.conditions(),
            },
            4 => Action::Secrets { names: self.list() },
            5 => Action::Peers {
                scope: self.below(4),
                role: self.text(0),
                at_least: self.text(0),
            },
            6 => Action::Volume {
                mount: self.text(0),
                filesystem: self.text(0),
            },
            7 => Action::Start { units: self.list() },
            8 => Action::Report {
                members: self.text(0),
            },
            _ => Action::Set {
                compare: self.below(2) == 1,
                text: self.text(0),
                equals: self.text(0),
            },
        }
    }

    fn program(&mut self) -> Program {
        let steps = (0..self.below(6)).map(|_| Step {
            flags: self.below(8),
            sets: self.below(127),
            each: self.below(127),
            deadline_secs: u16::from(self.below(255)) * 255,
            when: self.conditions(),
            title: self.text(0),
            action: self.action(),
        });
        let steps = steps.collect();
        Program {
            role: self.text(0),
            hook: self.text(0),
            group: self.text(0),
            primary: self.text(0),
            regions: self.list(),
            steps,
        }
    }
}

#[test]
fn every_program_is_read_back_as_it_was() {
    let mut random = Random(0x5eed);
    for _ in 0..2_000 {
        let program = random.program();
        let bytes = encode(&program).unwrap();
        assert_eq!(decode(&bytes), Ok(program));
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(decode(&longer), Err(DecodeError::Long { at: bytes.len() }));
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length} of {bytes:?}");
        }
    }
}

#[test]
fn what_is_no_program_is_refused_and_what_is_taken_is_written_the_same() {
    let mut random = Random(0xbad);
    let mut taken = 0;
    for _ in 0..20_000 {
        let mut bytes = encode(&random.program()).unwrap();
        for _ in 0..=random.below(2) {
            let at = usize::from(random.below(250)) % bytes.len();
            bytes[at] = random.below(16);
        }
        if let Ok(program) = decode(&bytes) {
            taken += 1;
            assert_eq!(encode(&program).as_deref(), Ok(&bytes[..]));
        }
    }
    assert!(taken > 100, "some changes leave a program: {taken}");
    let error = decode(b"\0\0\0\0\0\x01\0\x0b").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the byte 11 at 7 is not what a step does"
    );
}
