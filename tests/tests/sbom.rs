//! Bills of materials against validators that others wrote: SPDX's own tools and CycloneDX's schema.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vmimage_bake::manifest::{FORMAT, Manifest, PackageEntry, RecipeEntry};
use vmimage_bake::sbom::{cyclonedx, spdx};
use vmimage_plan::definition::{Architecture, Suite};
use vmimage_tests::python;

/// What the virtual environment needs. It is made in the target directory.
const VALIDATORS: [&str; 2] = [
    "spdx-tools==0.8.5",
    "cyclonedx-python-lib[json-validation]==11.12.0",
];

const CYCLONEDX_CHECK: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(problem) if problem else 0)
";

#[test]
fn documents_pass_independent_validators() {
    let python = validators();
    let directory = tempfile::tempdir().unwrap();
    let manifest = manifest();

    let spdx_file = directory.path().join("sbom.spdx.json");
    fs::write(&spdx_file, spdx(&manifest).unwrap()).unwrap();
    let pyspdxtools = python.with_file_name("pyspdxtools");
    run(
        Command::new(pyspdxtools)
            .args(["--version", "SPDX-2.3", "-i"])
            .arg(&spdx_file),
        true,
    );

    let cyclonedx_file = directory.path().join("sbom.cdx.json");
    fs::write(&cyclonedx_file, cyclonedx(&manifest).unwrap()).unwrap();
    let check = |file: &Path, good| {
        run(
            Command::new(&python)
                .args(["-c", CYCLONEDX_CHECK])
                .arg(file),
            good,
        );
    };
    check(&cyclonedx_file, true);

    // The validators do refuse what is wrong.
    let broken = fs::read_to_string(&cyclonedx_file)
        .unwrap()
        .replace("\"library\"", "\"shelf\"");
    fs::write(&cyclonedx_file, broken).unwrap();
    check(&cyclonedx_file, false);
}

/// The Python of a virtual environment with the validators; made on first use.
fn validators() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    python::environment(place, "sbom", &VALIDATORS.join("\n"))
}

fn run(command: &mut Command, good: bool) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert_eq!(
        output.status.success(),
        good,
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn manifest() -> Manifest {
    let versions = BTreeMap::from([
        ("libstdc++6", "14.2.0-19"),
        ("passwd", "1:4.17.4-2"),
        ("webmin", "2.520~rc1+standin"),
    ]);
    let package = |(name, version): (&&str, &&str)| PackageEntry {
        name: (*name).to_owned(),
        version: (*version).to_owned(),
        architecture: "amd64".to_owned(),
        sha256: "ab".repeat(32),
        archive: if *name == "webmin" {
            "webmin"
        } else {
            "debian"
        }
        .to_owned(),
        installed: 4096,
        requested: true,
        stand_in: *name == "webmin",
    };
    Manifest {
        format: FORMAT,
        image: "virtualmin".to_owned(),
        architecture: Architecture::X86_64,
        suite: Suite::Trixie,
        vmimage: "0.1.0".to_owned(),
        fingerprint: "cd".repeat(32),
        lock: "ef".repeat(32),
        source_date_epoch: 1_795_000_000,
        recipes: vec![RecipeEntry {
            name: "base".to_owned(),
            description: "Debian.".to_owned(),
            installed: 12_288,
            packages: versions.iter().map(package).collect(),
            enabled: vec![],
            disabled: vec![],
            masked: vec![],
        }],
        repositories: vec![],
        seal: vec![],
        files: vec![],
        disk: None,
        outputs: vec![],
    }
}
