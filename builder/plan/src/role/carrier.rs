//! Owns how an engine and a program become user data: gzip of a script that holds, in one line of
//! base64, xz of the executable with the program at its end. cloud-init and `vmimage-launch` both
//! inflate gzip, but cloud-init drops whatever is not text. The same inputs give the same bytes.

use std::num::NonZeroU64;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firstboot::USER_DATA_LIMIT_BYTES;
use firstboot::program::{BASE, BEGIN_AT, SIZES_AT};
use liblzma::stream::{Action, Check, Filters, LzmaOptions, MatchFinder, Mode, Status, Stream};
use serde::Serialize;

use crate::definition::Architecture;

/// The engine of each architecture; empty where it could not be built.
const ENGINES: [(Architecture, &[u8]); 2] = [
    (
        Architecture::X86_64,
        include_bytes!(concat!(env!("OUT_DIR"), "/engine-x86_64")),
    ),
    (
        Architecture::Arm64,
        include_bytes!(concat!(env!("OUT_DIR"), "/engine-arm64")),
    ),
];

/// What unpacks the executable and becomes it. It says on one line what does not work.
const STUB: &str = include_str!("stub.sh");

/// The line of the stub that the data stands for.
const DATA_LINE: &str = "\n@\n";

/// Beyond this many rounds zopfli finds nothing more in text of base64.
const ROUNDS: NonZeroU64 = NonZeroU64::new(5).expect("five is not zero");

/// Larger than what is packed, so that nothing of it is too far away.
const DICTIONARY_BYTES: u32 = 1 << 18;

/// User data, and how large its parts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carrier {
    /// The user data.
    pub bytes: Vec<u8>,
    /// How it came to this size.
    pub sizes: Sizes,
}

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sizes {
    /// The engine.
    pub engine: usize,
    /// The program.
    pub program: usize,
    /// Both, compressed.
    pub compressed: usize,
    /// The user data.
    pub whole: usize,
}

impl Sizes {
    /// What EC2 would still take; `None` beyond its limit.
    pub const fn left(&self) -> Option<usize> {
        USER_DATA_LIMIT_BYTES.checked_sub(self.whole)
    }
}

/// There is no engine for an architecture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this vmimage was built without an engine for {}", architecture.as_str())]
pub struct NoEngine {
    /// The architecture.
    pub architecture: Architecture,
}

impl NoEngine {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self.architecture {
            Architecture::X86_64 => {
                "run `rustup target add x86_64-unknown-linux-gnu`, then build vmimage anew"
            }
            Architecture::Arm64 => {
                "build vmimage with `make build-arm64`, or run `rustup target add aarch64-unknown-linux-gnu` and build it anew"
            }
        }
    }
}

/// What runs programs on an architecture: an executable whose one segment goes on with the program.
#[derive(Clone, Copy, Debug)]
pub struct Engine<'a> {
    /// The architecture.
    pub architecture: Architecture,
    /// The executable, which ends where its segment does.
    pub bytes: &'a [u8],
}

impl Engine<'static> {
    /// The one that this program was built with.
    pub fn of(architecture: Architecture) -> Result<Self, NoEngine> {
        let engine = ENGINES.iter().find(|(of, _)| *of == architecture);
        let bytes = engine.map(|(_, bytes)| *bytes);
        let bytes = bytes.filter(|bytes| !bytes.is_empty());
        bytes
            .map(|bytes| Self {
                architecture,
                bytes,
            })
            .ok_or(NoEngine { architecture })
    }
}

impl Engine<'_> {
    /// The executable that runs `program`.
    pub fn executable(&self, program: &[u8]) -> Vec<u8> {
        let mut bytes = [self.bytes, program].concat();
        let length = bytes.len();
        for (at, number) in [
            (BEGIN_AT, BASE + self.bytes.len()),
            (SIZES_AT[0], length),
            (SIZES_AT[1], length),
        ] {
            // A number of eight bytes, the lowest first (ELF-64, `Elf64_Phdr`).
            for (place, byte) in bytes[at..].iter_mut().zip(number.to_le_bytes()) {
                *place = byte;
            }
        }
        bytes
    }

    /// Makes user data that runs `program`. It may be larger than what EC2 takes.
    pub fn carry(&self, program: &[u8]) -> Carrier {
        let compressed = compress(self.architecture, &self.executable(program));
        let script = STUB.replace(DATA_LINE, &format!("\n{}\n", STANDARD.encode(&compressed)));
        let bytes = gzip(script.as_bytes());
        let sizes = Sizes {
            engine: self.bytes.len(),
            program: program.len(),
            compressed: compressed.len(),
            whole: bytes.len(),
        };
        Carrier { bytes, sizes }
    }
}

