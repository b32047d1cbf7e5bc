//! Boot halves: what good ones resolve to, and every problem of bad ones.

use super::project::{BASE, WEB, check, with};
use vmimage_plan::bake::{Format, Inventory, plan_bake};
use vmimage_plan::definition::{
    Architecture, BootAction, Condition, Piece, Quote, Stage, Template, load_image,
};
use vmimage_plan::lock::Lock;

use firstboot::Role;

/// The problems of the web recipe with one more step, whose first lines are `roles` and `name`.
#[track_caller]
fn check_step(step: &str, expected: &str) {
    let more = format!("\n[[boot]]\nroles = [\"web\"]\nname = \"n\"\n{step}\n");
    let changed = format!("{WEB}{more}");
    let expected = expected.replace('@', "recipes/web/recipe.toml:");
    check(&[("recipes/web/recipe.toml", &changed)], &expected);
}

/// The line of the web recipe at which a step's own keys begin.
fn line() -> usize {
    WEB.lines().count() + 5
}

/// As [`check_step`], with `+N` for a line of the step.
#[track_caller]
fn refused(step: &str, expected: &str) {
    let mut lines: Vec<String> = Vec::new();
    for text in expected.lines() {
        let (place, rest) = text.split_once(' ').expect("a place, then what is wrong");
        let (row, column) = place.split_once(':').expect("a row and a column");
        let row: isize = row.parse().expect("a number");
        let row = line().checked_add_signed(row).expect("a line");
        lines.push(format!("@{row}:{column} {rest}"));
    }
    check_step(step, &lines.join("\n"));
}

const GOOD: &str = r#"
[[boot]]
roles = ["web"]
name = "site"
stage = "start"
when = ["volume", "!in-primary"]
each = "storage"
write = "/etc/site/{{.slot}}"
template = "boot/site"
format = "json"
mode = "0600"
owner = "root:www-data"

[[boot]]
roles = ["*"]
name = "storage nodes"
stage = "prepare"
peers = "storage"
regions = "all"
self = true
at-least = "{{size}}"
as = "storage"

[[boot]]
roles = ["web", "api"]
name = "data"
stage = "prepare"
volume = "/srv/data"
filesystem = "xfs"
as = "volume"
"#;

fn check_site(action: &BootAction) {
    let text = |text: &str| Piece::Text(text.to_owned());
    let address = Piece::Fact {
        name: "address".to_owned(),
        quote: Quote::Json,
    };
    let slot = Piece::Field {
        name: "slot",
        quote: Quote::Plain,
    };
    assert_eq!(
        *action,
        BootAction::Write {
            path: Template(vec![text("/etc/site/"), slot]),
            content: Template(vec![text("{\"a\":"), address, text("}\n")]),
            mode: 0o600,
            owner: "root:www-data".to_owned(),
        }
    );
}

#[test]
fn a_step_is_resolved() {
    let recipe = format!("{WEB}{GOOD}");
    let sources = with(&[
        ("recipes/web/recipe.toml", &recipe),
        ("recipes/web/boot/site", "{\"a\":{{address}}}\n"),
    ]);
    let (image, problems) = load_image(&sources, "images/small.toml");
    assert_eq!(problems, []);
    let image = image.expect("it has no problems");
    let [site, peers, volume] = &image.recipes[1].boot_steps[..] else {
        panic!("three steps")
    };
    assert_eq!((site.name.as_str(), site.stage), ("site", Stage::Start));
    let condition = |fact: &str, negated| Condition {
        fact: fact.to_owned(),
        negated,
    };
    assert_eq!(
        site.when,
        [condition("volume", false), condition("in-primary", true)]
    );
    assert_eq!(
        (site.each.as_deref(), site.deadline_secs),
        (Some("storage"), 0)
    );
    check_site(&site.action);
    assert_eq!(peers.roles, Role::ALL);
    assert_eq!(
        (peers.sets.as_deref(), peers.deadline_secs),
        (Some("storage"), 600)
    );
    let members = Piece::Fact {
        name: "size".to_owned(),
        quote: Quote::Number,
    };
    assert_eq!(
        peers.action,
        BootAction::Peers {
            role: Role::Storage,
            all_regions: true,
            include_self: true,
            at_least: Template(vec![members]),
        }
    );
    assert_eq!(volume.roles, [Role::Web, Role::Api]);
}

