//! Owns `vmimage check`.

use clap::Args;
use vmimage_plan::definition::check_project;

use super::Context;
use crate::failure::Failure;
use crate::{diagnose, printer, project};

/// `vmimage check`'s own arguments.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Only what concerns these files or folders [default: everything]
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// Print the problems as JSON
    #[arg(long)]
    json: bool,
}

/// Checks every definition and prints what is wrong.
pub(super) fn run(context: &Context, arguments: &CheckArguments) -> Result<(), Failure> {
    let sources =
        project::load(&context.project).map_err(|error| Failure::input(&error, error.hint()))?;
    for path in &arguments.paths {
        if !sources.paths().any(|file| is_below(file, path)) {
            return Err(Failure::usage(
                &format!("no definition at `{path}`"),
                Some(
                    "paths are relative to the project's folder and lie in `images/` or `recipes/`",
                ),
            ));
        }
    }
    let mut problems = check_project(&sources);
    if !arguments.paths.is_empty() {
        problems.retain(|p| arguments.paths.iter().any(|path| is_below(&p.file, path)));
    }
    if arguments.json {
        printer::data(&printer::json(&problems));
    }
    if problems.is_empty() {
        if !arguments.json {
            printer::talk("no problems\n");
        }
        return Ok(());
    }
    let text = if arguments.json {
        String::new()
    } else {
        diagnose::draw(&sources, &problems, context.colour())
    };
    Err(Failure::drawn(text))
}

fn is_below(file: &str, path: &str) -> bool {
    let path = path.trim_start_matches("./").trim_end_matches('/');
    path.is_empty() || file == path || file.strip_prefix(path).is_some_and(|r| r.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn a_path_is_a_file_or_a_folder_above_it() {
        assert!(is_below("recipes/a/recipe.toml", "recipes/a"));
        assert!(is_below("recipes/a/recipe.toml", "./recipes/"));
        assert!(is_below("images/a.toml", "images/a.toml"));
        assert!(!is_below("recipes/ab/recipe.toml", "recipes/a"));
    }
}
