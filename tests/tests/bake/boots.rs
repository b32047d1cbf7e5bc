//! The small image boots, twice, and reports on itself over the simulated metadata service.

use serde_json::Value;
use vmimage_tests::project::Project;

#[test]
fn the_small_image_passes_its_boot_test() {
    let project = Project::new();
    project.done(&["lock", "small"]);
    project.done(&["bake", "small", "--locked", "--out", "out"]);
    let before = vmimage_tests::project::sha256(&project.path("out/disk.raw"));
    let ran = project.done(&["boot-test", "out/disk.raw", "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).expect("the report is JSON");
    assert_eq!(report["boots"].as_array().map(Vec::len), Some(2));
    let outcomes: Vec<String> = report["checks"]
        .as_array()
        .expect("a report has checks")
        .iter()
        .map(|check| check["outcome"].to_string())
        .collect();
    assert!(outcomes.len() >= 10, "{}", ran.stdout);
    assert!(
        outcomes.iter().all(|outcome| outcome.contains("passed")),
        "{}",
        ran.stdout
    );
    let after = vmimage_tests::project::sha256(&project.path("out/disk.raw"));
    assert_eq!(before, after, "the disk was only read");
}