#[test]
fn a_step_of_a_suite_is_of_that_suite_alone() {
    let step =
        "\n[[suite.bookworm.boot]]\nroles = [\"web\"]\nname = \"n\"\nset = \"\"\nas = \"a\"\n";
    let recipe = format!("{WEB}{step}");
    let sources = with(&[("recipes/web/recipe.toml", &recipe)]);
    let (image, _) = load_image(&sources, "images/small.toml");
    assert_eq!(image.expect("it is right").recipes[1].boot_steps, []);
    check(&[("recipes/web/recipe.toml", &recipe)], "");
}

#[test]
fn a_boot_half_is_in_no_layer_and_no_fingerprint() {
    let lock = Lock::parse("images/small.lock", include_str!("small.lock")).expect("it is right");
    let plan = |web: &str| {
        let sources = with(&[
            ("recipes/web/recipe.toml", web),
            ("recipes/web/boot/site", "{{address}}"),
        ]);
        let image = load_image(&sources, "images/small.toml").0;
        let image = image.expect("it has no problems");
        assert_eq!(image.recipes[1].boot_steps.is_empty(), web == WEB);
        let (formats, inventory) = (Format::ALL.into(), Inventory::default());
        plan_bake(&image, &lock, Architecture::X86_64, &formats, &inventory).expect("it is locked")
    };
    assert_eq!(plan(WEB), plan(&format!("{WEB}{GOOD}")));
}

