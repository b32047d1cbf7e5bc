//! Images and fleets: what good ones resolve to, and every problem of bad ones.

use super::project::{FLEET, IMAGE, check, lines, with};
use vmimage_plan::definition::{
    CheckKind, FLEET_FILE, PathState, SealAction, check_project, load_fleet, load_image,
};
use vmimage_plan::sources::SourceFile;

/// The problems of the image with `from` replaced by `to`.
fn check_image(from: &str, to: &str, expected: &str) {
    assert_eq!(
        IMAGE.matches(from).count(),
        1,
        "`{from}` must be there once"
    );
    let changed = IMAGE.replace(from, to);
    check(&[("images/small.toml", &changed)], expected);
}

/// The problems of the fleet with `from` replaced by `to`.
fn check_fleet(from: &str, to: &str, expected: &str) {
    assert_eq!(
        FLEET.matches(from).count(),
        1,
        "`{from}` must be there once"
    );
    let changed = FLEET.replace(from, to);
    check(&[("images/fleet.toml", &changed)], expected);
}

#[test]
fn a_good_project_has_no_problems() {
    check(&[], "");
}

#[test]
fn an_image_is_resolved_for_its_suite() {
    let (image, problems) = load_image(&with(&[]), "images/small.toml");
    assert_eq!(problems, []);
    let image = image.unwrap();
    assert_eq!(image.disk.esp_mib, 256);
    assert_eq!(image.disk.root_mib, None);
    assert_eq!(image.boot.consoles, ["tty0", "ttyS0,115200"]);
    let [base, web] = &image.recipes[..] else {
        panic!("two recipes")
    };
    assert_eq!(base.packages, ["apt", "systemd/trixie-backports"]);
    let repository = &base.repositories[0];
    assert_eq!(repository.url, "http://deb.debian.org/debian");
    assert_eq!(repository.suites, ["trixie", "trixie-updates"]);
    assert_eq!(
        repository.key.fingerprints,
        ["B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8"]
    );
    let key = repository.key.vendored.as_ref().unwrap();
    assert_eq!(key.origin, "recipes/base/keys/debian.asc");
    assert!(repository.keep_in_image);
    let hosts = &base.files[0];
    assert_eq!(hosts.content.bytes, b"127.0.0.1 localhost\n");
    assert_eq!((hosts.mode, hosts.owner.as_str()), (0o644, "root"));
    let content = "uninitialized\n".to_owned();
    assert_eq!(base.seals[0].action, SealAction::Write { content });
    assert_eq!(web.packages, ["apache2", "php8.4-fpm"]);
    assert_eq!(web.units.enable, ["php8.4-fpm.service"]);
    assert_eq!(web.units.disable, ["apache2.service"]);
    assert_eq!(
        (web.directories[0].mode, web.directories[0].owner.as_str()),
        (0o755, "www-data")
    );
    let path = "/etc/apache2/apache2.conf".to_owned();
    assert_eq!(
        web.checks[0].kind,
        CheckKind::Path {
            path,
            state: PathState::Present
        }
    );

    let bookworm = IMAGE.replace("trixie", "bookworm");
    let (image, _) = load_image(
        &with(&[("images/small.toml", &bookworm)]),
        "images/small.toml",
    );
    let image = image.unwrap();
    assert_eq!(
        image.recipes[0].repositories[0].suites,
        ["bookworm", "bookworm-updates"]
    );
    assert_eq!(image.recipes[1].packages, ["apache2", "php8.2-fpm"]);
    assert!(image.recipes[1].units.enable.is_empty());
}

