//! Owns apt repositories of recipes: their resolution and the checks across recipes.

use std::ops::Range;

use toml::Spanned;

use super::Findings;
use super::recipe::Folder;
use crate::Diagnostic;
use crate::definition::syntax::{is_dns_label, is_suite, parse_fingerprint, url_problem};
use crate::definition::written::RepositoryDefinition;
use crate::definition::{Repository, RepositoryKey, defaults};
use crate::userinfo::split_user;

/// The archive that a base layer is made of.
const DEBIAN: &str = "debian";

/// What to do about an archive without suites.
const FLAT_HINT: &str = "name a suite that the archive has below `dists/`; where it has none, make an archive of its packages\n\
     that has, for example with `aptly` or `reprepro`, and pin the key that signs that";

/// What to do about a URL with a password: it would be in the lock and in the image.
const CREDENTIALS_HINT: &str = "secrets are never values: write the URL without them, and give the whole URL when locking and baking,\n\
     as `NAME=URL` in the variable `VMIMAGE_MIRRORS` or with `--mirror`";

/// The same for the URL of a key.
const KEY_CREDENTIALS_HINT: &str =
    "secrets are never values: keep the key as a file in the recipe's folder, and name it as `key`";

/// One archive named by one recipe.
#[derive(Clone, Debug)]
pub(super) struct ArchiveUse {
    archive: String,
    url: String,
    suites: Vec<(String, Range<usize>)>,
    recipe: String,
    file: String,
    url_span: Range<usize>,
}

pub(super) fn resolve_repository(
    written: &RepositoryDefinition,
    folder: &Folder<'_>,
    findings: &mut Findings,
) -> Repository {
    let archive = findings.judged(
        &written.archive,
        is_dns_label,
        "an archive name: lower-case letters, digits and `-`",
    );
    let url = resolve_url(&written.url, CREDENTIALS_HINT, findings);
    let suites: Vec<String> = listed(&written.suites, "suites", findings, |text, findings| {
        let suite = folder.in_suite(text.get_ref());
        if is_flat(&suite) {
            findings.report_with_hint(
                text.span(),
                format!(
                    "`{}` is a flat archive, which is not supported",
                    text.get_ref()
                ),
                FLAT_HINT,
            );
        } else if !is_suite(&suite) {
            findings.report(text.span(), format!("`{}` is not a suite", text.get_ref()));
        }
        suite
    });
    // A flat archive has no components, and what to write in its place has been said.
    let components = if written.components.get_ref().is_empty() && suites.iter().any(|s| is_flat(s))
    {
        Vec::new()
    } else {
        listed(
            &written.components,
            "components",
            findings,
            |text, findings| findings.judged(text, is_suite, "a component"),
        )
    };
    let spans = written.suites.get_ref().iter().map(Spanned::span);
    findings.archives.push(ArchiveUse {
        archive: archive.clone(),
        url: url.clone(),
        suites: suites.iter().cloned().zip(spans).collect(),
        recipe: folder.name.to_owned(),
        file: findings.file.clone(),
        url_span: written.url.span(),
    });
    let key = resolve_key(written, folder, findings);
    let keep_in_image = written.keep_in_image.unwrap_or(defaults::KEEP_IN_IMAGE);
    Repository {
        archive,
        url,
        suites,
        components,
        key,
        keep_in_image,
    }
}

fn resolve_url(
    written: &Spanned<String>,
    credentials_hint: &str,
    findings: &mut Findings,
) -> String {
    if split_user(written.get_ref()).is_some() {
        findings.report_with_hint(
            written.span(),
            "the URL holds credentials",
            credentials_hint,
        );
    } else if let Some(problem) = url_problem(written.get_ref()) {
        findings.report(written.span(), format!("the URL {problem}"));
    }
    written.get_ref().trim_end_matches('/').to_owned()
}

/// Whether apt would take `suite` for a path to an archive that has neither `dists/` nor components.
fn is_flat(suite: &str) -> bool {
    suite.ends_with('/') || suite == "."
}

