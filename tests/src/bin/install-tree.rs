//! Installs packages layer by layer as a bake does, and copies the result: `install-tree LIST WORK
//! TREE [BELOW PATHS]`, where LIST is JSON, one array of [`LockedPackage`]s for each layer whose `path`
//! says where the .deb is. With the WORK of an earlier run for BELOW, the layers come upon its
//! layers, and only PATHS (words, with wildcards) are copied. Must be started in mount and UTS
//! namespaces of its own.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufReader, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use vmimage_bake::deb::Deb;
use vmimage_bake::install::{Answers, Namespace, configure, extract, reconcile};
use vmimage_bake::sandbox::Sandbox;
use vmimage_bake::sandbox::overlay::{Attributes, Overlay, Upper};
use vmimage_plan::lock::LockedPackage;
use vmimage_tests::report::chain;

/// Newer than every file of a package.
const SOURCE_DATE_EPOCH: i64 = 1_900_000_000;

/// What the packages ship, in the directory of a run.
const NAMESPACE: &str = "namespace";

const THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("two is not zero");

/// Copies the named paths of a tree, and what is in them.
const COPY: &str =
    r#"cd "$1" && for path in $3; do [ ! -e "$path" ] || cp -a --parents "$path" "$2"; done"#;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let done = match arguments.as_slice() {
        [list, work, tree] => install(list, work, None).and_then(|below| {
            let overlay = mount(work, &below)?;
            let argv = [Path::new("-a"), overlay.path(), tree];
            copied(Command::new("cp").args(argv), tree)
        }),
        [list, work, tree, base, wanted] => install(list, work, Some(base)).and_then(|below| {
            let overlay = mount(work, &below)?;
            fs::create_dir(tree)?;
            let mut command = Command::new("sh");
            command.args(["-c", COPY, "sh"]);
            copied(command.args([overlay.path(), tree, wanted]), tree)
        }),
        _ => return fail("usage: install-tree LIST WORK TREE [BELOW PATHS]"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&chain(error.as_ref())),
    }
}

fn mount(work: &Path, below: &[PathBuf]) -> Result<Overlay, Box<dyn Error>> {
    let merged = work.join("merged");
    fs::create_dir_all(&merged)?;
    let overlay = Overlay::mount(&paths(below), None, &merged, Attributes::Trusted)?;
    Ok(overlay)
}

fn copied(command: &mut Command, tree: &Path) -> Result<(), Box<dyn Error>> {
    if command.status()?.success() {
        Ok(())
    } else {
        Err(format!("cannot copy to `{}`", tree.display()).into())
    }
}

/// The namespace and the layers of an earlier run, topmost first.
fn earlier(work: &Path) -> Result<(Namespace, Vec<PathBuf>), Box<dyn Error>> {
    let namespace = Namespace::read(&mut BufReader::new(File::open(work.join(NAMESPACE))?))?;
    let layers = (0..)
        .map(|index: usize| work.join(index.to_string()))
        .take_while(|layer| layer.is_dir())
        .flat_map(|layer| [layer.join("files"), layer.join("changes")]);
    let mut layers: Vec<PathBuf> = layers.collect();
    layers.reverse();
    Ok((namespace, layers))
}

/// Returns the layers, topmost first.
fn install(list: &Path, work: &Path, base: Option<&Path>) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let layers: Vec<Vec<LockedPackage>> = serde_json::from_slice(&fs::read(list)?)?;
    let (mut namespace, mut below) = match base {
        Some(base) => earlier(base)?,
        None => (Namespace::default(), Vec::new()),
    };
    for (index, packages) in layers.into_iter().enumerate() {
        let layer = work.join(index.to_string());
        let [files, changes, scratch, root] =
            ["files", "changes", "scratch", "root"].map(|name| layer.join(name));
        for directory in [&files, &changes, &scratch, &root] {
            fs::create_dir_all(directory)?;
        }
        let debs: Vec<Deb> = packages
            .into_iter()
            .map(|locked| Deb {
                path: PathBuf::from(&locked.path),
                locked,
            })
            .collect();
        let mut extracted = extract(&debs, &files, &mut namespace, THREADS, &|_| {})?;
        reconcile(&mut extracted, &paths(&below), &[])?;
        below.insert(0, files);
        let upper = Upper {
            changes: &changes,
            work: &scratch,
        };
        let overlay = Overlay::mount(&paths(&below), Some(upper), &root, Attributes::Trusted)?;
        let sandbox = Sandbox::new(overlay.path(), SOURCE_DATE_EPOCH)?;
        configure(&extracted, &sandbox, &Answers::default(), &mut |_| {})?;
        below.insert(0, changes);
    }
    let mut output = File::create(work.join(NAMESPACE))?;
    namespace.write(&mut output)?;
    Ok(below)
}

fn paths(paths: &[PathBuf]) -> Vec<&Path> {
    paths.iter().map(PathBuf::as_path).collect()
}

fn fail(text: &str) -> ExitCode {
    // There is nowhere to report that standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::FAILURE
}
