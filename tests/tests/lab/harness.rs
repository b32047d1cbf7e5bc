//! Owns the project of the lab's tests: the small fleet, and the small image.

use std::fs;
use std::sync::OnceLock;

use vmimage_tests::lab::Lab;
pub(crate) use vmimage_tests::lab::nodes;
use vmimage_tests::project::{Project, repository};

/// A project with the small fleet, and the small image baked, once for all tests.
pub(crate) fn project() -> &'static Project {
    static PROJECT: OnceLock<Project> = OnceLock::new();
    PROJECT.get_or_init(|| {
        let project = Project::lasting("lab");
        project.done(&["bake", "small", "--out", "image", "--format", "rootfs"]);
        let fleet = fs::read_to_string(repository().join("tests/fleets/small.toml")).unwrap();
        project.write(
            "small.toml",
            &fleet.replace("image = \"virtualmin\"", "image = \"small\""),
        );
        project
    })
}

/// A lab that is not up.
pub(crate) fn lab(name: &str) -> Lab {
    Lab::new(project(), name)
}

/// A lab whose fleet is up.
pub(crate) fn lab_up(name: &str) -> Lab {
    let lab = lab(name);
    let ran = lab.up("small.toml", "image");
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, ran.stdout);
    lab
}
