//! Owns how the engine in `firstboot/` is compiled and linked: with no libc, by a script of its own, and
//! to the same bytes wherever it lies. The build script is made of it, and so is the test that builds
//! the engine with Debian's compiler.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// A compiler, and what it links with.
pub(crate) struct Compiler {
    program: OsString,
    /// That of cargo's toolchain, which links for every architecture.
    linker: PathBuf,
    /// Where sources lie must not be told from the result.
    remap: Vec<OsString>,
}

impl Compiler {
    /// The compiler that cargo uses, for the repository at `root`.
    pub(crate) fn of_cargo(program: OsString, root: &Path) -> Self {
        let toolchain = Toolchain::of(&program);
        let host = value(&toolchain.version, "host: ");
        let tools = format!("lib/rustlib/{host}/bin/rust-lld");
        let installed = toolchain.sysroot.join(tools);
        // Elsewhere it is in the PATH.
        let linker = if installed.exists() {
            installed
        } else {
            PathBuf::from("rust-lld")
        };
        Self::new(program, &toolchain, linker, root)
    }

    /// Another compiler, which need not have a linker.
    pub(crate) fn other(&self, program: OsString, root: &Path) -> Self {
        let toolchain = Toolchain::of(&program);
        Self::new(program, &toolchain, self.linker.clone(), root)
    }

    fn new(program: OsString, toolchain: &Toolchain, linker: PathBuf, root: &Path) -> Self {
        let library = toolchain.sysroot.join("lib/rustlib/src/rust");
        let remap = |from: &Path, to: &str| {
            let mut argument = OsString::from("--remap-path-prefix=");
            argument.push(from);
            argument.push("=");
            argument.push(to);
            argument
        };
        let commit = value(&toolchain.version, "commit-hash: ");
        let remap = vec![
            remap(root, "/vmimage"),
            // Where the library's sources are installed, paths into it would be of this machine.
            remap(&library, &format!("/rustc/{commit}")),
        ];
        Self {
            program,
            linker,
            remap,
        }
    }

    /// Whether it has the core library of `target`.
    pub(crate) fn has_core(&self, target: &str) -> bool {
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

    /// Builds the `sources` for `target` as the file `engine`; the folder `out` takes what is between.
    pub(crate) fn build(&self, sources: &Path, target: &str, out: &Path, engine: &Path) {
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
            .arg(joined("-Clinker=", &self.linker))
            .arg("-Clinker-flavor=ld.lld")
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
        let linked = fs::read(engine).expect("the compiler has written it");
        fs::write(engine, stripped(linked)).expect("cargo's folder can be written to");
    }

    fn command(&self, target: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--target", target]).args(SMALL);
        command.args(&self.remap);
        command
    }
}

/// What a compiler says of itself.
struct Toolchain {
    sysroot: PathBuf,
    /// The lines of `rustc -vV`.
    version: String,
}

impl Toolchain {
    fn of(program: &OsStr) -> Self {
        let sysroot = said(Command::new(program).args(["--print", "sysroot"]));
        Self {
            sysroot: PathBuf::from(sysroot.trim()),
            version: said(Command::new(program).arg("-vV")),
        }
    }
}

/// What the kernel maps, which is the first segment, from the file's first byte on. The table of
/// sections behind it is nobody's.
fn stripped(mut elf: Vec<u8>) -> Vec<u8> {
    // Elf64_Ehdr has 64 bytes, and p_filesz is the 32nd of the first Elf64_Phdr behind it.
    let size = elf.get(96..104).and_then(|bytes| bytes.try_into().ok());
    let size = u64::from_le_bytes(size.expect("an ELF file has a program header"));
    elf.truncate(usize::try_from(size).expect("it is small"));
    // e_shoff; e_shentsize, e_shnum and e_shstrndx.
    elf[40..48].fill(0);
    elf[58..64].fill(0);
    elf
}

fn joined(prefix: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(prefix);
    argument.push(AsRef::<OsStr>::as_ref(path));
    argument
}

fn run(command: &mut Command) {
    let status = command.status();
    assert!(
        matches!(&status, Ok(status) if status.success()),
        "cannot build the engine in `firstboot/`: {command:?} ended with {status:?}"
    );
}

/// What a command printed.
fn said(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    String::from_utf8(output.stdout).expect("the compiler prints text")
}

/// What follows `name` in the lines of `rustc -vV`.
fn value<'a>(version: &'a str, name: &str) -> &'a str {
    let value = version.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap_or_default()
}