#[test]
fn a_step_is_of_one_kind_and_has_only_its_keys() {
    refused(
        "",
        "-1:8 the step does not say what to do (give one of `write`, `run`, `wait`, `claim`, `secrets`, `peers`, `volume`, `start`, `set`, `report`)",
    );
    refused(
        "run = [\"a\"]\nwait = [\"b\"]",
        "1:8 the step has both `run` and `wait` (write two steps)",
    );
    refused(
        "run = [\"a\"]\nexpect = \"x\"\nmode = \"0644\"\nunles = []",
        "\
1:10 a `run` step has no `expect`
2:8 a `run` step has no `mode`
3:1 unknown field `unles`, expected one of `name`, `roles`, `stage`, `when`, `each`, `as`, `at-most-secs`, `write`, `template`, `content`, `format`, `mode`, `owner`, `run`, `unless`, `always`, `wait`, `expect`, `stdin`, `stdin-template`, `claim`, `token`, `may-claim`, `secrets`, `peers`, `regions`, `at-least`, `self`, `volume`, `filesystem`, `start`, `set`, `equals`, `report`, `report-content` (a similar name exists: `unless`)",
    );
    refused(
        "run = [\"a\"]\nunless = [\"b\"]\nalways = true",
        "2:10 the step has both `unless` and `always` (a step with `unless` is looked at at every boot; leave `always` out)",
    );
    refused(
        "set = \"x\"",
        "-1:8 a `set` step needs `as` (name the fact that it sets)",
    );
    refused("set = \"x\"\nas = \"A\"\nat-most-secs = 3", "\
1:6 `A` is not the name of a fact (write lower-case letters, digits, `.` and `-`, a letter first, 60 at most)
2:16 a `set` step has no `at-most-secs`");
    refused(
        "set = \"x\"\nas = \"size\"",
        "1:6 `size` is a fact that every node has (give the fact another name)",
    );
    refused(
        "set = \"x\"\nas = \"secret.x\"",
        "1:6 only a `secrets` step sets facts of this name",
    );
    refused(
        "start = [\"a.service\"]\nas = \"x\"",
        "1:6 a `start` step has no `as`",
    );
    refused(
        "report-content = \"\"\nstage = \"ready\"",
        "1:9 the node report is made in the stage `report`",
    );
    refused(
        "report-content = \"\"\nreport = \"boot/x\"",
        "0:18 the step has both `report` and `report-content`",
    );
}

#[test]
fn what_every_step_has_is_checked() {
    let set = "set = \"x\"\nas = \"a\"";
    refused(
        &format!("{set}\nstage = \"redy\""),
        "2:9 no stage named `redy` [the stages are `prepare`, `configure`, `start`, `ready`, `report`] (a similar name exists: `ready`)",
    );
    refused(
        &format!("{set}\nwhen = [\"A\", \"!size\", \"nothing\"]"),
        "2:9 `A` is not a condition (write the name of a fact, with `!` before it where it must not hold)",
    );
    refused(
        &format!("{set}\neach = \"size\""),
        "2:8 the fact `size` is not a list (only a `peers` step sets a list)",
    );
    refused(
        "run = [\"a\"]\nat-most-secs = 0",
        "1:16 `at-most-secs` is not between 1 and 3600: 0",
    );
    refused(
        "run = [\"a\"]\nat-most-secs = 3601",
        "1:16 `at-most-secs` is not between 1 and 3600: 3601",
    );
    let long = "x".repeat(61);
    let steps = format!(
        "{WEB}\n[[boot]]\nroles = []\nname = \"{long}\"\n{set}\n\n[[boot]]\nroles = [\"wed\", \"api\", \"api\"]\nname = \"{{{{size}}}}\"\n{set}\n\n[[boot]]\nroles = [\"*\", \"web\"]\nname = \"\"\n{set}\n\n[[boot]]\nname = \"x\"\n{set}\n"
    );
    check(&[("recipes/web/recipe.toml", &steps)], "\
recipes/web/recipe.toml:41:9 `roles` is empty (name the roles, or write `[\"*\"]` for every node)
recipes/web/recipe.toml:42:8 `name` is longer than 60 characters
recipes/web/recipe.toml:47:10 no role named `wed` [the roles are `web`, `api`, `database`, `storage`, `monitoring`] (a role with a similar name exists: `web`)
recipes/web/recipe.toml:47:24 role `api` is listed twice
recipes/web/recipe.toml:48:8 `name` is shown as it is, without facts
recipes/web/recipe.toml:53:10 `*` is every role; name no other
recipes/web/recipe.toml:54:8 `name` is empty
recipes/web/recipe.toml:58:1 missing field `roles`");
}

#[test]
fn what_each_kind_has_is_checked() {
    for (step, expected) in [
        ("write = \"etc/x\"\nmode = \"644\"\nowner = \"a:b:c\"", "\
0:9 the path `etc/x` is not an absolute path
0:9 the step has neither `template` nor `content`
2:9 `a:b:c` is not an owner (write `user` or `user:group`)"),
        ("write = \"/etc/x\"\ntemplate = \"boot/none\"\nmode = \"rw\"\nformat = \"sqk\"", "\
1:12 no file `boot/none` [not found in `recipes/web/`]
2:8 `rw` is not a mode (write permission bits in octal, for example \"0644\")
3:10 no format named `sqk` [the formats are `plain`, `sql`, `shell`, `json`, `ini`, `option-file`, `environment`] (a similar name exists: `sql`)"),
        ("write = \"/etc/x\"\ntemplate = \"boot/x\"\ncontent = \"\"", "2:11 the step has both `template` and `content`"),
        ("run = []\nunless = [\"bin/x\"]", "\
0:7 `run` names no program
1:10 the program `bin/x` is a relative path"),
        ("run = [\"x\\u0001\"]", "0:8 the byte 1 in a text (the bytes 0 to 5 and 127 have a meaning in role programs; leave them out)"),
        ("wait = [\"\"]\nstdin = \"\"\nstdin-template = \"boot/x\"", "\
0:8 `wait` names no program
1:9 the step has both `stdin-template` and `stdin`"),
        ("claim = \"/a b\"\nmay-claim = [\"?\"]", "\
-1:8 a `claim` step needs `as` (name the fact that it sets)
0:9 a `claim` step needs `token` (give what the next holder must have in common with this one)
0:9 the object `/a b` is an absolute path
1:14 `?` is not a condition (write the name of a fact, with `!` before it where it must not hold)"),
        ("claim = \"a b\"\ntoken = \"x\"\nas = \"c\"", "0:9 the object `a b` has a character that names of objects do not need"),
        ("run = [\"a\"]\nstdin = \"{{zone|raw}}\"\nunless = [\"a\", \"{{zone|raw}}\"]", "2:23 only the input of a command takes a value that is `raw` (write `plain`, or how the place quotes what stands in it)"),
        ("secrets = []", "0:11 `secrets` is empty"),
        ("secrets = [\"A\", \"b\", \"b\"]", "\
0:12 `A` is not the name of a secret: words of lower-case letters, digits and `-`, with `/` between them
0:22 secret `b` is listed twice"),
        ("peers = \"nobody\"\nregions = \"some\"\nat-least = \"many\"", "\
0:9 no role named `nobody` [the roles are `web`, `api`, `database`, `storage`, `monitoring`]
1:11 `some` is neither `own` nor `all`
2:12 `many` is not a number"),
        ("volume = \"srv\"", "\
0:10 a `volume` step needs `filesystem` (write \"xfs\" or \"ext4\": what is made on a blank volume)
0:10 the path `srv` is not an absolute path"),
        ("volume = \"/srv\"\nfilesystem = \"btrfs\"", "1:14 `btrfs` is neither `xfs` nor `ext4`"),
        ("start = []", "0:9 `start` is empty"),
        ("start = [\"x\"]", "0:10 `x` is not a unit name (write the unit with its type, for example `ssh.service`)"),
    ] {
        refused(step, expected);
    }
}

#[test]
fn templates_are_checked_where_they_are() {
    refused(
        "content = \"\"\"\nab {{nothing}}\n\"\"\"\nwrite = \"/etc/x\"",
        "1:4 no fact named `nothing` [no node has it and no step sets it]",
    );
    refused(
        "content = \"\\t{{nothing}}\"\nwrite = \"/etc/x\"",
        "0:11 no fact named `nothing` [no node has it and no step sets it]",
    );
    let step =
        "\n[[boot]]\nroles = [\"web\"]\nname = \"n\"\nwrite = \"/etc/x\"\ntemplate = \"boot/x\"\n";
    let recipe = format!("{WEB}{step}");
    let template =
        "a\nb {{adress}}\n{{#each zone}}{{/each}}\n{{#each x}}\n-----BEGIN PRIVATE KEY-----\n";
    check(
        &[
            ("recipes/web/recipe.toml", &recipe),
            ("recipes/web/boot/x", template),
        ],
        "\
recipes/web/boot/x:1:1 a private key in a definition (keep it in SSM Parameter Store and read it with a `secrets` step)
recipes/web/boot/x:4:1 `{{#each}}` is not closed (write `{{/each}}` where it ends)",
    );
}

#[test]
fn facts_are_set_before_they_are_used_in_every_role() {
    let step =
        |roles: &str, more: &str| format!("\n[[boot]]\nroles = [{roles}]\nname = \"n\"\n{more}\n");
    let base = BASE.to_owned()
        + &step("\"web\"", "set = \"{{late}}{{webs}}{{apis}}\"\nas = \"a\"")
        + &step("\"api\"", "set = \"\"\nas = \"apis\"")
        + &step("\"*\"", "set = \"{{webs}}\"\nas = \"b\"\nstage = \"ready\"");
    let web = WEB.to_owned()
        + &step("\"web\"", "set = \"\"\nas = \"late\"")
        + &step(
            "\"web\"",
            "peers = \"web\"\nas = \"webs\"\nstage = \"prepare\"",
        )
        + &step("\"web\"", "run = [\"x\"]\nas = \"late\"");
    check(
        &[
            ("recipes/base/recipe.toml", &base),
            ("recipes/web/recipe.toml", &web),
        ],
        "\
recipes/base/recipe.toml:30:8 the fact `late` is used before a step sets it [in the program of role `web`]
recipes/base/recipe.toml:30:16 the fact `webs` is a list (go through it with `{{#each webs}}`)
recipes/base/recipe.toml:30:24 no step of role `web` sets the fact `apis`
recipes/base/recipe.toml:42:8 no step of role `api` sets the fact `webs`
recipes/base/recipe.toml:42:8 no step of role `database` sets the fact `webs`
recipes/base/recipe.toml:42:8 no step of role `monitoring` sets the fact `webs`
recipes/base/recipe.toml:42:8 no step of role `storage` sets the fact `webs`
recipes/base/recipe.toml:42:8 the fact `webs` is a list (go through it with `{{#each webs}}`)
recipes/web/recipe.toml:57:6 the fact `late` is set by a `set` step and by a `run` step [also in `recipes/web/recipe.toml`]",
    );
}

#[test]
fn the_stage_report_knows_only_what_it_sets() {
    let step = |more: &str| format!("\n[[boot]]\nroles = [\"web\"]\nname = \"n\"\n{more}\n");
    let web = WEB.to_owned()
        + &step("set = \"\"\nas = \"x\"")
        + &step("set = \"{{zone}}\"\nas = \"y\"\nstage = \"report\"")
        + &step("report-content = '\"z\":{{x}}{{y}}'");
    check(
        &[("recipes/web/recipe.toml", &web)],
        "recipes/web/recipe.toml:56:23 the fact `x` is not known in the stage `report` [the report's timer does the steps of this stage alone] (set `x` by a step of the stage `report` too)",
    );
}

#[test]
fn a_secret_is_nowhere_where_it_is_seen() {
    let step = |more: &str| format!("\n[[boot]]\nroles = [\"web\"]\nname = \"n\"\n{more}\n");
    let web = WEB.to_owned()
        + &step("secrets = [\"tls\"]")
        + &step("set = \"x{{secret.tls}}\"\nas = \"y\"")
        + &step("set = \"{{secret.tls}}\"\nequals = \"\"\nas = \"empty\"")
        + &step(
            "run = [\"x\", \"{{y}}\", \"{{empty}}\"]\nunless = [\"x\", \"{{secret.tls}}\"]\nstdin = \"{{y}}\"",
        )
        + &step("write = \"/etc/x\"\ncontent = \"{{y}}\"")
        + &step("write = \"/etc/x\"\ncontent = \"{{y}}\"\nmode = \"0640\"")
        + &step("claim = \"x\"\ntoken = \"{{y}}\"\nas = \"c\"")
        + &step("secrets = [\"tls\"]\nstage = \"report\"")
        + &step("report-content = \"{{secret.tls}}\"")
        + &step(
            "write = \"/run/k\"\nmode = \"0600\"\ncontent = \"\"\"\n-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA{{secret.tls|pem40}}\n-----END PRIVATE KEY-----\n\"\"\"",
        );
    check(&[("recipes/web/recipe.toml", &web)], "\
recipes/web/recipe.toml:61:14 the fact `y` holds a secret [this goes into an argument list, which every process can read] (leave it out; a command takes it by `stdin`, a file of mode \"0600\" may hold it)
recipes/web/recipe.toml:62:17 the fact `secret.tls` holds a secret [this goes into an argument list, which every process can read] (leave it out; a command takes it by `stdin`, a file of mode \"0600\" may hold it)
recipes/web/recipe.toml:69:12 the fact `y` holds a secret [this goes into a file that every user can read] (leave it out; a command takes it by `stdin`, a file of mode \"0600\" may hold it)
recipes/web/recipe.toml:82:10 the fact `y` holds a secret [this goes into the cluster's state] (leave it out; a command takes it by `stdin`, a file of mode \"0600\" may hold it)
recipes/web/recipe.toml:94:19 the fact `secret.tls` holds a secret [this goes into the node report] (leave it out; a command takes it by `stdin`, a file of mode \"0600\" may hold it)");
}
