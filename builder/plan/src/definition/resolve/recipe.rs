//! Owns the resolution of one recipe for one suite.

use toml::Spanned;

use super::archives::{check_archives, resolve_repository};
use super::ownership::check_ownership;
use super::{Findings, behaviour, boot, tree};
use crate::Sources;
use crate::definition::secrets::secret_in;
use crate::definition::similar::similar_name;
use crate::definition::syntax::{is_dns_label, relative_path_problem};
use crate::definition::written::{Part, RecipeDefinition};
use crate::definition::{Content, Recipe, Suite, Units, document};

/// A recipe's folder in the project, looked at for one suite.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folder<'a> {
    pub(super) sources: &'a Sources,
    pub(super) name: &'a str,
    pub(super) suite: Suite,
}

impl Folder<'_> {
    /// `text` with `{suite}` replaced.
    pub(super) fn in_suite(&self, text: &str) -> String {
        text.replace("{suite}", self.suite.as_str())
    }

    /// The file of the folder that `written` names.
    pub(super) fn content_of(&self, written: &Spanned<String>, findings: &mut Findings) -> Content {
        let origin = self.path_of(written, findings).unwrap_or_default();
        let file = self.sources.get(&origin);
        let bytes = file.map(|file| file.bytes.clone()).unwrap_or_default();
        checked_content(origin, bytes, written, findings)
    }

    /// The path in the project of the folder's file that `written` names, if there is one.
    pub(super) fn path_of(
        &self,
        written: &Spanned<String>,
        findings: &mut Findings,
    ) -> Option<String> {
        let path = written.get_ref();
        let folder = format!("recipes/{}/", self.name);
        let origin = format!("{folder}{path}");
        if let Some(problem) = relative_path_problem(path) {
            findings.report_with_hint(
                written.span(),
                format!("the file `{path}` {problem}"),
                format!("name a file below `{folder}`"),
            );
            return None;
        }
        if self.sources.get(&origin).is_some() {
            return Some(origin);
        }
        let files = self
            .sources
            .paths()
            .filter_map(|path| path.strip_prefix(&folder));
        let hint = similar_name(path, files)
            .map(|name| format!("a file with a similar name exists: `{name}`"));
        findings.report_with_label(
            written.span(),
            format!("no file `{path}`"),
            format!("not found in `{folder}`"),
            hint,
        );
        None
    }

    /// The text that the definition itself holds.
    pub(super) fn inline_content(written: &Spanned<String>, findings: &mut Findings) -> Content {
        let bytes = written.get_ref().clone().into_bytes();
        checked_content(findings.file.clone(), bytes, written, findings)
    }
}

fn checked_content(
    origin: String,
    bytes: Vec<u8>,
    written: &Spanned<String>,
    findings: &mut Findings,
) -> Content {
    if let Some(secret) = secret_in(&bytes) {
        findings.report_with_hint(
            written.span(),
            format!("{secret} in a definition"),
            "keep it in SSM Parameter Store; a definition holds no secret",
        );
    }
    Content::new(origin, bytes)
}

/// The definition of the recipe `name`.
pub(crate) fn recipe_file(name: &str) -> String {
    format!("recipes/{name}/recipe.toml")
}

/// Every folder below `recipes/`, sorted.
pub(crate) fn recipe_names(sources: &Sources) -> impl Iterator<Item = &str> {
    let folders = sources
        .paths()
        .filter_map(|path| Some(path.strip_prefix("recipes/")?.split_once('/')?.0));
    let mut last = None;
    // Paths are sorted, so those of one folder are neighbours.
    folders.filter(move |folder| last.replace(*folder) != Some(*folder))
}

/// Loads the recipe `name` for `suite`. The recipe is there only when nothing is wrong with it.
pub(crate) fn load_recipe(
    sources: &Sources,
    name: &str,
    suite: Suite,
) -> (Option<Recipe>, Findings) {
    let file = recipe_file(name);
    let (written, problems) = document::read::<RecipeDefinition>(sources, &file);
    let mut findings = Findings::new(&file, problems);
    let Some(written) = written else {
        return (None, findings);
    };
    let folder = Folder {
        sources,
        name,
        suite,
    };
    let (title, parts) = written.into_parts(suite);
    if title.name.get_ref() != name {
        findings.report_with_label(
            title.name.span(),
            format!("the recipe's name is not `{name}`"),
            "must be the name of its folder",
            None,
        );
    }
    if !is_dns_label(name) {
        let message = format!("`{name}` is not a recipe name: lower-case letters, digits and `-`");
        findings.report(title.name.span(), message);
    }
    let mut recipe = Recipe {
        name: name.to_owned(),
        description: findings.sentence("description", title.description),
        repositories: Vec::new(),
        packages: Vec::new(),
        debconf: Vec::new(),
        directories: Vec::new(),
        files: Vec::new(),
        links: Vec::new(),
        commands: Vec::new(),
        units: Units::default(),
        seals: Vec::new(),
        checks: Vec::new(),
        boot_steps: Vec::new(),
    };
    for part in parts {
        add_part(&mut recipe, part, &folder, &mut findings);
    }
    let own = check_ownership(&findings.claims);
    findings.problems.extend(own);
    let own = check_archives(&findings.archives);
    findings.problems.extend(own);
    (findings.problems.is_empty().then_some(recipe), findings)
}

/// Adds what is common to all suites, or what one suite adds.
fn add_part(recipe: &mut Recipe, part: Part, folder: &Folder<'_>, findings: &mut Findings) {
    for written in &part.repositories {
        recipe
            .repositories
            .push(resolve_repository(written, folder, findings));
    }
    for written in &part.packages {
        let package = behaviour::resolve_package(written, folder, &recipe.packages, findings);
        recipe.packages.push(package);
    }
    for written in part.debconf {
        recipe
            .debconf
            .push(behaviour::resolve_debconf(written, findings));
    }
    for written in part.directories {
        recipe
            .directories
            .push(tree::resolve_directory(written, folder, findings));
    }
    for written in part.files {
        recipe
            .files
            .push(tree::resolve_file(&written, folder, findings));
    }
    for written in part.links {
        recipe
            .links
            .push(tree::resolve_link(&written, folder, findings));
    }
    for written in part.commands {
        recipe
            .commands
            .push(behaviour::resolve_command(written, findings));
    }
    behaviour::add_units(&mut recipe.units, &part.units, findings);
    for written in part.seals {
        recipe
            .seals
            .push(behaviour::resolve_seal(written, findings));
    }
    for written in part.checks {
        recipe
            .checks
            .push(behaviour::resolve_check(written, findings));
    }
    for written in &part.boot {
        recipe
            .boot_steps
            .extend(boot::resolve_step(written, folder, findings));
    }
}
