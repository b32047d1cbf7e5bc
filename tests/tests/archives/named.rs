//! Archives with one oddness each: what is locked, what is warned of, and the words of refusals.

use std::path::Path;

use vmimage_tests::standin::TestKey;

use super::apt::Source;
use super::archive::{Archive, ByHash, Hash, Package, Signing, Spelling};
use super::images;
use super::server::Server;

/// An archive of one essential package without any oddness.
pub(crate) fn archive() -> Archive {
    Archive {
        suite: "stable",
        component: "main",
        packages: vec![Package {
            name: "base-files".to_owned(),
            version: "1.0".to_owned(),
            architecture: "all",
            relations: vec![("Essential", "yes".to_owned())],
            path: "pool/base-files_1.0_all.deb".to_owned(),
        }],
        fields: ["Suite", "Codename"]
            .map(|name| (name, "stable".to_owned()))
            .into_iter()
            .chain([
                ("Date", "Thu, 01 Jan 2026 00:00:00 UTC".to_owned()),
                ("Architectures", "amd64".to_owned()),
                ("Components", "main".to_owned()),
            ])
            .collect(),
        apart: false,
        listed: vec!["", ".xz"],
        served: vec!["", ".xz"],
        release_hashes: vec![Hash::Md5, Hash::Sha256],
        stanza_hashes: vec![Hash::Md5, Hash::Sha256],
        by_hash: ByHash::No,
        signing: Signing::Both,
        release_spelling: Spelling::Plain,
        index_spelling: Spelling::Plain,
        reversed: false,
        lacking: None,
        contradicts_itself: false,
    }
}

/// The path that is locked, or the words of the refusal, with the server's address left out; and what
/// was warned of.
fn locked(archive: &Archive) -> (Result<String, String>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let key = TestKey::new().unwrap();
    let server = Server::start(folder.path(), 404, None);
    archive.write(&folder.path().join("vendor"), &key);
    let source = Source {
        url: server.url("vendor"),
        suite: archive.suite.to_owned(),
        component: archive.component.to_owned(),
    };
    let image = images::image(&[source], &[], &key);
    let (lock, warnings) = images::lock(&image, &folder.path().join("cache"));
    let path = lock
        .map(|lock| lock.targets[0].packages[0].path.clone())
        .map_err(|error| images::chain(&error).replace(&server.url(""), "http://host/"));
    (path, warnings)
}

fn refusal(change: impl FnOnce(&mut Archive)) -> String {
    let mut archive = archive();
    change(&mut archive);
    locked(&archive).0.unwrap_err()
}

#[test]
fn what_is_wrong_with_an_index_is_said_with_package_index_suite_and_archive() {
    let index = "index `main/binary-amd64` of suite `stable` of archive `archive0`";
    assert_eq!(
        refusal(|archive| archive.lacking = Some("Package")),
        format!("the stanza at line 1 of the {index} has no `Package`")
    );
    assert_eq!(
        refusal(|archive| archive.stanza_hashes = vec![Hash::Md5, Hash::Sha1]),
        format!(
            "package `base-files` in the {index} has no SHA-256 and no SHA-512, and weaker hashes prove nothing"
        )
    );
    assert_eq!(
        refusal(|archive| archive.lacking = Some("Size")),
        "apt finds no way to install the packages of recipe `base` for `x86_64`: E: Repository is broken: \
         archive0 stable/main amd64 base-files all 1.0 has no Size information"
    );
    assert_eq!(
        refusal(|archive| archive.packages[0].path = "../vendor/pool/a.deb".to_owned()),
        format!(
            "package `base-files` in the {index} has a `Filename` that leaves its archive: `../vendor/pool/a.deb`"
        )
    );
    assert_eq!(
        refusal(|archive| archive.contradicts_itself = true),
        format!(
            "cannot unpack the {index}: it unpacks to another file than its Release file lists as `Packages`"
        )
    );
    assert_eq!(
        refusal(|archive| archive.packages[0].version = "1_0".to_owned()),
        "package `base-files` of archive `archive0` cannot be locked: `1_0` is not a version of `base-files`"
    );
    assert_eq!(
        refusal(|archive| archive.served = vec![]),
        "cannot get an index of suite `stable` of archive `archive0`: \
         `http://host/vendor/dists/stable/main/binary-amd64/Packages.xz` does not exist"
    );
}

#[test]
fn a_file_name_of_any_characters_is_locked_and_read_back() {
    for path in [
        "pool/a_1%3a2~rc1+b1 (x)_all.deb",
        "pool/caf\u{e9}'\"#?&.deb",
    ] {
        let mut archive = archive();
        path.clone_into(&mut archive.packages[0].path);
        // Only with a SHA-512 is the package fetched, under its own name.
        archive.stanza_hashes = vec![Hash::Sha512];
        assert_eq!(locked(&archive), (Ok(path.to_owned()), vec![]));
    }
}

#[test]
fn what_apt_warns_of_is_warned_of() {
    let mut archive = archive();
    archive.fields = vec![("Suite", "xenial".to_owned())];
    archive.listed = vec![".xz"];
    let file = "the Release file of suite `stable` of archive `archive0`";
    let (path, warnings) = locked(&archive);
    assert_eq!(
        warnings,
        [
            format!("{file} says that it is for `xenial`; look whether `stable` is what the archive has there"),
            format!("{file} has no `Date` that can be read; 1970 is taken for it"),
            "suite `stable` of archive `archive0` lists no index of component `main` for `amd64`: it counts as empty"
                .to_owned(),
        ]
    );
    assert_eq!(
        path.unwrap_err(),
        "recipe `base` comes first and its repositories have no essential package"
    );
}

#[test]
fn an_index_in_a_rare_compression_is_read() {
    for extension in [".bz2", ".lzma", ".zst", ".gz"] {
        let mut archive = archive();
        archive.listed = vec!["", ".br", ".xz", extension];
        archive.served = vec![extension];
        let path = "pool/base-files_1.0_all.deb".to_owned();
        assert_eq!(locked(&archive), (Ok(path), vec![]), "{extension}");
    }
}

/// Whether any file below `folder` holds `text`.
pub(crate) fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            let path = entry.path();
            if path.is_dir() {
                return holds(&path, text);
            }
            let content = std::fs::read(&path).unwrap_or_default();
            content
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        })
}
