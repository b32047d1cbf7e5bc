//! Owns the building of the engine that user data carries: `firstboot/` as a static executable for each
//! architecture whose core library is installed. It is built here, and not by cargo, because it has no
//! libc and is linked with its own script; the same compiler and sources give the same bytes wherever
//! they lie.
#![expect(
    clippy::disallowed_methods,
    reason = "the crate is pure, what it carries has to be built"
)]

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// EC2's and Rust's names of the architectures.
const TARGETS: [(&str, &str); 2] = [
    ("x86_64", "x86_64-unknown-linux-gnu"),
    ("arm64", "aarch64-unknown-linux-gnu"),
];

/// Small code, of which the carrier takes every byte.
const SMALL: [&str; 9] = [
    "--edition=2024",
    "-Copt-level=z",
    "-Cpanic=abort",
    "-Ccodegen-units=1",
    "-Cforce-unwind-tables=no",
    "-Cdebug-assertions=no",
    "-Coverflow-checks=no",
    "-Cllvm-args=-inline-threshold=0",
    // The lints of the workspace are for `cargo clippy`.
    "--cap-lints=allow",
];

fn main() {
    let out = PathBuf::from(variable("OUT_DIR"));
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let root = manifest.join("../..");
    let root = root.canonicalize().expect("the repository is there");
    let sources = root.join("firstboot");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", sources.display());
    let compiler = Compiler::new(&root);
    for (name, target) in TARGETS {
        let engine = out.join(format!("engine-{name}"));
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

/// The compiler that cargo uses.
struct Compiler {
    program: OsString,
    /// Where sources lie must not be told from the result.
    remap: Vec<OsString>,
}

impl Compiler {
    fn new(root: &Path) -> Self {
        let program = variable("RUSTC");
        let sysroot = said(Command::new(&program).args(["--print", "sysroot"]));
        let version = said(Command::new(&program).arg("-vV"));
        let commit = version
            .lines()
            .find_map(|line| line.strip_prefix("commit-hash: "));
        let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust");
        let remap = |from: &Path, to: &str| {
            let mut argument = OsString::from("--remap-path-prefix=");
            argument.push(from);
            argument.push("=");
            argument.push(to);
            argument
        };
        Self {
            program,
            remap: vec![
                remap(root, "/vmimage"),
                // Where the library's sources are installed, paths into it would be of this machine.
                remap(&library, &format!("/rustc/{}", commit.unwrap_or_default())),
            ],
        }
    }

    fn has_core(&self, target: &str) -> bool {
        let folder = said(Command::new(&self.program).args([
            "--print",
            "target-libdir",
            "--target",
            target,
        ]));
        let entries = fs::read_dir(folder.trim()).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name())
            .any(|name| name.to_string_lossy().starts_with("libcore-"))
    }

    fn build(&self, sources: &Path, target: &str, out: &Path, engine: &Path) {
        let library = out.join(format!("libfirstboot-{target}.rlib"));
        let mut command = self.command(target);
        command
            .args(["--crate-name=firstboot", "--crate-type=rlib"])
            .arg("-Cembed-bitcode=yes")
            .arg(sources.join("src/lib.rs"))
            .arg("-o")
            .arg(&library);
        run(&mut command);
        let mut command = self.command(target);
        command
            .args(["--crate-name=vmimage_firstboot", "--crate-type=bin"])
            .arg("--extern")
            .arg(joined("firstboot=", &library))
            .args(["-Clto=fat", "-Cstrip=symbols", "-Crelocation-model=static"])
            .args(["-Clinker=rust-lld", "-Clinker-flavor=ld.lld"])
            .arg(joined("-Clink-arg=-T", &sources.join("link.ld")))
            .args(["-Clink-arg=--build-id=none", "-Clink-arg=-znorelro"])
            .args([
                "-Clink-arg=-znosectionheader",
                "-Clink-arg=-zmax-page-size=4096",
            ])
            .arg(sources.join("src/main.rs"))
            .arg("-o")
            .arg(engine);
        run(&mut command);
    }

    fn command(&self, target: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--target", target]).args(SMALL);
        command.args(&self.remap);
        command
    }
}

fn joined(prefix: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(prefix);
    argument.push(AsRef::<OsStr>::as_ref(path));
    argument
}

fn run(command: &mut Command) {
    let status = command.status().expect("the compiler can be started");
    assert!(
        status.success(),
        "cannot build the engine in `firstboot/`: {command:?} ended with {status}"
    );
}

/// What a command printed.
fn said(command: &mut Command) -> String {
    let output = command.output().expect("the compiler can be started");
    String::from_utf8(output.stdout).expect("the compiler prints text")
}
