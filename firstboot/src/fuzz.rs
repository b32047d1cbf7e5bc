//! Everything that reads what others wrote, with bytes made by chance and with good input damaged by
//! chance: it may refuse, and must neither panic nor loop.

use crate::bytes::{Text, between, cut, is_word, last_line, nth, parse_number, split};
use crate::facts::{Facts, field, put};
use crate::reader::{Step, header};
use crate::{imds, json};

/// How many inputs each parser gets.
const ROUNDS: u32 = 20_000;

/// Numbers by xorshift (Marsaglia, 2003): the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % limit
    }

    /// Bytes of which many mean something, or a sample with some of them changed, lost or repeated.
    fn input(&mut self, samples: &[&[u8]]) -> &'static [u8] {
        let mut bytes: Vec<u8> = match self.below(3) {
            0 => (0..self.below(40)).map(|_| self.below(256) as u8).collect(),
            1 => (0..self.below(40)).map(|_| self.below(8) as u8).collect(),
            _ => samples[self.below(samples.len())].to_vec(),
        };
        for _ in 0..self.below(4) {
            if bytes.is_empty() {
                break;
            }
            let at = self.below(bytes.len());
            match self.below(3) {
                0 => bytes[at] = self.below(256) as u8,
                1 => bytes.truncate(at),
                _ => bytes.insert(at, self.below(128) as u8),
            }
        }
        Box::leak(bytes.into_boxed_slice())
    }
}

#[test]
fn programs() {
    let samples: [&[u8]; 2] = [
        b"web\0h\0g\0p\0a\nb\0\x0012\0\x02\x05\x20\x21300\0\x20\0title\0x\x7f\0\0\0\0\0",
        b"\x05\0\0\x0030\0\x20\0 title\0\x20\x21\x003\0about\0\0\0",
    ];
    let mut chance = Chance(1);
    for _ in 0..ROUNDS {
        let mut program = chance.input(&samples);
        header(&mut program);
        for _ in 0..4 {
            let before = program.len();
            let step = Step::read(&mut program);
            assert!(program.len() < before || before == 0);
            step.deadline_secs();
        }
    }
}

#[test]
fn templates_and_values() {
    let samples: [&[u8]; 4] = [
        b"a\x01\x20\x01b\x02\x21\x04\x02\x03,\x05\x03\xa2no\x05",
        b"\x02\x21\x02\x21\x04\x07\x01\x05\x05",
        b"\x03\x20\x03\x22x\x05\x05",
        b"1 i-1 10.1.0.4 1 a b c\n2 i-2 x",
    ];
    let mut chance = Chance(2);
    let mut text = Text::default();
    let mut facts = Facts::default();
    for round in 0..ROUNDS {
        if round % 500 == 0 {
            // What is kept is never given back.
            facts = Facts::default();
        }
        facts.set(32, chance.input(&samples));
        facts.set(33, chance.input(&samples));
        let template = chance.input(&samples);
        let _made = facts.expand(template, b"1 i-1 10.0.0.1", text.clear());
        let value = chance.input(&samples);
        for how in 0..10 {
            let _put = put(value, how, text.clear());
        }
        for number in 0..10 {
            field(value, number);
        }
        facts.all_hold(value);
    }
}

#[test]
fn answers() {
    let samples: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        br#"{"a":"b\n\u0041","n":12,"Value":"x\"y"}"#,
        b"<a><instanceId>i-1</instanceId><nextToken>x</nextToken></a>",
        b"one\n\ntwo \n",
    ];
    let mut chance = Chance(3);
    let mut text = Text::default();
    for _ in 0..ROUNDS {
        let answer = chance.input(&samples);
        imds::taken_apart(answer);
        for key in [&b"a"[..], b"n", b"Value"] {
            if let Some(value) = json::raw(answer, key) {
                json::unescape(value, text.clear());
                assert!(text.get().len() <= value.len());
            }
        }
        between(answer, b"<instanceId>", b"<");
        split(answer, b"\r\n");
        let mut rest = answer;
        while !rest.is_empty() {
            cut(&mut rest, b'\n');
        }
        nth(answer, b' ', 3);
        last_line(answer);
        is_word(answer, b"-");
        parse_number(answer);
    }
}
