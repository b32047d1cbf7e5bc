//! Holds the repository to its own rules: dependency edges, definitions that pass their checks, file
//! lengths, lints, and a reason for every third-party crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand, Package};
use vmimage_plan::Sources;
use vmimage_plan::definition::check_project;
use vmimage_plan::sources::SourceFile;

/// The package that may name AWS's crates.
const CLOUD: &str = "vmimage-cloud";

/// Files that are longer hold more than one thing.
const LINES_AT_MOST: usize = 450;

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("this package lies in the repository")
        .to_path_buf()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo describes the workspace")
}

/// The packages of the workspace that `package` depends on in any way.
fn own_dependencies(package: &Package) -> BTreeSet<&str> {
    let own = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.path.is_some());
    own.map(|dependency| dependency.name.as_str()).collect()
}

/// Every file of the repository below `folder`, but for what tools keep there.
fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository can be read") {
        let entry = entry.expect("a folder of the repository can be read");
        let path = entry.path();
        let name = entry.file_name();
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() {
            if name != "target" && name != ".git" {
                files_below(&path, files);
            }
        } else if kind.is_file() && name != ".git" {
            files.push(path);
        }
    }
}

/// Every file of the repository with its path in it, sorted.
fn repository_files() -> BTreeMap<String, PathBuf> {
    let root = root();
    let mut files = Vec::new();
    files_below(&root, &mut files);
    let named = files.into_iter().map(|path| {
        let name = path.strip_prefix(&root).expect("it lies below the root");
        (name.to_str().expect("names are UTF-8").to_owned(), path)
    });
    named.collect()
}

fn rust_files() -> impl Iterator<Item = (String, String)> {
    let files = repository_files().into_iter();
    files
        .filter(|(name, _)| Path::new(name).extension().is_some_and(|end| end == "rs"))
        .map(|(name, path)| (name, fs::read_to_string(path).expect("sources are UTF-8")))
}

#[test]
fn dependencies_go_one_way() {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let all: BTreeSet<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    for package in &packages {
        let name = package.name.as_str();
        let own = own_dependencies(package);
        let allowed = match name {
            "firstboot" => BTreeSet::new(),
            "vmimage-plan" => BTreeSet::from(["firstboot"]),
            "vmimage-bake" | "vmimage-lab" | CLOUD => BTreeSet::from(["vmimage-plan"]),
            "vmimage" | "vmimage-tests" => {
                // They may use everything, but not each other.
                let ends = BTreeSet::from(["vmimage", "vmimage-tests"]);
                let others: BTreeSet<&str> = all.difference(&ends).copied().collect();
                assert!(own.is_subset(&others), "{name} depends on {own:?}");
                continue;
            }
            other => panic!("package `{other}` has no place in the layout yet"),
        };
        assert_eq!(own, allowed, "what {name} depends on");
    }
}

#[test]
fn only_cloud_names_the_crates_of_aws() {
    for package in metadata().workspace_packages() {
        if package.name.as_str() == CLOUD {
            continue;
        }
        for dependency in &package.dependencies {
            let name = &dependency.name;
            assert!(
                !name.starts_with("aws-"),
                "{} depends on `{name}`",
                package.name
            );
        }
    }
}

#[test]
fn every_package_is_held_to_the_workspaces_lints_and_versions() {
    for package in metadata().workspace_packages() {
        let manifest = fs::read_to_string(&package.manifest_path).expect("a manifest is text");
        assert!(
            manifest.contains("[lints]\nworkspace = true\n"),
            "{}: lints",
            package.name
        );
        for line in manifest.lines() {
            let of_package = line.contains("version = ") && !line.starts_with("rust-version = ");
            let names_version = of_package || line.contains("path = \"..");
            assert!(
                !names_version,
                "{}: `{line}` belongs to the root manifest",
                package.name
            );
        }
    }
}

#[test]
fn every_third_party_crate_has_its_reason_in_the_architecture() {
    let path = root().join("ARCHITECTURE.md");
    let architecture = fs::read_to_string(path).expect("ARCHITECTURE.md is there");
    let explained: BTreeSet<&str> = architecture
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" |"))
        .flat_map(|(names, _)| names.split(", "))
        .collect();
    let metadata = metadata();
    let named: BTreeSet<String> = metadata
        .workspace_packages()
        .iter()
        .flat_map(|package| &package.dependencies)
        .filter(|dependency| dependency.path.is_none())
        .map(|dependency| dependency.name.clone())
        .collect();
    assert!(
        named.contains("serde"),
        "the manifests were read: {named:?}"
    );
    let missing: Vec<&String> = named
        .iter()
        .filter(|name| !explained.contains(name.as_str()))
        .collect();
    assert_eq!(missing, [""; 0], "crates without a line in ARCHITECTURE.md");
}

#[test]
fn every_definition_passes_its_checks() {
    let mut sources = Sources::default();
    for (name, path) in repository_files() {
        if name.starts_with("images/") || name.starts_with("recipes/") {
            let bytes = fs::read(path).expect("a definition can be read");
            sources.insert(
                name,
                SourceFile {
                    bytes,
                    executable: false,
                },
            );
        }
    }
    assert!(
        sources.get("images/virtualmin.toml").is_some(),
        "the definitions were found"
    );
    let problems: Vec<String> = check_project(&sources)
        .into_iter()
        .map(|problem| format!("{}: {:?} {}", problem.file, problem.span, problem.message))
        .collect();
    assert_eq!(problems, [""; 0]);
}

#[test]
fn no_source_file_is_too_long() {
    let long: Vec<String> = rust_files()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_AT_MOST)
        .map(|(name, lines)| format!("{name}: {lines}"))
        .collect();
    assert_eq!(long, [""; 0], "at most {LINES_AT_MOST} lines");
}

#[test]
fn no_test_is_switched_off() {
    let attribute = concat!("#[", "ignore");
    let ignored: Vec<String> = rust_files()
        .filter(|(_, text)| text.contains(attribute))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(ignored, [""; 0]);
}

#[test]
fn every_module_says_what_it_owns() {
    let silent: Vec<String> = rust_files()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        silent, [""; 0],
        "files without a module comment at their top"
    );
}
