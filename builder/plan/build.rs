//! Owns which engines user data can carry: one for each architecture whose core library is installed.
//! They are built here, and not by cargo, because they have no libc and are linked with their own
//! script.
#![expect(
    clippy::disallowed_methods,
    reason = "the crate is pure, what it carries has to be built"
)]

mod engine;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use engine::Compiler;

/// EC2's and Rust's names of the architectures.
const TARGETS: [(&str, &str); 2] = [
    ("x86_64", "x86_64-unknown-linux-gnu"),
    ("arm64", "aarch64-unknown-linux-gnu"),
];

/// The path of a compiler for arm64 alone, where cargo's has no core library for it: Debian's, for
/// example (`tests/arm64-rustc`).
const ARM64_RUSTC: &str = "VMIMAGE_ARM64_RUSTC";

fn main() {
    let out = PathBuf::from(variable("OUT_DIR"));
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let root = manifest.join("../..");
    let root = root.canonicalize().expect("the repository is there");
    let sources = root.join("firstboot");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=engine.rs");
    println!("cargo::rerun-if-changed={}", sources.display());
    println!("cargo::rerun-if-env-changed={ARM64_RUSTC}");
    let cargos = Compiler::of_cargo(variable("RUSTC"), &root);
    for (name, target) in TARGETS {
        let engine = out.join(format!("engine-{name}"));
        let own = (name == "arm64").then(|| arm64_compiler(&cargos, target, &root));
        let own = own.flatten();
        let compiler = own.as_ref().unwrap_or(&cargos);
        if compiler.has_core(target) {
            compiler.build(&sources, target, &out, &engine);
        } else {
            // What asks for it says that it is not there.
            fs::write(&engine, b"").expect("cargo's folder can be written to");
        }
    }
}

fn variable(name: &str) -> OsString {
    env::var_os(name).expect("cargo says so")
}

/// The compiler that the environment names.
fn arm64_compiler(cargos: &Compiler, target: &str, root: &Path) -> Option<Compiler> {
    let path = env::var_os(ARM64_RUSTC).filter(|path| !path.is_empty())?;
    let path = PathBuf::from(path);
    let shown = path.display();
    assert!(
        path.is_absolute() && path.exists(),
        "{ARM64_RUSTC} must be the whole path of a compiler, and `{shown}` is not"
    );
    println!("cargo::rerun-if-changed={shown}");
    let compiler = cargos.other(path.clone().into(), root);
    assert!(
        compiler.has_core(target),
        "{ARM64_RUSTC}: `{shown}` has no core library for {target}"
    );
    Some(compiler)
}
