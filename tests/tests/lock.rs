//! Locks against Debian's real archive: needs the network and the host's apt, not root.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use vmimage_bake::fetch::{Fetched, deb_path, fetch};
use vmimage_bake::resolve::{LockRequest, Mirrors, resolve};
use vmimage_plan::definition::{
    Architecture, Boot, Content, Disk, Image, Recipe, Repository, RepositoryKey, Suite, Units,
};
use vmimage_plan::lock::Lock;

/// Debian 13's automatic signing keys, as `recipes/base` pins them.
const ARCHIVE_KEY: &str = "04B54C3CDCA79751B16BC6B5225629DF75B188BD";
const SECURITY_KEY: &str = "5E04A1E3223A19A20706E20F9904613D4CCE68C6";

fn debian(archive: &str, suite: &str, fingerprint: &str, key: &str) -> Repository {
    let file = format!("../recipes/base/keys/{key}");
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file)).unwrap();
    Repository {
        archive: archive.to_owned(),
        url: format!("http://deb.debian.org/{archive}"),
        suites: vec![suite.to_owned()],
        components: vec!["main".to_owned()],
        key: RepositoryKey {
            fingerprints: vec![fingerprint.to_owned()],
            vendored: Some(Content::new(file, bytes)),
            url: None,
        },
        keep_in_image: true,
    }
}

fn recipe(name: &str, packages: &[&str], repositories: Vec<Repository>) -> Recipe {
    Recipe {
        name: name.to_owned(),
        description: String::new(),
        repositories,
        packages: packages.iter().map(|&package| package.to_owned()).collect(),
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

fn image(recipes: Vec<Recipe>) -> Image {
    Image {
        path: "images/test.toml".to_owned(),
        name: "test".to_owned(),
        description: String::new(),
        suite: Suite::Trixie,
        architectures: vec![Architecture::X86_64, Architecture::Arm64],
        recipes,
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

fn small_image() -> Image {
    let repositories = vec![
        debian("debian", "trixie", ARCHIVE_KEY, "debian-trixie.asc"),
        debian(
            "debian-security",
            "trixie-security",
            SECURITY_KEY,
            "debian-security-trixie.asc",
        ),
    ];
    image(vec![
        recipe("base", &["apt", "ca-certificates"], repositories),
        recipe("tools", &["jq", "ca-certificates"], vec![]),
        recipe("files", &[], vec![]),
    ])
}

fn lock(image: &Image, cache: &Path) -> Lock {
    let mirrors = Mirrors::default().with_host_apt();
    let request = LockRequest {
        image,
        mirrors: &mirrors,
        cache,
        accept_keys: &[],
        now: jiff::Timestamp::now(),
    };
    resolve(&request, &mut |_| ()).unwrap()
}

fn names<'a>(lock: &'a Lock, target: usize, recipe: &str) -> BTreeSet<&'a str> {
    lock.targets[target]
        .packages
        .iter()
        .filter(|package| package.recipe == recipe)
        .map(|package| package.name.as_str())
        .collect()
}

#[test]
fn debian_resolves_by_layer_for_both_architectures_and_is_fetched() {
    let cache = tempfile::tempdir().unwrap();
    let image = small_image();
    let lock = lock(&image, cache.path());

    assert_eq!(
        lock.repositories
            .iter()
            .map(|r| (r.signed_by.as_str(), r.stand_in))
            .collect::<Vec<_>>(),
        [(ARCHIVE_KEY, false), (SECURITY_KEY, false)]
    );
    for (target, architecture) in ["amd64", "arm64"].into_iter().enumerate() {
        let base = names(&lock, target, "base");
        assert!(base.contains("dpkg") && base.contains("apt"), "{base:?}");
        assert_eq!(
            names(&lock, target, "tools"),
            BTreeSet::from(["jq", "libjq1", "libonig5"]),
            "a layer is what apt adds to the layers below"
        );
        assert_eq!(names(&lock, target, "files"), BTreeSet::new());
        let kinds: BTreeSet<&str> = lock.targets[target]
            .packages
            .iter()
            .map(|p| p.architecture.as_str())
            .collect();
        assert_eq!(kinds, BTreeSet::from(["all", architecture]));
        let requested: Vec<&str> = lock.targets[target]
            .packages
            .iter()
            .filter(|package| package.requested)
            .map(|package| package.name.as_str())
            .collect();
        assert_eq!(requested, ["apt", "ca-certificates", "jq"]);
    }
    assert_eq!(
        std::fs::read_dir(cache.path().join("apt")).unwrap().count(),
        0,
        "apt's private roots are gone"
    );

    is_fetched_once(&image, &lock, cache.path());
}

fn is_fetched_once(image: &Image, lock: &Lock, cache: &Path) {
    let tools: Vec<_> = lock.targets[0]
        .packages
        .iter()
        .filter(|p| p.recipe == "tools")
        .cloned()
        .collect();
    let mirrors = Mirrors::default().with_host_apt();
    let bytes = tools.iter().map(|package| package.size).sum();
    let fetched = fetch(&tools, image, &mirrors, cache, &mut |_| ()).unwrap();
    assert_eq!(
        fetched,
        Fetched {
            downloaded: 3,
            downloaded_bytes: bytes,
            cached: 0
        }
    );
    for package in &tools {
        let size = std::fs::metadata(deb_path(cache, package)).unwrap().len();
        assert_eq!(size, package.size);
    }
    let again = fetch(&tools, image, &mirrors, cache, &mut |_| ()).unwrap();
    assert_eq!(
        again,
        Fetched {
            downloaded: 0,
            downloaded_bytes: 0,
            cached: 3
        }
    );
}
