//! Programs byte by byte.

use firstboot::Role;
use firstboot::program::{flag, op};

use super::{DecodeError, Program, Step, compile, decode, encode};
use crate::Sources;
use crate::address::PRIVATE_RANGES;
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
    let compiled = compile(&fleet, &PRIVATE_RANGES, &image.recipes, Role::Storage).unwrap();
    compiled.program
}

const HEADER: &[u8] =
    b"storage\0vmimage-launch\0hosting-storage-\x01\x0e\x01\0us-east-1\0eu-west-1\nus-east-1\0\0";

/// How many steps every program ends with: the time and the report on both occasions, and on one of
/// them whether the node is ready.
const LAST: usize = 7;

/// The bytes of the steps before those that every program ends with.
#[track_caller]
fn check(base: &str, late: &str, expected: &[&[u8]]) {
    let program = program(base, late);
    let bytes = encode(&program).unwrap();
    assert_eq!(decode(&bytes), Ok(program.clone()));
    let count = (expected.len() + LAST).to_string();
    assert_eq!(program.steps.len().to_string(), count);
    let own = Program {
        steps: program.steps[..expected.len()].to_vec(),
        ..program
    };
    let wanted = [
        HEADER,
        expected.len().to_string().as_bytes(),
        b"\0",
        &expected.concat(),
    ]
    .concat();
    assert_eq!(
        encode(&own).unwrap().escape_ascii().to_string(),
        wanted.escape_ascii().to_string()
    );
}

fn step(more: &str) -> String {
    format!("\n[[boot]]\nroles = [\"storage\"]\nname = \"n\"\n{more}\n")
}

#[test]
fn files_and_facts() {
    check(
        &(step(
            "write = \"/etc/x\"\ncontent = \"a={{address}}\"\nformat = \"json\"\nmode = \"0640\"\nas = \"new\"",
        ) + &step("write = \"/etc/y\"\ncontent = \"\"\nmode = \"0600\"\nowner = \"a:b\"")
            + &step("set = \"{{zone}}\"\nas = \"z\"\nwhen = [\"new\", \"!slot\"]")
            + &step("set = \"{{z|number}}\"\nequals = \"x\"\nas = \"same\"")),
        "",
        &[
            b"\x01\0\x20\x0060\0\0n\0/etc/x\0a=\x01\x02\x04\x00416\0\0\0",
            b"\x01\0\0\x0060\0\0n\0/etc/y\0\0\0\0\0",
            b"\x02\0\0\x0060\0\0 n\0chown\x7fa:b\x7f/etc/y\x7f\0\0\0\0\0",
            b"\x04\0\x21\x0060\0\x20\x8e\0n\0\x01\x05\x01\0\0\0\0\0",
            b"\x04\x01\x22\x0060\0\0n\0\x01\x21\x05\0x\0\0\0\0",
        ],
    );
}

#[test]
fn every_fact_may_stand_in_an_argument() {
    // The sixth, and the sixth way to quote.
    check(
        &step("run = [\"{{aws-domain}}\", \"{{zone|pem40}}x\"]\nalways = true"),
        "",
        &[b"\x02\0\0\x00300\0\0n\0\x01\x06\x01\x7f\x01\x05\x06x\x7f\0\0\0\0\0"],
    );
}

#[test]
fn commands() {
    check(
        &(step("run = [\"a\", \"{{zone}}\"]\nalways = true\nat-most-secs = 7")
            + &step("run = [\"a\"]\nstdin = \"{{zone}}\"\nformat = \"sql\"\nas = \"said\"")
            + &step("run = [\"a\"]\nunless = [\"b\", \"c\"]")
            + &step("wait = [\"a\"]\nexpect = \"{{said}}\"")),
        "",
        &[
            b"\x02\0\0\x007\0\0n\0a\x7f\x01\x05\x01\x7f\0\0\0\0\0",
            b"\x02\x01\x20\x00300\0\0n\0a\x7f\0\x01\x05\x02\0\0\0\0",
            b"\x02\x10\x21\x00300\0\0\0b\x7fc\x7f\0\0\0\0\0",
            b"\x02\0\0\x00300\0\xa1\0n\0a\x7f\0\0\0\0\0",
            b"\x02\x08\0\x00120\0\0n\0a\x7f\0\0\x01\x20\x01\0\0\0",
        ],
    );
}

/// The end of a step that reads a secret.
const SECRET: &[u8] = b"header = \"content-type: application/x-amz-json-1.1\"\nheader = \"x-amz-target: AmazonSSM.GetParameter\"\ndata-raw = \"{\\\"WithDecryption\\\":true,\\\"Name\\\":\\\"/vmimage/\x01\x09\x01/x\\\"}\"\n\0Value\x7f\0";

