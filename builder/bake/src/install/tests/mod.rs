//! Tests of installing small packages made here; `tests/` installs real ones.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tempfile::TempDir;

mod records;

use super::{Extracted, InstallError, Namespace, extract, reconcile};
use crate::deb::handmade::{Entry, Handmade, file};

/// A place for .debs and for layers.
struct Place {
    directory: TempDir,
    namespace: Namespace,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            namespace: Namespace::default(),
        }
    }

    fn layer(&mut self, name: &str, debs: &[Handmade]) -> Result<Extracted, InstallError> {
        let files = self.path(name);
        fs::create_dir_all(&files).unwrap();
        let debs: Vec<_> = debs
            .iter()
            .map(|deb| deb.write(self.directory.path()))
            .collect();
        let threads = NonZeroUsize::new(2).unwrap();
        extract(&debs, &files, &mut self.namespace, threads, &|_| {})
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

fn replacing(mut deb: Handmade, fields: &'static str) -> Handmade {
    deb.fields = fields;
    deb
}

#[test]
fn files_keep_what_the_package_gives_them() {
    let mut place = Place::new();
    let deb = Handmade::new(
        "tool",
        vec![
            Entry::Directory("./usr/", 0o755),
            Entry::Directory("./usr/secret/", 0o700),
            file("./usr/secret/a", "one"),
            Entry::Hardlink("./usr/secret/b", "./usr/secret/a"),
            Entry::Symlink("./usr/link", "secret/a"),
        ],
    );
    let extracted = place.layer("files", &[deb]).unwrap();
    assert_eq!(extracted.packages().count(), 1);
    assert_eq!(place.text("files/usr/secret/b"), "one");
    let metadata = fs::symlink_metadata(place.path("files/usr/secret/a")).unwrap();
    assert_eq!(
        (metadata.mode() & 0o7777, metadata.mtime(), metadata.nlink()),
        (0o644, 1_700_000_000, 2)
    );
    let directory = fs::metadata(place.path("files/usr/secret")).unwrap();
    assert_eq!(directory.mode() & 0o7777, 0o700);
    assert_eq!(
        fs::read_link(place.path("files/usr/link")).unwrap(),
        Path::new("secret/a")
    );
}

#[test]
fn a_merged_usr_is_made_where_no_package_brings_it() {
    let mut place = Place::new();
    place
        .layer(
            "files",
            &[Handmade::new(
                "tool",
                vec![file("./bin/tool", "x"), file("./lib/t.so", "y")],
            )],
        )
        .unwrap();
    assert_eq!(place.text("files/usr/bin/tool"), "x");
    assert_eq!(place.text("files/usr/lib/t.so"), "y");
    for alias in ["bin", "sbin", "lib", "lib64", "lib32", "libx32"] {
        let target = fs::read_link(place.path("files").join(alias)).unwrap();
        assert_eq!(target, Path::new("usr").join(alias));
    }
}

#[test]
fn two_packages_with_one_path_are_both_named() {
    let mut place = Place::new();
    let error = place
        .layer(
            "files",
            &[
                Handmade::new("first", vec![file("./usr/x", "1")]),
                Handmade::new("second", vec![file("./usr/x", "2")]),
            ],
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot unpack `second`: its `/usr/x` is also in `first`"
    );
}

#[test]
fn an_alias_does_not_hide_a_conflict() {
    let mut place = Place::new();
    let error = place
        .layer(
            "files",
            &[
                Handmade::new("first", vec![file("./bin/x", "1")]),
                Handmade::new("second", vec![file("./usr/bin/x", "2")]),
            ],
        )
        .unwrap_err();
    assert!(
        matches!(error, InstallError::Conflict { ref first, ref second, .. } if first == "first" && second == "second"),
        "{error}"
    );
}

#[test]
fn a_file_and_a_directory_of_one_name_conflict() {
    let mut place = Place::new();
    let error = place
        .layer(
            "files",
            &[
                Handmade::new("first", vec![file("./usr/x", "1")]),
                Handmade::new("second", vec![Entry::Directory("./usr/x/", 0o755)]),
            ],
        )
        .unwrap_err();
    assert!(
        matches!(error, InstallError::Conflict { ref path, .. } if path == "/usr/x"),
        "{error}"
    );
}

#[test]
fn who_replaces_gets_the_path_whichever_comes_first() {
    for winner_first in [true, false] {
        let mut place = Place::new();
        let winner = replacing(
            Handmade::new("winner", vec![file("./usr/x", "new")]),
            "Replaces: loser (<< 2)\n",
        );
        let loser = Handmade::new(
            "loser",
            vec![file("./usr/x", "old"), file("./usr/y", "kept")],
        );
        let debs = if winner_first {
            [winner, loser]
        } else {
            [loser, winner]
        };
        let extracted = place.layer("files", &debs).unwrap();
        assert_eq!(place.text("files/usr/x"), "new");
        let lists: Vec<(&str, Vec<String>)> = extracted
            .packages
            .iter()
            .map(|package| {
                let paths = package
                    .shipped
                    .iter()
                    .map(|shipped| String::from_utf8(shipped.path.clone()).unwrap());
                (package.locked.name.as_str(), paths.collect())
            })
            .collect();
        assert!(
            lists.contains(&("winner", vec!["/.".to_owned(), "/usr/x".to_owned()])),
            "{lists:?}"
        );
        assert!(
            lists.contains(&("loser", vec!["/.".to_owned(), "/usr/y".to_owned()])),
            "{lists:?}"
        );
    }
}

#[test]
fn an_outdated_replaces_does_not_count() {
    let mut place = Place::new();
    let error = place
        .layer(
            "files",
            &[
                Handmade::new("old", vec![file("./usr/x", "1")]),
                replacing(
                    Handmade::new("new", vec![file("./usr/x", "2")]),
                    "Replaces: old (<< 0.9)\n",
                ),
            ],
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot unpack `new`: its `/usr/x` is also in `old`"
    );
}

#[test]
fn a_link_of_a_layer_below_is_followed() {
    let mut place = Place::new();
    place
        .layer(
            "below",
            &[Handmade::new(
                "dirs",
                vec![
                    Entry::Directory("./run/", 0o755),
                    Entry::Directory("./var/", 0o755),
                    Entry::Symlink("./var/run", "/run"),
                ],
            )],
        )
        .unwrap();
    place
        .layer(
            "above",
            &[Handmade::new(
                "tool",
                vec![
                    Entry::Directory("./var/run/", 0o755),
                    file("./var/run/x", "1"),
                ],
            )],
        )
        .unwrap();
    assert_eq!(place.text("above/run/x"), "1");
    assert!(!place.path("above/var/run").exists());
}

#[test]
fn existing_directories_keep_their_attributes() {
    let mut place = Place::new();
    place
        .layer(
            "below",
            &[Handmade::new(
                "dirs",
                vec![
                    Entry::Directory("./srv/", 0o755),
                    Entry::Directory("./srv/box/", 0o755),
                ],
            )],
        )
        .unwrap();
    fs::set_permissions(
        place.path("below/srv/box"),
        std::os::unix::fs::PermissionsExt::from_mode(0o2770),
    )
    .unwrap();
    let mut above = place
        .layer(
            "above",
            &[Handmade::new(
                "tool",
                vec![
                    Entry::Directory("./srv/box/", 0o700),
                    file("./srv/box/x", "1"),
                ],
            )],
        )
        .unwrap();
    reconcile(&mut above, &[&place.path("below")], &[]).unwrap();
    let mode = fs::metadata(place.path("above/srv/box")).unwrap().mode() & 0o7777;
    assert_eq!(mode, 0o2770);
}

#[test]
fn a_namespace_survives_being_written() {
    let mut place = Place::new();
    let deb = Handmade::new(
        "tool",
        vec![
            Entry::Directory("./srv/", 0o700),
            file("./srv/a b", "1"),
            Entry::Symlink("./srv/l", "a b"),
        ],
    );
    place
        .layer("files", &[replacing(deb, "Replaces: old\n")])
        .unwrap();
    let mut bytes = Vec::new();
    place.namespace.write(&mut bytes).unwrap();
    place.namespace = Namespace::read(&mut bytes.as_slice()).unwrap();
    let mut again = Vec::new();
    place.namespace.write(&mut again).unwrap();
    assert_eq!(bytes, again);
    let error = place.layer(
        "above",
        &[Handmade::new("late", vec![file("./srv/l", "2")])],
    );
    // A layer below may have diverted the path; only configuring it tells.
    assert_eq!(error.unwrap().undecided.len(), 1);
    assert!(Namespace::read(&mut b"x 1 2\0".as_slice()).is_err());
}

#[test]
fn a_wrong_digest_names_the_package() {
    let mut place = Place::new();
    let deb = Handmade::new("tool", vec![file("./usr/x", "1")]);
    let mut made = deb.write(place.directory.path());
    made.locked.sha256 = "0".repeat(64);
    let files = place.path("files");
    fs::create_dir_all(&files).unwrap();
    let threads = NonZeroUsize::new(1).unwrap();
    let error = extract(&[made], &files, &mut place.namespace, threads, &|_| {}).unwrap_err();
    assert_eq!(error.to_string(), "cannot unpack `tool`");
    assert!(error.hint().unwrap().starts_with("remove `"));
}

#[test]
fn diversions_and_overrides_of_a_layer_below_are_obeyed() {
    let mut place = Place::new();
    let database = place.path("below/var/lib/dpkg");
    fs::create_dir_all(&database).unwrap();
    fs::create_dir_all(place.path("below/etc")).unwrap();
    let diversion = "/usr/share/x\n/usr/share/x.orig\nelse\n";
    fs::write(database.join("diversions"), diversion).unwrap();
    fs::write(
        database.join("statoverride"),
        "root root 600 /usr/share/y\n",
    )
    .unwrap();
    fs::write(
        place.path("below/etc/passwd"),
        "root:x:0:0::/root:/bin/sh\n",
    )
    .unwrap();
    fs::write(place.path("below/etc/group"), "root:x:0:\n").unwrap();
    let files = vec![file("./usr/share/x", "1"), file("./usr/share/y", "2")];
    let mut above = place
        .layer("above", &[Handmade::new("tool", files)])
        .unwrap();
    reconcile(&mut above, &[&place.path("below")], &[]).unwrap();
    assert_eq!(place.text("above/usr/share/x.orig"), "1");
    assert!(!place.path("above/usr/share/x").exists());
    let mode = fs::metadata(place.path("above/usr/share/y"))
        .unwrap()
        .mode()
        & 0o7777;
    assert_eq!(mode, 0o600);
}

#[test]
fn a_diversion_settles_who_has_a_path() {
    let mut place = Place::new();
    let mut diverting = Handmade::new("wrapper", vec![file("./usr/bin/x", "wrapper")]);
    diverting.control = vec![("preinst", "dpkg-divert --add /usr/bin/x\n")];
    // What a system begins with is not left to dpkg, which is not there yet.
    diverting.fields = "Essential: yes\n";
    let debs = [
        Handmade::new("original", vec![file("./usr/bin/x", "original")]),
        diverting,
    ];
    let extracted = place.layer("files", &debs).unwrap();
    let root = fs::File::open(place.path("files")).unwrap();
    let undiverted = super::contest::divert(&extracted, &[], &root).unwrap_err();
    assert_eq!(
        undiverted.to_string(),
        "cannot unpack `wrapper`: its `/usr/bin/x` is also in `original`"
    );
    let text = "/usr/bin/x\n/usr/bin/x.distrib\nwrapper\n";
    let diversions = super::diversions::Diversion::parse_all(text);
    super::contest::divert(&extracted, &diversions, &root).unwrap();
    assert_eq!(place.text("files/usr/bin/x"), "wrapper");
    assert_eq!(place.text("files/usr/bin/x.distrib"), "original");
}