/// The executable that runs `program` on an architecture.
pub fn executable(architecture: Architecture, program: &[u8]) -> Result<Vec<u8>, NoEngine> {
    Ok(Engine::of(architecture)?.executable(program))
}

/// Makes user data that runs `program` on an architecture. It may be larger than what EC2 takes.
pub fn carry(architecture: Architecture, program: &[u8]) -> Result<Carrier, NoEngine> {
    Ok(Engine::of(architecture)?.carry(program))
}

/// The smallest xz that xz-utils unpacks: one block, no checksum beside gzip's own.
fn compress(architecture: Architecture, bytes: &[u8]) -> Vec<u8> {
    let mut options = LzmaOptions::new();
    options
        .dict_size(DICTIONARY_BYTES)
        // Half of it is text, and instructions have no alignment.
        .literal_context_bits(3)
        .literal_position_bits(0)
        .position_bits(0)
        .mode(Mode::Normal)
        .match_finder(MatchFinder::BinaryTree4)
        // Found by trying them all on the programs of the virtualmin image: longer ones cost 30 bytes.
        .nice_len(48)
        .depth(1_000);
    let mut filters = Filters::new();
    match architecture {
        Architecture::X86_64 => filters.x86(),
        Architecture::Arm64 => filters.arm64(),
    };
    filters.lzma2(&options);
    let mut stream = Stream::new_stream_encoder(&filters, Check::None)
        .expect("liblzma is built with these filters");
    let mut packed = Vec::with_capacity(bytes.len() + 1_024);
    let status = stream.process_vec(bytes, &mut packed, Action::Finish);
    assert!(
        matches!(status, Ok(Status::StreamEnd)),
        "there is room for all that xz writes"
    );
    packed
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let options = zopfli::Options {
        iteration_count: ROUNDS,
        ..zopfli::Options::default()
    };
    let mut packed = Vec::new();
    zopfli::compress(options, zopfli::Format::Gzip, text, &mut packed)
        .expect("writing to memory does not fail");
    packed
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use flate2::read::GzDecoder;

    use super::{Architecture, NoEngine, STUB, carry, executable};

    #[test]
    fn what_has_no_engine_says_how_to_get_one() {
        let none = NoEngine {
            architecture: Architecture::Arm64,
        };
        assert_eq!(
            (none.to_string().as_str(), none.hint()),
            (
                "this vmimage was built without an engine for arm64",
                "build vmimage with `make build-arm64`, or run `rustup target add aarch64-unknown-linux-gnu` and build it anew"
            )
        );
    }

    #[test]
    fn a_carrier_holds_the_engine_and_the_program_and_is_always_the_same() {
        let program = b"a program";
        let carrier = carry(Architecture::X86_64, program).unwrap();
        assert_eq!(carrier, carry(Architecture::X86_64, program).unwrap());
        // Magic, deflate, no flags, no time, best compression, one operating system.
        assert_eq!(carrier.bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3]);
        let mut script = String::new();
        GzDecoder::new(&carrier.bytes[..])
            .read_to_string(&mut script)
            .unwrap();
        assert!(script.is_ascii() && script.starts_with("#!/bin/sh\n"));
        assert!(
            !script.to_lowercase().contains("mime-version:"),
            "cloud-init would look for parts"
        );
        let before = STUB.lines().position(|line| line == "@").unwrap();
        let data = STANDARD
            .decode(script.lines().nth(before).unwrap())
            .unwrap();
        let mut unpacked = Vec::new();
        liblzma::read::XzDecoder::new(&data[..])
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, executable(Architecture::X86_64, program).unwrap());
        assert_eq!(unpacked[..4], *b"\x7fELF");
        assert!(unpacked.ends_with(b"a program"));
        let sizes = carrier.sizes;
        assert_eq!(
            (sizes.engine, sizes.program, sizes.compressed, sizes.whole),
            (unpacked.len() - 9, 9, data.len(), carrier.bytes.len())
        );
    }
}