/// A list that is neither empty nor says a thing twice.
fn listed(
    list: &Spanned<Vec<Spanned<String>>>,
    field: &str,
    findings: &mut Findings,
    mut resolve: impl FnMut(&Spanned<String>, &mut Findings) -> String,
) -> Vec<String> {
    if list.get_ref().is_empty() {
        findings.report(list.span(), format!("`{field}` is empty"));
    }
    let mut resolved: Vec<String> = Vec::new();
    for text in list.get_ref() {
        let value = resolve(text, findings);
        if resolved.contains(&value) {
            findings.report(text.span(), format!("`{value}` is listed twice"));
        }
        resolved.push(value);
    }
    resolved
}

fn resolve_key(
    written: &RepositoryDefinition,
    folder: &Folder<'_>,
    findings: &mut Findings,
) -> RepositoryKey {
    let mut fingerprints = Vec::new();
    for text in &written.fingerprints {
        match parse_fingerprint(text.get_ref()) {
            Some(fingerprint) if fingerprints.contains(&fingerprint) => {
                findings.report(
                    text.span(),
                    format!("fingerprint `{fingerprint}` is listed twice"),
                );
            }
            Some(fingerprint) => fingerprints.push(fingerprint),
            None => findings.report_with_hint(
                text.span(),
                format!("`{}` is not a fingerprint", text.get_ref()),
                "write all 40 hexadecimal digits; key ids are too easily forged",
            ),
        }
    }
    let url = written
        .key_url
        .as_ref()
        .map(|url| resolve_url(url, KEY_CREDENTIALS_HINT, findings));
    let vendored = written
        .key
        .as_ref()
        .map(|key| folder.content_of(key, findings));
    if url.is_none() && vendored.is_none() {
        findings.report_with_hint(
            written.archive.span(),
            format!("repository `{}` has no key", written.archive.get_ref()),
            "add `key` with a file of the recipe's folder, or `key-url`",
        );
    }
    RepositoryKey {
        fingerprints,
        vendored,
        url,
    }
}

/// Finds archives that two recipes place differently, and suites that are listed twice.
pub(super) fn check_archives<'a>(
    uses: impl IntoIterator<Item = &'a ArchiveUse>,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut seen: Vec<&ArchiveUse> = Vec::new();
    for archive in uses {
        let same = seen
            .iter()
            .filter(|earlier| earlier.archive == archive.archive);
        if let Some(earlier) = same.clone().find(|earlier| earlier.url != archive.url) {
            let message = format!("archive `{}` has two URLs", archive.archive);
            problems.push(
                Diagnostic::new(&archive.file, Some(archive.url_span.clone()), message)
                    .label(format!("recipe `{}` has `{}`", earlier.recipe, earlier.url)),
            );
        }
        for (suite, span) in &archive.suites {
            let earlier = same
                .clone()
                .find(|earlier| earlier.suites.iter().any(|(other, _)| other == suite));
            if let Some(earlier) = earlier {
                let message = format!(
                    "suite `{suite}` of archive `{}` is listed twice",
                    archive.archive
                );
                problems.push(
                    Diagnostic::new(&archive.file, Some(span.clone()), message)
                        .label(format!("recipe `{}` lists it", earlier.recipe)),
                );
            }
        }
        seen.push(archive);
    }
    problems
}

/// What is missing for a base layer: the first recipe's repositories make it.
pub(super) fn base_problem(recipes: &[(&str, &Findings)]) -> Option<String> {
    let (first, findings) = recipes.first()?;
    if findings.archives.is_empty() {
        return Some(format!(
            "recipe `{first}` is the first, so its repositories make the base layer, but it has none"
        ));
    }
    let mut archives = recipes.iter().flat_map(|(_, findings)| &findings.archives);
    (!archives.any(|archive| archive.archive == DEBIAN))
        .then(|| format!("no recipe of the image has a repository with the archive `{DEBIAN}`"))
}
