//! Owns reading one TOML file of the project into the type that it is written in, with every mistake
//! at once. Must not know what the fields mean.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use super::similar::similar_name;
use crate::{Diagnostic, Sources};

/// The version of the definitions' format that this program reads.
pub(crate) const FORMAT: i64 = 1;

/// This program's version, which a definition's `minimum-version` is compared with.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// After so many mistakes in one file the rest is noise; the bound also keeps hostile files cheap.
const MISTAKES_AT_MOST: usize = 50;

/// What the span of a document's top-level table looks like: it has no place of its own.
const TOP: Range<usize> = 0..0;

/// Reads `path` as a `T`. What can be read is returned beside the problems, so that later checks can
/// find theirs in the same run.
pub(crate) fn read<T: DeserializeOwned>(
    sources: &Sources,
    path: &str,
) -> (Option<T>, Vec<Diagnostic>) {
    let text = match text(sources, path) {
        Ok(text) => text,
        Err(problem) => return (None, vec![problem]),
    };
    let (mut table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let errors = errors.into_iter().take(MISTAKES_AT_MOST);
        let problems = errors
            .map(|error| Diagnostic::new(path, error.span(), error.message()))
            .collect();
        return (None, problems);
    }
    let problems = check_header(path, table.get_mut());
    if !problems.is_empty() {
        // A newer format has fields that this program would only call unknown.
        return (None, problems);
    }
    read_table(path, table)
}

/// The text of `path`.
pub(crate) fn text<'a>(sources: &'a Sources, path: &str) -> Result<&'a str, Diagnostic> {
    let Some(file) = sources.get(path) else {
        return Err(Diagnostic::new(path, None, "no such file"));
    };
    std::str::from_utf8(&file.bytes).map_err(|error| {
        let message = format!(
            "the file is not UTF-8 text from byte {} on",
            error.valid_up_to()
        );
        Diagnostic::new(path, None, message)
    })
}

/// Checks and takes out `format` and `minimum-version`, which every definition has.
fn check_header(path: &str, table: &mut DeTable<'_>) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    match table.remove("format") {
        None => problems.push(
            Diagnostic::new(path, None, "missing field `format`")
                .hint(format!("add `format = {FORMAT}` as the first line")),
        ),
        Some(value) => {
            let format = value.get_ref().as_integer();
            let format = format.and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok());
            if format != Some(FORMAT) {
                problems.push(
                    Diagnostic::new(path, Some(value.span()), "unknown definition format")
                        .label(format!("vmimage {VERSION} reads format {FORMAT}")),
                );
            }
        }
    }
    if let Some(value) = table.remove("minimum-version") {
        let wanted = value.get_ref().as_str().map(parse_version);
        let problem = |message| Diagnostic::new(path, Some(value.span()), message);
        match wanted {
            Some(Some(wanted)) if Some(wanted) <= parse_version(VERSION) => {}
            Some(Some(_)) => problems.push(
                problem("the definition needs a newer vmimage")
                    .label(format!("this is vmimage {VERSION}")),
            ),
            Some(None) | None => problems.push(
                problem("`minimum-version` is not a version")
                    .hint("write it as a string of three numbers, for example \"0.1.0\""),
            ),
        }
    }
    problems
}

/// `MAJOR.MINOR.PATCH` as numbers that can be compared.
fn parse_version(text: &str) -> Option<[u64; 3]> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    let version = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(version)
}

/// Deserializes `table`. serde stops at the first mistake, so the offending entry is taken out and
/// the rest tried again, until it is right or its top level is.
fn read_table<T: DeserializeOwned>(
    path: &str,
    mut table: Spanned<DeTable<'_>>,
) -> (Option<T>, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let mut removed: Vec<Removed> = Vec::new();
    while problems.len() < MISTAKES_AT_MOST {
        let error = match T::deserialize(Deserializer::from(table.clone())) {
            Ok(value) => return (Some(value), problems),
            Err(error) => error,
        };
        let span = error.span().unwrap_or(TOP);
        let consequence = missing_field(error.message()).is_some_and(|key| {
            removed
                .iter()
                .any(|entry| entry.table == span && entry.key == key)
        });
        if !consequence {
            problems.push(diagnose(path, error.message(), &span));
        }
        match remove_at(table.get_mut(), &TOP, &span) {
            Some(entry) => removed.push(entry),
            None => break,
        }
    }
    (None, problems)
}

/// An entry that was taken out because it was wrong.
struct Removed {
    /// The span of the table it was in.
    table: Range<usize>,
    /// Its key there; empty for an element of an array.
    key: String,
}

/// Takes the innermost entry out whose key or value has exactly this span.
fn remove_at(
    table: &mut DeTable<'_>,
    table_span: &Range<usize>,
    span: &Range<usize>,
) -> Option<Removed> {
    if *span == TOP {
        return None;
    }
    let keys: Vec<_> = table.keys().cloned().collect();
    for key in keys {
        let name = key.get_ref();
        let Some(value) = table.get_mut(name.as_ref()) else {
            continue;
        };
        if let Some(inner) = remove_inside(value, span) {
            return Some(inner);
        }
        if key.span() == *span || value.span() == *span {
            table.remove(name.as_ref());
            return Some(Removed {
                table: table_span.clone(),
                key: name.clone().into_owned(),
            });
        }
    }
    None
}

fn remove_inside(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<Removed> {
    let own = value.span();
    match value.get_mut() {
        DeValue::Table(table) => remove_at(table, &own, span),
        DeValue::Array(elements) => {
            for index in 0..elements.len() {
                let element = elements.get_mut(index)?;
                if let Some(inner) = remove_inside(element, span) {
                    return Some(inner);
                }
                if element.span() == *span {
                    *elements = without(elements, index);
                    return Some(Removed {
                        table: own,
                        key: String::new(),
                    });
                }
            }
            None
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => None,
    }
}

/// The elements but one; the type has no removal of its own.
fn without<'i>(elements: &DeArray<'i>, index: usize) -> DeArray<'i> {
    let mut kept = DeArray::new();
    for (_, element) in elements
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != index)
    {
        kept.push(element.clone());
    }
    kept
}

/// The field of a "missing field" message of serde.
fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// serde's message with words for Rust's names of types.
pub(crate) fn plain(message: &str) -> String {
    let numbers = ["u16", "u32", "u64", "i64"].map(|name| format!("expected {name}"));
    numbers.iter().fold(message.to_owned(), |message, number| {
        message.replace(number, "expected a whole number")
    })
}

/// The problem that serde's message tells.
fn diagnose(path: &str, message: &str, span: &Range<usize>) -> Diagnostic {
    let message = plain(message);
    let diagnostic = Diagnostic::new(path, (*span != TOP).then(|| span.clone()), message.clone());
    let unknown = ["unknown field `", "unknown variant `"]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix)?.split_once("`, "));
    match unknown.and_then(|(name, expected)| similar_name(name, quoted(expected))) {
        Some(name) => diagnostic.hint(format!("a similar name exists: `{name}`")),
        None => diagnostic,
    }
}

/// The words between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
