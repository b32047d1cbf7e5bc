//! Owns the texts of one step: where they come from, what they must not hold, and the facts that they
//! use.

use std::ops::Range;

use toml::Spanned;

use crate::Diagnostic;
use crate::definition::secrets::secret_in;
use crate::definition::template::{
    Mention, Piece, Quote, Setting, Template, Usage, is_fact_name, parse_condition, parse_template,
};
use crate::definition::{Condition, document};

use super::super::Findings;
use super::super::facts::FactUse;
use super::super::recipe::Folder;

/// A value that is put somewhere whatever it is.
const RAW: &str = "|raw}}";

/// The texts of a step, on the way.
pub(super) struct Texts<'a> {
    folder: &'a Folder<'a>,
    pub(super) findings: &'a mut Findings,
    in_each: bool,
    /// Whether what is read is the input of a command.
    pub(super) is_input: bool,
    uses: Vec<FactUse>,
}

/// A text as it stands in a file.
struct Place<'a> {
    file: &'a str,
    /// All of it.
    span: Range<usize>,
    /// Where its bytes begin, if they stand there as they are.
    start: Option<usize>,
}

impl Place<'_> {
    fn of(&self, at: &Range<usize>) -> Range<usize> {
        match self.start {
            Some(start) => start + at.start..start + at.end,
            None => self.span.clone(),
        }
    }
}

impl<'a> Texts<'a> {
    pub(super) fn new(folder: &'a Folder<'a>, findings: &'a mut Findings, in_each: bool) -> Self {
        Self {
            folder,
            findings,
            in_each,
            is_input: false,
            uses: Vec::new(),
        }
    }

    /// The facts that were used.
    pub(super) fn into_uses(self) -> Vec<FactUse> {
        self.uses
    }

    /// A text of the definition itself. `shown` says where a secret in it would be seen.
    pub(super) fn inline(
        &mut self,
        written: &Spanned<String>,
        quote: Quote,
        shown: Option<&'static str>,
    ) -> Template {
        let file = self.findings.file.clone();
        let text = written.get_ref();
        let span = written.span();
        let raw = self.folder.sources.text(&file);
        let raw = raw.and_then(|all| all.get(span.clone()));
        // An escape in a string makes its bytes others than the file's.
        let start = raw
            .and_then(|raw| raw.find(text.as_str()))
            .map(|at| span.start + at);
        let place = Place {
            file: &file,
            span,
            start,
        };
        self.template(text, &place, quote, shown)
    }

    /// A file of the recipe's folder.
    pub(super) fn of_file(
        &mut self,
        written: &Spanned<String>,
        quote: Quote,
        shown: Option<&'static str>,
    ) -> Template {
        let Some(path) = self.folder.path_of(written, self.findings) else {
            return Template::default();
        };
        match document::text(self.folder.sources, &path) {
            Ok(text) => {
                let place = Place {
                    file: &path,
                    span: 0..text.len(),
                    start: Some(0),
                };
                self.template(text, &place, quote, shown)
            }
            Err(problem) => {
                self.findings.problems.push(problem);
                Template::default()
            }
        }
    }

    fn template(
        &mut self,
        text: &str,
        place: &Place<'_>,
        quote: Quote,
        shown: Option<&'static str>,
    ) -> Template {
        let in_each = self.in_each;
        let parsed = parse_template(text, Setting { quote, in_each });
        if let Some(at) = text.find(RAW).filter(|_| !self.is_input) {
            let span = place.of(&(at..at + RAW.len()));
            let message = "only the input of a command takes a value that is `raw`";
            let problem = Diagnostic::new(place.file, Some(span), message);
            let hint = "write `plain`, or how the place quotes what stands in it";
            self.findings.problems.push(problem.hint(hint));
        }
        for mistake in parsed.mistakes {
            let span = place.of(&mistake.at);
            let mut problem = Diagnostic::new(place.file, Some(span), mistake.message);
            problem.hint = mistake.hint;
            self.findings.problems.push(problem);
        }
        for Mention { fact, usage, at } in parsed.mentions {
            self.uses.push(FactUse {
                fact,
                usage,
                file: place.file.to_owned(),
                span: place.of(&at),
                shown,
            });
        }
        if let Some(secret) = secret_in(without_made_keys(text).as_bytes()) {
            let problem = Diagnostic::new(
                place.file,
                Some(place.span.clone()),
                format!("{secret} in a definition"),
            );
            let hint = "keep it in SSM Parameter Store and read it with a `secrets` step";
            self.findings.problems.push(problem.hint(hint));
        }
        parsed.template
    }

    /// `fact` and `!fact`s.
    pub(super) fn conditions(&mut self, written: &[Spanned<String>]) -> Vec<Condition> {
        let mut conditions = Vec::new();
        for text in written {
            let Some(condition) = parse_condition(text.get_ref()) else {
                self.findings.report_with_hint(
                    text.span(),
                    format!("`{}` is not a condition", text.get_ref()),
                    "write the name of a fact, with `!` before it where it must not hold",
                );
                continue;
            };
            self.used(&condition.fact, Usage::Condition, text.span());
            conditions.push(condition);
        }
        conditions
    }

    /// The list for each item of which the step is done.
    pub(super) fn list(&mut self, written: &Spanned<String>) -> String {
        let name = written.get_ref();
        if is_fact_name(name) {
            self.used(name, Usage::List, written.span());
        } else {
            let message = format!("`{name}` is not the name of a fact");
            self.findings.report(written.span(), message);
        }
        name.clone()
    }

    fn used(&mut self, fact: &str, usage: Usage, span: Range<usize>) {
        self.uses.push(FactUse {
            fact: fact.to_owned(),
            usage,
            file: self.findings.file.clone(),
            span,
            shown: None,
        });
    }
}

/// A text like the template's where facts and fields are words, to judge its form.
pub(super) fn shape(template: &Template) -> String {
    let pieces = template.0.iter().map(|piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Fact { .. } | Piece::Field { .. } => "x".to_owned(),
        Piece::Each { body, .. } | Piece::If { body, .. } => shape(body),
    });
    pieces.collect()
}

/// The text without the PEM blocks that a fact is part of: their keys are made on the node.
fn without_made_keys(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find("-----BEGIN ") {
        let end = rest[begin..].find("-----END ").map(|end| begin + end);
        let end = end.unwrap_or(rest.len());
        kept.push_str(&rest[..begin]);
        if !rest[begin..end].contains("{{") {
            kept.push_str(&rest[begin..end]);
        }
        rest = &rest[end..];
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::without_made_keys;

    #[test]
    fn only_a_key_that_a_fact_is_part_of_is_left_out() {
        for (text, expected) in [
            (
                "a\n-----BEGIN X-----\nM{{s}}\n-----END X-----\n",
                "a\n-----END X-----\n",
            ),
            (
                "-----BEGIN X-----\nMC4C\n-----END X-----\n{{s}}",
                "-----BEGIN X-----\nMC4C\n-----END X-----\n{{s}}",
            ),
            ("a -----BEGIN X", "a -----BEGIN X"),
        ] {
            assert_eq!(without_made_keys(text), expected, "{text}");
        }
    }
}