#[test]
fn a_fleet_has_the_runbooks_values_where_it_says_nothing() {
    let (fleet, problems) = load_fleet(&with(&[]), FLEET_FILE);
    assert_eq!(problems, []);
    let fleet = fleet.unwrap();
    assert_eq!(fleet.environment, "production");
    assert_eq!(
        (fleet.state.bucket.as_str(), fleet.state.prefix.as_str()),
        ("example-state", "hosting")
    );
    let regions: Vec<_> = fleet
        .regions
        .iter()
        .map(|region| region.name.as_str())
        .collect();
    assert_eq!(regions, ["us-east-1", "us-west-2"], "by wave");
    assert_eq!(fleet.primary, "us-west-2", "the last");
    assert_eq!(fleet.secrets, [""; 0]);
    let rows: Vec<_> = fleet
        .roles
        .iter()
        .map(|r| {
            (
                r.role.as_str(),
                r.instance_type.as_str(),
                r.min,
                r.desired,
                r.max,
                r.data_volume_gib,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("web", "t3.medium", 1, 1, 4, None),
            ("api", "t3.medium", 2, 2, 5, None),
            ("database", "t3.medium", 2, 2, 3, Some(100)),
            ("storage", "t3.large", 3, 3, 3, Some(100)),
            ("monitoring", "t3.small", 2, 2, 2, None),
        ]
    );
    for role in &fleet.roles {
        assert_eq!((role.root_volume_gib, &role.instance_profile), (16, &None));
    }
    let health = &fleet.roles[0].health;
    assert_eq!(
        (health.samples, health.every_secs, health.at_most_secs),
        (3, 30, 300)
    );
    let probe = health.https.as_ref().unwrap();
    assert_eq!((probe.port, probe.path.as_str()), (443, "/healthy"));
    assert_eq!(fleet.roles[2].health.https, None);
}

#[test]
fn a_role_has_the_fleets_instance_profile_unless_it_has_its_own() {
    let changed = FLEET
        .replace("format = 1\n", "format = 1\nprimary = \"us-east-1\"\ninstance-profile = \"node\"\nsecrets = [\"b\", \"a/b\"]\n")
        .replace("[role.web]\n", "[role.web]\ninstance-profile = \"web\"\nroot-volume-gib = 40\n");
    let (fleet, problems) = load_fleet(&with(&[("images/fleet.toml", &changed)]), FLEET_FILE);
    assert_eq!(problems, []);
    let fleet = fleet.unwrap();
    let of = |index: usize| {
        let role = &fleet.roles[index];
        (role.instance_profile.as_deref(), role.root_volume_gib)
    };
    assert_eq!((of(0), of(1)), ((Some("web"), 40), (Some("node"), 16)));
    assert_eq!(fleet.primary, "us-east-1");
    assert_eq!(fleet.secrets, ["a/b", "b"], "sorted");
}

#[test]
fn every_mistake_of_one_file_is_reported_at_once() {
    let image = r#"format = 1
name = "small"
descripton = "A small image"
suite = "trixi"
architectures = ["x86_64", "i386"]
recipes = ["base", 5, "wbe"]

[disk]
esp-mib = "large"
root-free-mb = 1

[boot]
timeout-secs = -1
"#;
    check(
        &[("images/small.toml", image)],
        "\
images/small.toml missing field `description`
images/small.toml:3:1 unknown field `descripton`, expected one of `name`, `description`, `suite`, `architectures`, `recipes`, `disk`, `boot` (a similar name exists: `description`)
images/small.toml:4:9 unknown variant `trixi`, expected `trixie` or `bookworm` (a similar name exists: `trixie`)
images/small.toml:5:28 unknown variant `i386`, expected `x86_64` or `arm64`
images/small.toml:6:20 invalid type: integer `5`, expected a string
images/small.toml:9:11 invalid type: string \"large\", expected a whole number
images/small.toml:10:1 unknown field `root-free-mb`, expected one of `esp-mib`, `root-mib`, `root-free-mib` (a similar name exists: `root-free-mib`)
images/small.toml:13:16 invalid value: integer `-1`, expected a whole number",
    );
}

#[test]
fn every_syntax_error_of_every_file_is_reported_at_once() {
    check(
        &[
            ("images/small.toml", "format = 1\nname =\nsuite = 'x\n"),
            (
                "recipes/web/recipe.toml",
                "format = 1\nname = 'web'\nname = 'web'\n[[file]\n",
            ),
        ],
        "\
images/small.toml:2:7 string values must be quoted, expected literal string
images/small.toml:3:11 invalid literal string, expected `'`
recipes/web/recipe.toml:3:1 duplicate key
recipes/web/recipe.toml:4:8 unclosed array table, expected `]`
",
    );
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let mut sources = with(&[("recipes/stray/files/x", "x")]);
    let bytes = b"format = 1\nname = \"\xff\"".to_vec();
    sources.insert(
        "recipes/web/recipe.toml",
        SourceFile {
            bytes,
            executable: false,
        },
    );
    assert_eq!(
        lines(&sources, &check_project(&sources)),
        "\
recipes/stray/recipe.toml the folder `recipes/stray/` has no recipe (add `recipe.toml`, or remove the folder)
recipes/web/recipe.toml the file is not UTF-8 text from byte 19 on
"
    );
    let (image, problems) = load_image(&sources, "images/none.toml");
    assert_eq!(image, None);
    assert_eq!(
        lines(&sources, &problems),
        "images/none.toml no such file\n"
    );
}

#[test]
fn headers() {
    check_image(
        "format = 1\n",
        "",
        "images/small.toml missing field `format` (add `format = 1` as the first line)",
    );
    check_image(
        "format = 1\n",
        "format = 2\nfuture = true\n",
        "images/small.toml:1:10 unknown definition format [vmimage 0.1.0 reads format 1]",
    );
    check_image(
        "format = 1\n",
        "format = 1\nminimum-version = \"99.0.0\"\nfuture = true\n",
        "images/small.toml:2:19 the definition needs a newer vmimage [this is vmimage 0.1.0]",
    );
    check_image(
        "format = 1\n",
        "format = 1\nminimum-version = 1\n",
        "images/small.toml:2:19 `minimum-version` is not a version (write it as a string of three numbers, for example \"0.1.0\")",
    );
}

#[test]
fn images() {
    check_image(
        "[\"base\", \"web\"]",
        "[\"bsae\", \"web\", \"web\", \"database\"]",
        "\
images/small.toml:6:12 no recipe named `bsae` [not found in `recipes/`] (a recipe with a similar name exists: `base`)
images/small.toml:6:27 recipe `web` is listed twice
images/small.toml:6:34 no recipe named `database` [not found in `recipes/`]",
    );
    check_image(
        "[\"base\", \"web\"]",
        "[\"base\", \"webb\"]",
        "images/small.toml:6:20 no recipe named `webb` [not found in `recipes/`] (a recipe with a similar name exists: `web`)",
    );
    check_image(
        "[\"base\", \"web\"]",
        "[\"web\", \"base\"]",
        "images/small.toml:6:11 recipe `web` is the first, so its repositories make the base layer, but it has none",
    );
    check_image(
        "[\"base\", \"web\"]",
        "[]",
        "images/small.toml:6:11 `recipes` is empty",
    );
    check_image(
        "[\"x86_64\"]",
        "[]",
        "images/small.toml:5:17 `architectures` is empty",
    );
    check_image(
        "name = \"small\"",
        "name = \"Small\"",
        "\
images/small.toml:2:8 `Small` is not an image name: lower-case letters, digits and `-`
images/small.toml:2:8 the image's name is not that of `images/small.toml` [must be the file's name without `.toml`]",
    );
    let more = "[\"base\"]\n[disk]\nesp-mib = 1\nroot-mib = 100000000\n[boot]\nconsoles = [\"tty0\", \"tty0\", \"tty S0\"]\n";
    check_image(
        "[\"base\", \"web\"]\n",
        more,
        "\
images/small.toml:8:11 `esp-mib` is not between 64 and 67108864: 1
images/small.toml:9:12 `root-mib` is not between 256 and 67108864: 100000000
images/small.toml:11:21 console `tty0` is listed twice
images/small.toml:11:29 `tty S0` is not one word: console",
    );
}

