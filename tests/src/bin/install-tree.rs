//! Installs packages layer by layer as a bake does, and copies the result: `install-tree LIST WORK
//! TREE`, where LIST is JSON, one array of [`LockedPackage`]s for each layer whose `path` says where
//! the .deb is. Must be started in mount and UTS namespaces of its own.

use std::error::Error;
use std::fs;
use std::io::Write as _;
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

const THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("two is not zero");

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [list, work, tree] = arguments.as_slice() else {
        return fail("usage: install-tree LIST WORK TREE");
    };
    match install(list, work, tree) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&chain(error.as_ref())),
    }
}

fn install(list: &Path, work: &Path, tree: &Path) -> Result<(), Box<dyn Error>> {
    let layers: Vec<Vec<LockedPackage>> = serde_json::from_slice(&fs::read(list)?)?;
    let mut namespace = Namespace::default();
    let mut below: Vec<PathBuf> = Vec::new();
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
    let merged = work.join("merged");
    fs::create_dir_all(&merged)?;
    let overlay = Overlay::mount(&paths(&below), None, &merged, Attributes::Trusted)?;
    let copied = Command::new("cp")
        .arg("-a")
        .args([overlay.path(), tree])
        .status()?;
    if copied.success() {
        Ok(())
    } else {
        Err(format!("cannot copy to `{}`", tree.display()).into())
    }
}

fn paths(paths: &[PathBuf]) -> Vec<&Path> {
    paths.iter().map(PathBuf::as_path).collect()
}

fn fail(text: &str) -> ExitCode {
    // There is nowhere to report that standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::FAILURE
}
