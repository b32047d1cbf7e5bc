//! Owns images of odd archives, and what vmimage locks of them.

use std::path::Path;

use vmimage_bake::resolve::{LockRequest, Mirrors, ResolveError, resolve};
use vmimage_plan::definition::{
    Architecture, Boot, Content, Disk, Image, Recipe, Repository, RepositoryKey, Suite, Units,
};
use vmimage_plan::event::Event;
use vmimage_plan::lock::Lock;
use vmimage_tests::standin::TestKey;

use super::apt::{Outcome, Source};

/// A base of the first source's essential packages, and on it `wanted` from all sources.
pub(crate) fn image(sources: &[Source], wanted: &[String], key: &TestKey) -> Image {
    let mut repositories: Vec<Repository> = sources
        .iter()
        .enumerate()
        .map(|(number, source)| Repository {
            archive: format!("archive{number}"),
            url: source.url.clone(),
            suites: vec![source.suite.clone()],
            components: vec![source.component.clone()],
            key: RepositoryKey {
                fingerprints: vec![key.fingerprint()],
                vendored: Some(Content::new(
                    "recipes/base/key.asc",
                    key.public_armored().unwrap().into_bytes(),
                )),
                url: None,
            },
            keep_in_image: true,
        })
        .collect();
    let others = repositories.split_off(1);
    Image {
        path: "images/test.toml".to_owned(),
        name: "test".to_owned(),
        description: String::new(),
        suite: Suite::Trixie,
        architectures: vec![Architecture::X86_64],
        recipes: vec![
            recipe("base", &[], repositories),
            recipe("top", wanted, others),
        ],
        disk: Disk {
            esp_mib: 64,
            root_mib: None,
            root_free_mib: 64,
        },
        boot: Boot {
            consoles: vec![],
            kernel_arguments: vec![],
            timeout_secs: 0,
        },
    }
}

fn recipe(name: &str, packages: &[String], repositories: Vec<Repository>) -> Recipe {
    Recipe {
        name: name.to_owned(),
        description: String::new(),
        repositories,
        packages: packages.to_vec(),
        debconf: vec![],
        directories: vec![],
        files: vec![],
        links: vec![],
        commands: vec![],
        units: Units::default(),
        seals: vec![],
        checks: vec![],
        boot_steps: vec![],
    }
}

/// The lock of an image, and what was warned of.
pub(crate) fn lock(image: &Image, cache: &Path) -> (Result<Lock, ResolveError>, Vec<String>) {
    let mirrors = Mirrors::default();
    let request = LockRequest {
        image,
        mirrors: &mirrors,
        cache,
        accept_keys: &[],
        now: jiff::Timestamp::now(),
    };
    let mut warnings = Vec::new();
    let lock = resolve(&request, &mut |event| {
        if let Event::Warning { message } = event {
            warnings.push(message);
        }
    });
    (lock, warnings)
}

/// What a lock installs. It must be one that is read back as it was written.
pub(crate) fn outcome(lock: Result<Lock, ResolveError>) -> Outcome {
    let lock = lock.map_err(|error| chain(&error))?;
    assert_eq!(Lock::parse("test.lock", &lock.render()).as_ref(), Ok(&lock));
    let packages = lock.targets.iter().flat_map(|target| &target.packages);
    Ok(packages
        .map(|p| {
            [
                p.name.clone(),
                p.version.clone(),
                p.architecture.clone(),
                p.sha256.clone(),
            ]
        })
        .collect())
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(source) => format!("{error}: {}", chain(source)),
    }
}
