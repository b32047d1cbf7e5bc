//! Owns the resolution of images.

use toml::Spanned;

use super::archives::{base_problem, check_archives};
use super::facts::check_facts;
use super::ownership::check_ownership;
use super::{Findings, load_recipe, recipe_file, recipe_names};
use crate::definition::similar::similar_name;
use crate::definition::syntax::is_dns_label;
use crate::definition::written::{BootDefinition, DiskDefinition, ImageDefinition};
use crate::definition::{
    Architecture, Boot, Disk, Image, Recipe, Suite, defaults, document, image_name,
};
use crate::{Diagnostic, Sources};

/// Loads the image at `path` (`images/NAME.toml`) with its recipes. The image is there only when
/// nothing is wrong with it; the problems are sorted by file and position.
pub fn load_image(sources: &Sources, path: &str) -> (Option<Image>, Vec<Diagnostic>) {
    let (written, problems) = document::read::<ImageDefinition>(sources, path);
    let mut findings = Findings::new(path, problems);
    let image = written.map(|written| resolve_image(written, sources, path, &mut findings));
    let mut problems = findings.problems;
    problems.sort();
    problems.dedup();
    (image.filter(|_| problems.is_empty()), problems)
}

fn resolve_image(
    written: ImageDefinition,
    sources: &Sources,
    path: &str,
    findings: &mut Findings,
) -> Image {
    let name = findings.judged(
        &written.name,
        is_dns_label,
        "an image name: lower-case letters, digits and `-`",
    );
    if image_name(path) != Some(name.as_str()) {
        findings.report_with_label(
            written.name.span(),
            format!("the image's name is not that of `{path}`"),
            "must be the file's name without `.toml`",
            None,
        );
    }
    Image {
        path: path.to_owned(),
        name,
        description: findings.sentence("description", written.description),
        suite: written.suite,
        architectures: resolve_architectures(&written.architectures, findings),
        recipes: resolve_recipes(&written.recipes, written.suite, sources, findings),
        disk: resolve_disk(&written.disk, findings),
        boot: resolve_boot(written.boot, findings),
    }
}

fn resolve_architectures(
    written: &Spanned<Vec<Spanned<Architecture>>>,
    findings: &mut Findings,
) -> Vec<Architecture> {
    if written.get_ref().is_empty() {
        findings.report(written.span(), "`architectures` is empty");
    }
    let mut architectures = Vec::new();
    for architecture in written.get_ref() {
        if architectures.contains(architecture.get_ref()) {
            let name = architecture.get_ref().as_str();
            findings.report(
                architecture.span(),
                format!("architecture `{name}` is listed twice"),
            );
        }
        architectures.push(*architecture.get_ref());
    }
    architectures
}

fn resolve_recipes(
    written: &Spanned<Vec<Spanned<String>>>,
    suite: Suite,
    sources: &Sources,
    findings: &mut Findings,
) -> Vec<Recipe> {
    if written.get_ref().is_empty() {
        findings.report(written.span(), "`recipes` is empty");
    }
    let mut recipes = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let mut all: Vec<(&str, Findings)> = Vec::new();
    for recipe in written.get_ref() {
        let name = recipe.get_ref();
        findings.distinct(recipe, &seen, "recipe");
        if seen.contains(name) {
            continue;
        }
        seen.push(name.clone());
        if sources.get(&recipe_file(name)).is_none() {
            let hint = similar_name(name, recipe_names(sources))
                .map(|name| format!("a recipe with a similar name exists: `{name}`"));
            findings.report_with_label(
                recipe.span(),
                format!("no recipe named `{name}`"),
                "not found in `recipes/`",
                hint,
            );
            continue;
        }
        let (resolved, own) = load_recipe(sources, name, suite);
        recipes.extend(resolved);
        all.push((name, own));
    }
    // A recipe that could not be read might have what seems to be missing.
    let complete =
        all.len() == written.get_ref().len() && all.iter().all(|(_, own)| own.problems.is_empty());
    if complete {
        let all: Vec<(&str, &Findings)> = all.iter().map(|(name, own)| (*name, own)).collect();
        if let Some(problem) = base_problem(&all) {
            findings.report(written.span(), problem);
        }
        let steps = all.iter().flat_map(|(_, own)| &own.steps);
        findings.problems.extend(check_facts(steps));
    }
    findings
        .problems
        .extend(check_ownership(all.iter().flat_map(|(_, own)| &own.claims)));
    findings.problems.extend(check_archives(
        all.iter().flat_map(|(_, own)| &own.archives),
    ));
    findings
        .problems
        .extend(all.into_iter().flat_map(|(_, own)| own.problems));
    recipes
}

/// The smallest FAT32 file system that every firmware reads: 65,525 clusters (Microsoft's FAT
/// specification) of 512 bytes are 32 MiB; kernel and initrd need more than that anyway.
const ESP_AT_LEAST_MIB: u64 = 64;

/// A kernel, an initrd and Debian's essential packages do not fit in less.
const ROOT_AT_LEAST_MIB: u64 = 256;

/// The largest volume of EC2 (gp3, io2 Block Express): 64 TiB.
const DISK_AT_MOST_MIB: u64 = 64 * 1024 * 1024;

fn resolve_disk(written: &DiskDefinition, findings: &mut Findings) -> Disk {
    let mut size = |field: &str, value: Option<&Spanned<u64>>, at_least: u64| {
        let value = value?;
        let mib = *value.get_ref();
        if !(at_least..=DISK_AT_MOST_MIB).contains(&mib) {
            let message =
                format!("`{field}` is not between {at_least} and {DISK_AT_MOST_MIB}: {mib}");
            findings.report(value.span(), message);
        }
        Some(mib)
    };
    Disk {
        esp_mib: size("esp-mib", written.esp_mib.as_ref(), ESP_AT_LEAST_MIB)
            .unwrap_or(defaults::ESP_MIB),
        root_mib: size("root-mib", written.root_mib.as_ref(), ROOT_AT_LEAST_MIB),
        root_free_mib: size("root-free-mib", written.root_free_mib.as_ref(), 0)
            .unwrap_or(defaults::ROOT_FREE_MIB),
    }
}

fn resolve_boot(written: BootDefinition, findings: &mut Findings) -> Boot {
    let mut words = |list: Vec<Spanned<String>>, what: &str| -> Vec<String> {
        let mut resolved = Vec::new();
        for word in list {
            findings.distinct(&word, &resolved, what);
            let text = word.get_ref();
            // One line of a boot loader entry, split at white space by the kernel.
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
                findings.report(word.span(), format!("`{text}` is not one word: {what}"));
            }
            resolved.push(word.into_inner());
        }
        resolved
    };
    let consoles = written.consoles.map(|list| words(list, "console"));
    let kernel_arguments = written
        .kernel_arguments
        .map(|list| words(list, "kernel argument"));
    Boot {
        consoles: consoles.unwrap_or_else(|| defaults::CONSOLES.map(str::to_owned).to_vec()),
        kernel_arguments: kernel_arguments.unwrap_or_default(),
        timeout_secs: written
            .timeout_secs
            .map_or(defaults::MENU_TIMEOUT_SECS, Spanned::into_inner),
    }
}