#[test]
fn fleets() {
    check_fleet(
        "image = \"small\"",
        "image = \"smal\"",
        "images/fleet.toml:5:9 no image named `smal` [not found in `images/`] (an image with a similar name exists: `small`)",
    );
    check_fleet(
        "[role.web]\nmin = 1",
        "[role.wbe]\n[role.web]\ndata-volume-gib = 10\nmin = 9",
        "\
images/fleet.toml:15:7 no role named `wbe` [the roles are `web`, `api`, `database`, `storage`, `monitoring`] (a role with a similar name exists: `web`)
images/fleet.toml:17:19 role `web` keeps no data of its own [only `database` and `storage` have a data volume]
images/fleet.toml:19:7 role `web` needs min <= desired <= max, but they are 9, 9 and 4",
    );
    check_fleet(
        "[role.web]\nmin = 1",
        "[role.storage]\ndesired = 4\nmax = 4\narbiter-volume-gib = 0\n[role.web]\narbiter-volume-gib = 5\nmin = 1",
        "\
images/fleet.toml:16:11 4 storage nodes make no whole sets of 3
images/fleet.toml:18:22 `arbiter-volume-gib` is not between 1 and 65536: 0
images/fleet.toml:20:22 role `web` has no arbiters [only `storage` has them]",
    );
    check_fleet(
        "name = \"us-west-2\"\nwave = 2",
        "name = \"us-east-1\"\nwave = 0\n[[region]]\nname = \"mars\"\nwave = 1",
        "\
images/fleet.toml:9:8 waves are counted from 1
images/fleet.toml:11:8 `mars` is not a region of AWS
images/fleet.toml:15:8 region `us-east-1` is listed twice",
    );
    check_fleet(
        "image = \"small\"",
        "image = \"small\"\nprimary = \"us-west-1\"\ninstance-profile = \"a/b\"\nsecrets = [\"x\", \"image/x\", \"x\"]",
        "\
images/fleet.toml:6:11 `us-west-1` is not a region of the fleet [no `[[region]]` has this name] (a region with a similar name exists: `us-west-2`)
images/fleet.toml:7:20 `a/b` is not the name of an instance profile
images/fleet.toml:8:17 `image/x` is not the name of a secret: words of lower-case letters, digits and `-`, with `/` between them
images/fleet.toml:8:28 secret `x` is listed twice",
    );
    check_fleet(
        "s3://example-state/hosting",
        "s3://example-state/",
        "images/fleet.toml:4:9 `s3://example-state/` is not a place in S3 (write it as `s3://bucket/prefix`, without a slash at the end)",
    );
    check_fleet(
        "domain = \"example.org\"",
        "domain = \"example\"\nenvironment = \"Prod\"",
        "\
images/fleet.toml:3:10 `example` is not a domain
images/fleet.toml:4:15 `Prod` is not a DNS label: lower-case letters, digits and `-`",
    );
    check_fleet(
        "path = \"/healthy\"",
        "path = \"healthy\"\nsamples = 20\n[role.api]\nmin = 3\nmax = 2\n[role.storage]\nhealth.path = \"/\"\ninstance-type = \"large\"",
        "\
images/fleet.toml:20:8 `healthy` is not a path of a URL
images/fleet.toml:21:11 20 samples, one every 30 s, take 570 s, more than `at-most-secs` 300
images/fleet.toml:24:7 role `api` needs min <= desired <= max, but they are 3, 3 and 2
images/fleet.toml:26:15 a health gate with `path` needs `port`
images/fleet.toml:27:17 `large` is not an instance type",
    );
}
