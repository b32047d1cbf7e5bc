//! Recipes: every problem of bad ones.

use super::project::{BASE, WEB, check};

/// The problems of the base recipe with `from` replaced by `to`.
fn check_base(from: &str, to: &str, expected: &str) {
    assert_eq!(BASE.matches(from).count(), 1, "`{from}` must be there once");
    let changed = BASE.replace(from, to);
    check(&[("recipes/base/recipe.toml", &changed)], expected);
}

/// The problems of the web recipe with `more` at its end.
fn check_web(more: &str, expected: &str) {
    let changed = WEB.to_owned() + more;
    check(&[("recipes/web/recipe.toml", &changed)], expected);
}

#[test]
fn checks_go_on_after_unreadable_parts() {
    let recipe = r#"format = 1
name = "web"
description = ""

[[file]]
path = "/etc/a"
content = 5

[[file]]
source = "files/x"

[[file]]
path = "etc/b"
content = "b"
mode = "rw"
"#;
    check(
        &[("recipes/web/recipe.toml", recipe)],
        "\
recipes/web/recipe.toml:3:15 `description` is empty
recipes/web/recipe.toml:6:8 file `/etc/a` has neither `source` nor `content`
recipes/web/recipe.toml:7:11 invalid type: integer `5`, expected a string
recipes/web/recipe.toml:9:1 missing field `path`
recipes/web/recipe.toml:13:8 the path `etc/b` is not an absolute path
recipes/web/recipe.toml:15:8 `rw` is not a mode (write permission bits in octal, for example \"0644\")",
    );
}

#[test]
fn repositories() {
    check_base(
        "key = \"keys/debian.asc\"\n",
        "",
        "recipes/base/recipe.toml:7:11 repository `debian` has no key (add `key` with a file of the recipe's folder, or `key-url`)",
    );
    check_base(
        "\"keys/debian.asc\"",
        "\"keys/debain.asc\"",
        "recipes/base/recipe.toml:12:7 no file `keys/debain.asc` [not found in `recipes/base/`] (a file with a similar name exists: `keys/debian.asc`)",
    );
    check_base(
        "B8B8 0B5B",
        "",
        "recipes/base/recipe.toml:11:17 ` 623E AB6A D877  5C45 B7C5 D7D6 3509 47F8` is not a fingerprint (write all 40 hexadecimal digits; key ids are too easily forged)",
    );
    check_base(
        "http://deb.debian.org",
        "https://user:word@deb.debian.org",
        "recipes/base/recipe.toml:8:7 the URL holds credentials (secrets are never values: write the URL without them, and give the whole URL when locking and baking,\nas `NAME=URL` in the variable `VMIMAGE_MIRRORS` or with `--mirror`)",
    );
    check_base(
        "[\"{suite}\", \"{suite}-updates\"]\ncomponents = [\"main\"]",
        "[\"./\", \"{suite}/\", \"/\"]\ncomponents = []",
        "\
recipes/base/recipe.toml:9:11 `./` is a flat archive, which is not supported (FLAT)
recipes/base/recipe.toml:9:17 `{suite}/` is a flat archive, which is not supported (FLAT)
recipes/base/recipe.toml:9:29 `/` is a flat archive, which is not supported (FLAT)"
            .replace("FLAT", "name a suite that the archive has below `dists/`; where it has none, make an archive of its packages\nthat has, for example with `aptly` or `reprepro`, and pin the key that signs that")
            .as_str(),
    );
    check_base(
        "[\"main\"]",
        "[\"main\", \"main\"]",
        "recipes/base/recipe.toml:10:23 `main` is listed twice",
    );
    check_base(
        "[\"{suite}\", \"{suite}-updates\"]",
        "[\"trixie\", \"{suite}\", \"{siute}\"]",
        "\
recipes/base/recipe.toml:9:21 `trixie` is listed twice
recipes/base/recipe.toml:9:32 `{siute}` is not a suite",
    );
    check_web(
        "[[repository]]\narchive = \"debian\"\nurl = \"https://deb.debian.org/debian\"\nsuites = [\"{suite}\"]\ncomponents = []\nkey-url = \"ftp://x\"\n\n[[repository]]\narchive = \"vendor\"\nurl = \"http://vendor.example\"\nsuites = [\"s\"]\ncomponents = [\"c\"]\nkey-url = \"https://token@vendor.example/key\"\n",
        "\
recipes/web/recipe.toml:41:7 archive `debian` has two URLs [recipe `base` has `http://deb.debian.org/debian`]
recipes/web/recipe.toml:42:11 suite `trixie` of archive `debian` is listed twice [recipe `base` lists it]
recipes/web/recipe.toml:43:14 `components` is empty
recipes/web/recipe.toml:44:11 the URL is not an http or https URL
recipes/web/recipe.toml:51:11 the URL holds credentials (secrets are never values: keep the key as a file in the recipe's folder, and name it as `key`)",
    );
    check_base(
        "archive = \"debian\"",
        "archive = \"debain\"",
        "images/small.toml:6:11 no recipe of the image has a repository with the archive `debian`",
    );
}

#[test]
fn trees() {
    check_base(
        "\"files/hosts\"",
        "\"../web/recipe.toml\"",
        "recipes/base/recipe.toml:16:10 the file `../web/recipe.toml` has a `..` part (name a file below `recipes/base/`)",
    );
    check_base(
        "source = \"files/hosts\"",
        "source = \"files/hosts\"\ncontent = \"x\"",
        "recipes/base/recipe.toml:16:10 file `/etc/hosts` has both `source` and `content`",
    );
    check_base(
        "\"/etc/hosts\"",
        "\"/lib/x/../hosts\"",
        "recipes/base/recipe.toml:15:8 the path `/lib/x/../hosts` has a `..` part",
    );
    check_base(
        "\"/etc/hosts\"",
        "\"/lib/hosts\"",
        "recipes/base/recipe.toml:15:8 the path `/lib/hosts` goes through a link into `/usr` (write `/usr/lib/hosts`)",
    );
    check(
        &[(
            "recipes/base/files/hosts",
            "x\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n",
        )],
        "recipes/base/recipe.toml:16:10 a private key in a definition (keep it in SSM Parameter Store; a definition holds no secret)",
    );
    check_web(
        "[[file]]\npath = \"/etc/hosts\"\ncontent = \"x\"\n[[link]]\npath = \"/srv/www\"\ntarget = \"\"\n[[directory]]\npath = \"/etc/motd\"\ngroup = \"A\"\n",
        "\
recipes/web/recipe.toml:40:8 two recipes own `/etc/hosts` [recipe `base` has this file]
recipes/web/recipe.toml:43:8 recipe `web` makes `/srv/www` twice [recipe `web` has this directory]
recipes/web/recipe.toml:44:10 link `/srv/www` has no usable target
recipes/web/recipe.toml:47:9 `A` is not a user or group name",
    );
    check_web(
        "[[file]]\npath = \"/etc/hosts/x\"\ncontent = \"x\"\n",
        "recipes/web/recipe.toml:40:8 `/etc/hosts/x` is below the file `/etc/hosts` [recipe `base` makes that file]",
    );
}

#[test]
fn packages_answers_commands_and_units() {
    check_base(
        "[\"apt\", \"systemd/{suite}-backports\"]",
        "[\"apt\", \"apt\", \"apt-\", \"a b\"]",
        "\
recipes/base/recipe.toml:4:20 package `apt` is listed twice
recipes/base/recipe.toml:4:27 `apt-` is not a package name
recipes/base/recipe.toml:4:35 `a b` is not a package name",
    );
    check_web(
        "[[debconf]]\nowner = \"apache2\"\nquestion = \"a b\"\ntype = \"strin\"\nvalue = \"a\\nb\"\n[[debconf]]\nowner = \"x\"\nquestion = \"x/y\"\ntype = \"password\"\nvalue = \"hunter2\"\n",
        "\
recipes/web/recipe.toml:41:12 `a b` is not a question
recipes/web/recipe.toml:42:8 `strin` is not a type of debconf: `string`, `boolean`, `select`, `multiselect`, `note` [unknown type] (a similar name exists: `string`)
recipes/web/recipe.toml:43:9 the answer has more than one line
recipes/web/recipe.toml:45:9 `x` is not a package name
recipes/web/recipe.toml:47:8 a password in a definition",
    );
    check_web(
        "[[command]]\nargv = []\nreason = \"x\"\n[[command]]\nargv = [\"\"]\nreason = \" \"\n[[command]]\nargv = [\"./x\"]\nreason = \"x\"\n[[command]]\nargv = [\"true\"]\n",
        "\
recipes/web/recipe.toml:40:8 `argv` names no program
recipes/web/recipe.toml:43:8 `argv` names no program
recipes/web/recipe.toml:44:10 `reason` is empty
recipes/web/recipe.toml:46:8 the program `./x` is a relative path
recipes/web/recipe.toml:48:1 missing field `reason`",
    );
    check_web(
        "units.mask = [\"php8.4-fpm.service\", \"apache2.service\", \"ssh\"]\n",
        "\
recipes/web/recipe.toml:39:15 unit `php8.4-fpm.service` is enabled already
recipes/web/recipe.toml:39:37 unit `apache2.service` is disabled already
recipes/web/recipe.toml:39:56 `ssh` is not a unit name (write the unit with its type, for example `ssh.service`)",
    );
    check_base(
        "mask = [\"apt-daily.timer\"]",
        "mask = [\"apt-daily.timer\", \"ssh\"]\nenable = [\"apt-daily.timer\"]",
        "\
recipes/base/recipe.toml:19:9 unit `apt-daily.timer` is enabled already
recipes/base/recipe.toml:19:28 `ssh` is not a unit name (write the unit with its type, for example `ssh.service`)",
    );
}

#[test]
fn seals_and_checks() {
    check_base(
        "path = \"/etc/machine-id\"\naction = \"write\"",
        "path = \"etc/*\"\naction = \"remov\"",
        "recipes/base/recipe.toml:23:10 unknown variant `remov`, expected one of `remove`, `empty-directory`, `truncate`, `write`, `forbid` (a similar name exists: `remove`)",
    );
    check_base(
        "path = \"/etc/machine-id\"\naction = \"write\"",
        "path = \"/etc/[x\"\naction = \"remove\"\ncontains = \"x\"",
        "\
recipes/base/recipe.toml:22:8 cannot parse the glob `/etc/[x` [unclosed character class; missing ']']
recipes/base/recipe.toml:24:12 only the action `forbid` has `contains`
recipes/base/recipe.toml:25:11 only the action `write` has `content`",
    );
    check_base(
        "content = \"uninitialized\\n\"\nreason = \"Every instance makes its own\"",
        "reason = \"\"",
        "\
recipes/base/recipe.toml:23:10 the action `write` needs `content`
recipes/base/recipe.toml:24:10 `reason` is empty",
    );
    check_web(
        "[[check]]\nreason = \"x\"\npath = \"/x\"\n[[check]]\nreason = \"x\"\npath = \"x\"\nstate = \"here\"\n[[check]]\nreason = \"x\"\nunit = \"ssh\"\nstate = \"disbled\"\n[[check]]\nreason = \"x\"\ncommand = []\n",
        "\
recipes/web/recipe.toml:40:10 the check does not say one thing to look at (give `path` with `state`, `path` with `contains`, `unit` with `state`, or `command`)
recipes/web/recipe.toml:44:8 the path `x` is not an absolute path
recipes/web/recipe.toml:45:9 `here` is not a state of a path: `present`, `absent`, `empty`
recipes/web/recipe.toml:48:8 `ssh` is not a unit name
recipes/web/recipe.toml:49:9 `disbled` is not a state of a unit [see systemctl(1), is-enabled] (a similar name exists: `disabled`)
recipes/web/recipe.toml:52:11 `command` names no program",
    );
}
