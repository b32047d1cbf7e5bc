//! Layers: what is rebuilt, what is not, and what a user is told about it.

use std::fs;
use std::path::PathBuf;

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
    let text = fs::read_to_string(project.path(recipe)).expect("read the recipe");
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

#[test]
fn a_damaged_layer_is_named_and_its_removal_helps() {
    let project = Project::new();
    project.done(&["lock", "small"]);
    let bake = ["bake", "small", "--locked", "--out", "out"];
    project.done(&bake);
    let damaged: Vec<PathBuf> = fs::read_dir(project.path("cache/layers"))
        .expect("list the layers")
        .map(|entry| entry.expect("list the layers").path())
        .filter(|layer| {
            fs::read_to_string(layer.join("inputs.json"))
                .is_ok_and(|json| json.contains("\"base\""))
        })
        .collect();
    let [layer] = damaged.as_slice() else {
        panic!("one layer is the base: {damaged:?}")
    };
    fs::write(layer.join("namespace"), "garbage").expect("damage the layer");
    let recipe = "recipes/firstboot-launch/recipe.toml";
    project.replace(
        recipe,
        "[units]",
        "[[link]]\npath = \"/etc/x\"\ntarget = \"y\"\n\n[units]",
    );
    let ran = project.run(&bake);
    let path = layer.display();
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let said = format!("error: cannot reuse the layer of recipe `base` in `{path}`\n");
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    let hint = format!("hint: remove `{path}` and bake again: the layer is then built anew\n");
    assert!(ran.stderr.contains(&hint), "{}", ran.stderr);
    fs::remove_dir_all(layer).expect("do what the hint says");
    project.replace(
        recipe,
        "[[link]]\npath = \"/etc/x\"\ntarget = \"y\"\n\n",
        "",
    );
    let plan = project.done(&[
        "bake",
        "small",
        "--locked",
        "--plan",
        "--format",
        "raw,qcow2",
    ]);
    assert!(
        plan.stdout
            .contains("\n         the layer below is built anew\n"),
        "{}",
        plan.stdout
    );
    project.done(&bake);
}
