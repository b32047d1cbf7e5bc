//! Owns the recipes' checks of a finished image. They run in a copy-on-write view of the sealed tree,
//! so that whatever a check changes is thrown away.

use std::path::Path;

use vmimage_plan::definition::{Check, CheckKind, Image, PathState, Recipe};

use super::BakeError;
use crate::sandbox::{Run, Sandbox};
use crate::tree::Tree;

/// Runs every check of every recipe; returns how many there were. All that fail are reported.
pub(super) fn run(root: &Path, sandbox: &Sandbox, image: &Image) -> Result<usize, BakeError> {
    let tree = Tree::open(root).map_err(BakeError::file("open", root))?;
    let mut failed = Vec::new();
    let mut count = 0;
    for recipe in &image.recipes {
        let units = unit_states(sandbox, recipe)?;
        for check in &recipe.checks {
            count += 1;
            let problem = match &check.kind {
                CheckKind::Path { path, state } => check_path(&tree, path, *state)?,
                CheckKind::Contains { path, text } => check_contains(&tree, path, text)?,
                CheckKind::Unit { unit, state } => check_unit(&units, unit, state),
                CheckKind::Command { argv } => check_command(sandbox, argv)?,
            };
            if let Some(problem) = problem {
                failed.push(line(recipe, check, &problem));
            }
        }
    }
    if failed.is_empty() {
        Ok(count)
    } else {
        Err(BakeError::Checks(failed))
    }
}

fn line(recipe: &Recipe, check: &Check, problem: &str) -> String {
    format!("  {}: {problem} ({})", recipe.name, check.reason)
}

fn check_path(tree: &Tree, path: &str, state: PathState) -> Result<Option<String>, BakeError> {
    let fail = || BakeError::file("look at", Path::new(path));
    let stat = tree.stat(path).map_err(fail())?;
    Ok(match (state, stat) {
        (PathState::Present | PathState::Empty, None) => Some(format!("`{path}` is missing")),
        (PathState::Absent, Some(_)) => Some(format!("`{path}` is there")),
        (PathState::Empty, Some(stat)) => {
            let full = if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
                let directory = tree.path().join(path.trim_start_matches('/'));
                std::fs::read_dir(&directory)
                    .map_err(fail())?
                    .next()
                    .is_some()
            } else {
                stat.st_size > 0
            };
            full.then(|| format!("`{path}` is not empty"))
        }
        (PathState::Present, Some(_)) | (PathState::Absent, None) => None,
    })
}

fn check_contains(tree: &Tree, path: &str, text: &str) -> Result<Option<String>, BakeError> {
    let contains = tree
        .contains(Path::new(path), text.as_bytes())
        .map_err(BakeError::file("read", Path::new(path)))?;
    Ok(match contains {
        None => Some(format!("`{path}` is missing")),
        Some(found) if found || text.is_empty() => None,
        Some(_) => Some(format!("`{path}` does not contain `{text}`")),
    })
}

/// The states of the units that a recipe checks, asked for all at once.
fn unit_states(sandbox: &Sandbox, recipe: &Recipe) -> Result<Vec<(String, String)>, BakeError> {
    let units: Vec<&str> = recipe
        .checks
        .iter()
        .filter_map(|check| match &check.kind {
            CheckKind::Unit { unit, .. } => Some(unit.as_str()),
            CheckKind::Path { .. } | CheckKind::Contains { .. } | CheckKind::Command { .. } => None,
        })
        .collect();
    let mut states = Vec::new();
    for unit in units {
        // One at a time: for a unit that does not exist systemctl prints nothing to its standard
        // output, and the lines would no longer match the units.
        let argv = ["systemctl", "is-enabled", unit];
        let output = sandbox
            .run(&Run::new(&argv), &mut |_| ())
            .map_err(BakeError::sandbox("the checks"))?;
        let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        states.push((unit.to_owned(), state));
    }
    Ok(states)
}

fn check_unit(units: &[(String, String)], unit: &str, wanted: &str) -> Option<String> {
    let state = units
        .iter()
        .find(|(name, _)| name == unit)
        .map_or("", |(_, state)| state);
    if state == wanted {
        return None;
    }
    let is = if state.is_empty() {
        "not installed"
    } else {
        state
    };
    Some(format!("unit `{unit}` is {is}, not {wanted}"))
}

fn check_command(sandbox: &Sandbox, argv: &[String]) -> Result<Option<String>, BakeError> {
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let output = sandbox
        .run(&Run::new(&argv), &mut |_| ())
        .map_err(BakeError::sandbox("the checks"))?;
    Ok((output.code != 0).then(|| {
        let tail = output.tail.replace('\n', "\n      ");
        format!(
            "`{}` exited with {}:\n      {tail}\n     ",
            argv.join(" "),
            output.code
        )
    }))
}