#[test]
fn a_secret_is_looked_at_for_all_the_places_it_goes_to_before_it_goes_there() {
    let read = |flags: u8, rest: &[u8]| {
        let begin = [
            &[3, flags, 0x20, 0][..],
            rest,
            b"\0secret x\0ssm\0\x01\x04\x01\0\0",
        ]
        .concat();
        [&begin, SECRET].concat()
    };
    let launch = read(flag::SECRET, b"120\0\x0e");
    // What a report does not get leaves what is there as it is, and is not looked at.
    let report = read(flag::SECRET | flag::MAY_FAIL | flag::REPORT, b"7\0");
    check(
        &(step("secrets = [\"x\"]\nwhen = [\"slot\"]\nstage = \"prepare\"")
            + &step("write = \"/x\"\nmode = \"0600\"\nformat = \"option-file\"\ncontent = \"p = {{secret.x}}\"")
            + &step("run = [\"a\"]\nalways = true\nstdin = \"{{secret.x|raw}}{{secret.x|sql}}{{secret.x}}\"")),
        &(step("secrets = [\"x\"]\nat-most-secs = 7\nstage = \"report\"")
            + &step("run = [\"b\"]\nstage = \"report\"\nformat = \"environment\"\nstdin = \"{{secret.x}}\"")),
        &[
            &launch,
            b"\x02\x04\0\x0060\0\x0e\0 secrets\0/usr/lib/vmimage/secret\x7fx\x7fenvironment\x7foption-file\x7fplain\x7f\0\x01\x21\x07\0\0\0\0",
            b"\x01\x04\0\x0060\0\0n\0/x\0p = \x01\x21\x02\0\0\0\0",
            b"\x02\x04\0\x00300\0\0n\0a\x7f\0\x01\x21\x07\x01\x21\x02\x01\x21\x01\0\0\0\0",
            &report,
            b"\x02\x06\0\x00300\0\0n\0b\x7f\0\x01\x21\x03\0\0\0\0",
        ],
    );
}

/// Of the members that steps add, one that says so makes the node's state `unready`.
#[test]
fn a_report_is_of_a_node_that_is_ready_only_if_no_member_says_otherwise() {
    let steps = program("", "").steps;
    let [time, look, document, ..] = &steps[..] else {
        panic!("a report is at least three steps")
    };
    assert_eq!((time.flags, look.op), (flag::REPORT, op::RUN));
    let members = look.fields[1][1];
    assert_eq!(
        (&look.fields[..3], look.flags),
        (
            &[
                b"cat\x7f".to_vec(),
                vec![1, members, 7],
                b"\"ready\":false".to_vec()
            ][..],
            flag::REPORT | flag::MAY_FAIL
        )
    );
    let begin = [
        &b"{\"format\":1,\"state\":\"\x03"[..],
        &[look.sets],
        b"un\x05\x01\x18\x01\",",
    ]
    .concat();
    assert!(document.fields[0].starts_with(&begin));
    let failed = steps
        .iter()
        .find(|step| step.op == op::SET && step.flags & flag::FAILED != 0);
    let failed = &failed.unwrap().fields[0];
    assert!(failed.starts_with(b"{\"format\":1,\"state\":\"\x01\x18\x01\","));
}

#[test]
fn units_are_started_and_stopped_when_the_launch_fails() {
    let steps = program(&step("start = [\"a.service\", \"b@{{slot}}.timer\"]"), "").steps;
    assert_eq!(steps.len(), 1 + LAST + 1);
    assert_eq!(
        (
            steps[0].fields[0].as_slice(),
            steps[0].flags,
            steps[0].deadline_secs
        ),
        (
            &b"systemctl\x7fstart\x7fa.service\x7fb@\x01\x0e\x01.timer\x7f"[..],
            0,
            60
        )
    );
    let stop = &steps[5];
    assert_eq!(
        (stop.fields[0].as_slice(), stop.flags, stop.deadline_secs),
        (
            &b"systemctl\x7fstop\x7f--no-block\x7fa.service\x7fb@\x01\x0e\x01.timer\x7f"[..],
            flag::FAILED | flag::MAY_FAIL,
            10
        )
    );
}

#[test]
fn what_is_added_to_is_what_was_cleared() {
    let peers = "peers = \"web\"\nat-least = \"2\"\nas = \"webs\"\nregions = \"all\"";
    for steps in program(&(step(peers) + &step(peers)), "").steps[..12].chunks(6) {
        let [clear, ask, list, count, repeat, _] = steps else {
            panic!("six steps")
        };
        assert_eq!(
            [clear.op, ask.op, repeat.op],
            [op::SET, op::REQUEST, op::REPEAT]
        );
        assert_eq!((ask.sets + 1, ask.each), (clear.sets, 20));
        assert_eq!(list.fields[1], [1, clear.sets, 7]);
        assert_eq!(count.fields[1], [1, list.sets, 7]);
        assert_eq!(
            (repeat.fields[0].as_slice(), repeat.fields[1].as_slice()),
            (&[count.sets][..], &b"4"[..])
        );
    }
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

    /// Bytes without NUL.
    fn field(&mut self) -> Vec<u8> {
        (0..self.below(5)).map(|_| 1 + self.below(255)).collect()
    }

    fn program(&mut self) -> Program {
        let steps = (0..self.below(6)).map(|_| Step {
            op: 1 + self.below(6),
            flags: self.below(255),
            sets: self.below(127),
            each: self.below(127),
            deadline_secs: u16::from(self.below(255)) * 255,
            when: self.field(),
            title: self.field(),
            fields: std::array::from_fn(|_| self.field()),
        });
        let steps = steps.collect();
        Program {
            role: self.field(),
            hook: self.field(),
            group: self.field(),
            primary: self.field(),
            regions: self.field(),
            endpoint: self.field(),
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
    for (bytes, expected) in [
        (
            &b"\0\0\0\0\0\x001\0\x0b"[..],
            "the byte 11 at 8 is not what a step does",
        ),
        (b"\0\0\0\0\0\x0001\0", "there is no number at byte 6"),
        (
            b"\0\0\0\0\0\0\0x",
            "the program goes on after its last step, at byte 7",
        ),
        (
            b"\0\0\0x",
            "the program ends at byte 3, in the middle of something",
        ),
    ] {
        assert_eq!(decode(bytes).unwrap_err().to_string(), expected);
    }
}
