//! Locks: their text, what is refused, and why one is stale.

use std::borrow::Cow;

use proptest::prelude::*;

use super::project::{BASE, IMAGE, WEB, with};
use vmimage_plan::definition::{Image, load_image};
use vmimage_plan::lock::{
    Asked, FORMAT, Lock, LockedPackage, LockedRepository, Target, check_stale, lock_inputs,
    pool_path,
};

fn image(changes: &[(&str, &str)]) -> Image {
    let (image, problems) = load_image(&with(changes), "images/small.toml");
    assert_eq!(problems, []);
    image.expect("an image without problems")
}

fn package(name: &str, recipe: &str, requested: bool) -> LockedPackage {
    LockedPackage {
        name: name.to_owned(),
        version: "1:2.0~rc1-3+b1".to_owned(),
        architecture: "amd64".to_owned(),
        sha256: "ab".repeat(32),
        size: 1234,
        archive: "debian".to_owned(),
        path: format!("pool/main/a/{name}/{name}_2.0~rc1-3+b1_amd64.deb"),
        recipe: recipe.to_owned(),
        requested,
    }
}

fn lock() -> Lock {
    let image = image(&[]);
    let repository = |suite: &str, accepted_key: Option<&str>| LockedRepository {
        archive: "debian".to_owned(),
        suite: suite.to_owned(),
        release_sha256: "cd".repeat(32),
        release_names: accepted_key.is_some().then(|| vec!["xenial".to_owned()]),
        date: "2025-11-15T09:00:00Z".to_owned(),
        valid_until: accepted_key
            .is_none()
            .then(|| "2025-11-22T09:00:00Z".to_owned()),
        signed_by: "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8".to_owned(),
        accepted_key: accepted_key.map(str::to_owned),
        stand_in: accepted_key.is_some(),
    };
    Lock {
        format: FORMAT,
        image: "small".to_owned(),
        inputs: lock_inputs(&image),
        source_date_epoch: 1_763_197_200,
        asked: Asked::of(&image),
        repositories: vec![
            repository("trixie", None),
            repository("trixie-updates", Some("-----BEGIN\n\n=abc\n-----END\n")),
        ],
        targets: vec![Target {
            architecture: image.architectures[0],
            packages: vec![
                package("apt", "base", true),
                package("libapt-pkg7.0", "base", false),
            ],
        }],
    }
}

