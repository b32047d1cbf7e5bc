//! Owns the check of a whole project.

use std::ffi::OsStr;
use std::path::Path;

use super::resolve::{load_fleet, load_image, load_recipe, recipe_file, recipe_names};
use super::{Suite, document};
use crate::lock::Lock;
use crate::{Diagnostic, Sources};

/// The fleet's definition.
pub const FLEET_FILE: &str = "images/fleet.toml";

/// The definition of the image `name`.
pub fn image_file(name: &str) -> String {
    format!("images/{name}.toml")
}

/// The name of the image that `path` defines, or `None` when it can define none.
pub fn image_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix("images/")?.strip_suffix(".toml")?;
    (path != FLEET_FILE && !name.is_empty() && !name.contains('/')).then_some(name)
}

/// Every definition of an image, sorted.
pub fn image_files(sources: &Sources) -> impl Iterator<Item = &str> {
    sources.paths().filter(|path| image_name(path).is_some())
}

/// Checks every definition and every lock of the project, used or not. All problems, sorted by file
/// and position.
pub fn check_project(sources: &Sources) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for path in image_files(sources) {
        problems.extend(load_image(sources, path).1);
    }
    if sources.get(FLEET_FILE).is_some() {
        problems.extend(load_fleet(sources, FLEET_FILE).1);
    }
    for name in recipe_names(sources) {
        if sources.get(&recipe_file(name)).is_none() {
            let message = format!("the folder `recipes/{name}/` has no recipe");
            problems.push(
                Diagnostic::new(&recipe_file(name), None, message)
                    .hint("add `recipe.toml`, or remove the folder"),
            );
            continue;
        }
        for suite in Suite::ALL {
            problems.extend(load_recipe(sources, name, suite).1.problems);
        }
    }
    for path in sources.paths().filter(|path| is_lock(path)) {
        let text = document::text(sources, path);
        problems.extend(text.and_then(|text| Lock::parse(path, text)).err());
    }
    problems.sort();
    problems.dedup();
    problems
}

fn is_lock(path: &str) -> bool {
    let path = Path::new(path);
    path.parent() == Some(Path::new("images")) && path.extension() == Some(OsStr::new("lock"))
}
