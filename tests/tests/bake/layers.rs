//! Layers: what is rebuilt, what is not, and what a user is told about it.

use serde_json::Value;
use vmimage_tests::project::Project;

fn steps(report: &str) -> Vec<(String, bool)> {
    let report: Value = serde_json::from_str(report).expect("the report is JSON");
    report["steps"]
        .as_array()
        .expect("a report has steps")
        .iter()
        .map(|step| {
            let name = step["step"].as_str().expect("a step has a name").to_owned();
            (
                name,
                step["reused"]
                    .as_bool()
                    .expect("a step says whether it was reused"),
            )
        })
        .filter(|(name, _)| name.starts_with("layer "))
        .collect()
}

#[test]
fn a_changed_recipe_rebuilds_from_itself_on() {
    let project = Project::new();
    project.done(&["lock", "small"]);
    let bake = ["bake", "small", "--locked", "--json"];
    let first = project.done(&bake);
    let layer = |name: &str, reused| (format!("layer {name}"), reused);
    assert_eq!(
        steps(&first.stdout),
        [layer("base", false), layer("firstboot-launch", false)]
    );

    project.write("recipes/firstboot-launch/files/extra", "hello\n");
    let recipe = "recipes/firstboot-launch/recipe.toml";
    let text = std::fs::read_to_string(project.path(recipe)).expect("read the recipe");
    let file = "\n[[file]]\npath = \"/etc/vmimage-extra\"\nsource = \"files/extra\"\n";
    project.write(recipe, &format!("{text}{file}"));

    let explained = project.done(&["bake", "small", "--locked", "--explain"]);
    assert!(
        explained.stdout.contains("\nreuse  layer base "),
        "{}",
        explained.stdout
    );
    assert!(
        explained
            .stdout
            .contains("\n         file added: file /etc/vmimage-extra\n"),
        "{}",
        explained.stdout
    );
    let second = project.done(&bake);
    assert_eq!(
        steps(&second.stdout),
        [layer("base", true), layer("firstboot-launch", false)]
    );

    // Back again: the earlier layer is still in the store, so only the disk is made.
    project.write(recipe, &text);
    let third = project.done(&bake);
    assert_eq!(
        steps(&third.stdout),
        [layer("base", true), layer("firstboot-launch", true)]
    );
    let fingerprint = |report: &str| {
        let report: Value = serde_json::from_str(report).expect("the report is JSON");
        report["files"].clone()
    };
    assert_eq!(
        fingerprint(&first.stdout),
        fingerprint(&third.stdout),
        "the same disk again"
    );
}