#[test]
fn a_lock_is_text_with_one_package_a_line() {
    insta::assert_snapshot!(lock().render(), @r#"
# made by `vmimage lock`; do not edit
format = 1
image = "small"
inputs = "aa7dd521ba88160689f055d77833db6a66b7da0dbef077de6fe259598133c74f"
source-date-epoch = 1763197200

[asked]
suite = "trixie"
architectures = ["x86_64"]

[[asked.recipe]]
name = "base"
packages = [
    "apt",
    "systemd/trixie-backports",
]
repositories = [
    { archive = "debian", url = "http://deb.debian.org/debian", suites = ["trixie", "trixie-updates"], components = ["main"], fingerprints = ["B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8"], key-sha256 = "c705461e91e939ff958cbf4cdb018664e440632babf7d1e7ed943e7c74c29bbf" },
]

[[asked.recipe]]
name = "web"
packages = [
    "apache2",
    "php8.4-fpm",
]
repositories = []

[[repository]]
archive = "debian"
suite = "trixie"
release-sha256 = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
date = "2025-11-15T09:00:00Z"
valid-until = "2025-11-22T09:00:00Z"
signed-by = "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8"

[[repository]]
archive = "debian"
suite = "trixie-updates"
release-sha256 = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
release-names = ["xenial"]
date = "2025-11-15T09:00:00Z"
signed-by = "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8"
accepted-key = """
-----BEGIN

=abc
-----END
"""
stand-in = true

[[target]]
architecture = "x86_64"
package = [
    { name = "apt", version = "1:2.0~rc1-3+b1", architecture = "amd64", sha256 = "abababababababababababababababababababababababababababababababab", size = 1234, archive = "debian", path = "pool/main/a/apt/apt_2.0~rc1-3+b1_amd64.deb", recipe = "base", requested = true },
    { name = "libapt-pkg7.0", version = "1:2.0~rc1-3+b1", architecture = "amd64", sha256 = "abababababababababababababababababababababababababababababababab", size = 1234, archive = "debian", path = "pool/main/a/libapt-pkg7.0/libapt-pkg7.0_2.0~rc1-3+b1_amd64.deb", recipe = "base" },
]
"#);
}

proptest! {
    /// What is locked is what is read: a package is refused by both or by neither.
    #[test]
    fn a_lock_is_read_back_exactly_where_its_packages_have_no_problem(
        name in "[a-z0-9+.-]{1,6}|\\PC{1,4}",
        version in "([0-9]{1,3}:)?[0-9][0-9a-zA-Z.+~-]{0,8}|\\PC{1,6}",
        path in "(pool/|\\./|/)?[a-z%~+ é#?\\\\'\"]{1,12}\\.deb|[\\PC\\n\\t./]{1,12}",
        size in 0_u64..400,
    ) {
        let mut lock = lock();
        let mut package = package("apt", "base", true);
        (package.name, package.version, package.size) = (name, version, size);
        package.path = pool_path(&path).map_or(path.clone(), Cow::into_owned);
        let problem = package.problem();
        lock.targets[0].packages = vec![package];
        match Lock::parse("images/small.lock", &lock.render()) {
            Ok(read) => {
                prop_assert_eq!(problem, None);
                prop_assert_eq!(read, lock);
            }
            Err(refused) => {
                let shown = problem.map(|problem| vmimage_plan::userinfo::mask_text(&problem));
                prop_assert_eq!(Some(refused.message), shown);
            }
        }
    }
}

#[test]
fn a_rendered_lock_is_read_back() {
    let lock = lock();
    assert_eq!(Lock::parse("images/small.lock", &lock.render()), Ok(lock));
}

/// The message for the good lock with `from` replaced by `to`.
fn check_refused(from: &str, to: &str, expected: &str) {
    let text = lock().render();
    assert!(text.contains(from), "`{from}` must be there");
    let changed = text.replacen(from, to, 1);
    let problem = Lock::parse("images/small.lock", &changed).expect_err(expected);
    assert_eq!(problem.message, expected);
    assert_eq!(problem.hint.as_deref(), Some("run `vmimage lock` again"));
    assert!(problem.span.is_some());
}

#[test]
fn a_lock_with_a_wrong_package_is_refused() {
    let digest = "ab".repeat(32);
    let apt = "pool/main/a/apt/apt_2.0";
    for (from, to, expected) in [
        (
            "name = \"libapt-pkg7.0\"",
            "name = \"apt\"",
            "package `apt:amd64` is listed twice",
        ),
        (
            "name = \"apt\"",
            "name = \"../apt\"",
            "`../apt:amd64` is not a package",
        ),
        (
            "1:2.0~rc1-3+b1\"",
            "1 2\"",
            "`1 2` is not a version of `apt`",
        ),
        (digest.as_str(), "AB", "`sha256` of `apt` is not a SHA-256"),
        (
            "size = 1234",
            "size = 3",
            "`apt` is too small for a package: 3",
        ),
        (
            apt,
            "pool/../../apt_2.0",
            "the path of `apt` leaves its archive: `pool/../../apt_2.0~rc1-3+b1_amd64.deb`",
        ),
        (
            apt,
            "/etc/apt_2.0",
            "the path of `apt` is `/etc/apt_2.0~rc1-3+b1_amd64.deb` and not `etc/apt_2.0~rc1-3+b1_amd64.deb`",
        ),
        (
            "recipe = \"base\"",
            "recipe = \"bas\"",
            "package `apt` is for the unknown recipe `bas`",
        ),
        (
            "archive = \"debian\", path",
            "archive = \"x\", path",
            "package `apt` is from the unknown archive `x`",
        ),
    ] {
        check_refused(from, to, expected);
    }
}

#[test]
fn a_lock_that_is_wrong_elsewhere_is_refused() {
    for (from, to, expected) in [
        ("format = 1", "format = 2", "unknown lock format"),
        (
            "image = ",
            "imag = ",
            "unknown field `imag`, expected one of `format`, `image`, `inputs`, `source-date-epoch`, `asked`, `repository`, `target`",
        ),
        ("epoch = ", "epoch = -", "`source-date-epoch` is negative"),
        (
            "\"apache2\"",
            "\"apache3\"",
            "`inputs` is not the SHA-256 of `asked`",
        ),
        ("inputs = \"", "inputs = \"x", "`inputs` is not a SHA-256"),
        (
            "\"trixie-updates\"\nrel",
            "\"trixie\"\nrel",
            "suite `trixie` of archive `debian` is listed twice",
        ),
        (
            "2025-11-22T",
            "2025-11-32T",
            "`2025-11-32T09:00:00Z` is not a time",
        ),
        (
            "release-sha256 = \"cd",
            "release-sha256 = \"c",
            "`release-sha256` of `debian` is not a SHA-256",
        ),
        (
            "signed-by = \"B8",
            "signed-by = \"b8",
            "`signed-by` of `debian` is not a fingerprint",
        ),
        (
            "architecture = \"x86_64\"",
            "architecture = \"arm64\"",
            "the targets are not the architectures that were asked for",
        ),
        (
            "size = 1234",
            "size = -1",
            "invalid value: integer `-1`, expected a whole number",
        ),
    ] {
        check_refused(from, to, expected);
    }
}

/// Why the good lock is stale against the project with these changes.
fn check(changes: &[(&str, &str)], expected: &[&str]) {
    let staleness = check_stale(&lock(), &image(changes));
    let reasons = staleness
        .map(|staleness| staleness.reasons().to_vec())
        .unwrap_or_default();
    assert_eq!(reasons, expected);
}

#[test]
fn a_fresh_lock_is_not_stale() {
    check(&[], &[]);
    let other = WEB.replace("value = \"80\"", "value = \"81\"");
    check(&[("recipes/web/recipe.toml", &other)], &[]);
}

#[test]
fn a_stale_lock_says_against_what() {
    let bookworm = IMAGE.replace("\"trixie\"", "\"bookworm\"");
    check(
        &[("images/small.toml", &bookworm)],
        &[
            "the suite changed from `trixie` to `bookworm`",
            "recipe `base` asks for package `systemd/bookworm-backports`, which was not resolved",
            "recipe `base` no longer asks for package `systemd/trixie-backports`",
            "repository `debian` of recipe `base` changed: suites",
            "recipe `web` asks for package `php8.2-fpm`, which was not resolved",
            "recipe `web` no longer asks for package `php8.4-fpm`",
        ],
    );
    let both = IMAGE.replace("[\"x86_64\"]", "[\"x86_64\", \"arm64\"]");
    check(
        &[("images/small.toml", &both)],
        &["the architectures changed from `x86_64` to `x86_64`, `arm64`"],
    );
    let one = IMAGE.replace(", \"web\"", "");
    check(&[("images/small.toml", &one)], &["recipe `web` is gone"]);
    let web = "format = 1\nname = \"mail\"\ndescription = \"x\"\n";
    let more = IMAGE.replace("\"base\", \"web\"", "\"base\", \"mail\", \"web\"");
    check(
        &[
            ("images/small.toml", &more),
            ("recipes/mail/recipe.toml", web),
        ],
        &["recipe `mail` is new"],
    );
    let keys = BASE
        .replace("[\"main\"]", "[\"main\", \"contrib\"]")
        .replace("B8B8", "C8B8");
    check(
        &[
            ("recipes/base/recipe.toml", &keys),
            ("recipes/base/keys/debian.asc", "other\n"),
        ],
        &["repository `debian` of recipe `base` changed: components, fingerprints, vendored key"],
    );
    let vendor = "\n[[repository]]\narchive = \"vendor\"\nurl = \"https://example.org\"\nsuites = [\"stable\"]\ncomponents = [\"main\"]\nkey-url = \"https://example.org/key.asc\"\n";
    let more = BASE.replacen("\n[[repository]]", &format!("{vendor}\n[[repository]]"), 1);
    check(
        &[("recipes/base/recipe.toml", &more)],
        &["recipe `base` has a new repository `vendor`"],
    );
    let asked = Asked::of(&image(&[("recipes/base/recipe.toml", &more)]));
    let then = Lock {
        inputs: asked.digest(),
        asked,
        ..lock()
    };
    let staleness = check_stale(&then, &image(&[])).expect("a repository is gone");
    assert_eq!(
        staleness.to_string(),
        "recipe `base` no longer has repository `vendor`"
    );
}
