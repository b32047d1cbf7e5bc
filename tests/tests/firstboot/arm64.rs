//! The engine for arm64, built with Debian's compiler as `make build-arm64` does, and run by QEMU where
//! the machine has another processor. What it runs is the machine's own. Needs root, and apt's mirror.

#[path = "../../../builder/plan/engine.rs"]
mod engine;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::Compiler;
use firstboot::Role;
use flate2::read::GzDecoder;
use vmimage_plan::address::PRIVATE_RANGES;
use vmimage_plan::definition::{Architecture, FLEET_FILE, load_fleet, load_image};
use vmimage_plan::role::{Engine, compile, encode};
use vmimage_tests::project::{copy, definitions, repository};

use super::bad;
use super::harness::{Machine, World};

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Debian's compiler, kept in the target directory.
fn compiler() -> Compiler {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("arm64-rustc");
    let script = repository().join("tests/arm64-rustc");
    let output = Command::new(script).arg(place).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let path = String::from_utf8(output.stdout).unwrap();
    let root = repository();
    let compiler = Compiler::of_cargo("rustc".into(), &root);
    let compiler = compiler.other(path.trim_end().into(), &root);
    assert!(compiler.has_core(TARGET), "{path}");
    compiler
}

/// Builds the engine from a folder of sources.
fn build(compiler: &Compiler, sources: &Path) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let engine = folder.path().join("engine");
    compiler.build(sources, TARGET, folder.path(), &engine);
    fs::read(engine).unwrap()
}

/// The engine, built once.
fn arm64() -> Engine<'static> {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    Engine {
        architecture: Architecture::Arm64,
        bytes: BYTES.get_or_init(|| build(&compiler(), &repository().join("firstboot"))),
    }
}

/// A node whose processor QEMU plays.
fn world() -> World {
    World::new().on(Machine {
        engine: arm64(),
        emulator: "qemu-aarch64",
    })
}

/// Numbers of an ELF file, the lowest byte first.
fn number(elf: &[u8], at: usize, length: usize) -> usize {
    let bytes = elf[at..at + length].iter().rev();
    bytes.fold(0, |number, byte| (number << 8) | usize::from(*byte))
}

#[test]
fn it_is_one_segment_and_the_same_bytes_wherever_it_is_built() {
    let elf = arm64().bytes;
    assert_eq!(elf[..7], *b"\x7fELF\x02\x01\x01", "64 bits, lowest first");
    let (kind, machine) = (number(elf, 16, 2), number(elf, 18, 2));
    assert_eq!((kind, machine), (2, 183), "ET_EXEC, EM_AARCH64");
    assert_eq!(number(elf, 56, 2), 2, "program headers");
    let segment = [(64, 4), (68, 4), (72, 8), (80, 8), (96, 8), (104, 8)]
        .map(|(at, length)| number(elf, at, length));
    // PT_LOAD, PF_R and PF_X, from the first byte on, and nothing behind it.
    assert_eq!(segment, [1, 5, 0, 0x40_0000, elf.len(), elf.len()]);
    // PT_GNU_STACK, PF_R and PF_W.
    assert_eq!((number(elf, 120, 4), number(elf, 124, 4)), (0x6474_e551, 6));

    let elsewhere = tempfile::tempdir().unwrap();
    let sources = elsewhere.path().join("another/place");
    copy(&repository().join("firstboot"), &sources);
    let again = build(&compiler(), &sources);
    assert!(again == elf, "{} and {} bytes", again.len(), elf.len());
}

#[test]
fn on_arm64_a_node_does_its_steps_tells_its_group_and_does_nothing_twice() {
    super::does_its_steps_once(&world());
}

#[test]
fn on_arm64_one_that_is_killed_anywhere_goes_on_where_it_was() {
    super::goes_on_where_it_was(&world());
}

#[test]
fn on_arm64_every_way_of_commands_to_fail_has_its_words() {
    bad::check_reasons(world, bad::commands_that_fail());
}

#[test]
fn on_arm64_a_full_disk_is_named_and_leaves_no_half_file() {
    bad::no_half_file_is_left(&world());
}

/// The executable that the xz of nodes makes of user data.
fn unpacked(user_data: &[u8]) -> Vec<u8> {
    let mut script = String::new();
    GzDecoder::new(user_data)
        .read_to_string(&mut script)
        .unwrap();
    let longest = script.lines().max_by_key(|line| line.len()).unwrap();
    let mut xz = Command::new("xz")
        .args(["--decompress", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let packed = STANDARD.decode(longest).unwrap();
    xz.stdin.take().unwrap().write_all(&packed).unwrap();
    xz.wait_with_output().unwrap().stdout
}

#[test]
fn every_role_leaves_room_on_arm64() {
    let definitions = definitions(&repository());
    let (fleet, _) = load_fleet(&definitions, FLEET_FILE);
    let (image, _) = load_image(&definitions, "images/virtualmin.toml");
    let (fleet, image) = (fleet.unwrap(), image.unwrap());
    for role in Role::ALL {
        let compiled = compile(&fleet, &PRIVATE_RANGES, &image.recipes, role).unwrap();
        let program = encode(&compiled.program).unwrap();
        let carrier = arm64().carry(&program);
        let (sizes, left) = (carrier.sizes, carrier.sizes.left().unwrap_or_default());
        assert!(
            left >= 1_000,
            "{} leaves {left} bytes: {sizes:?}",
            role.as_str()
        );
        assert!(unpacked(&carrier.bytes) == arm64().executable(&program));
    }
}
