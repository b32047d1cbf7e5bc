//! Owns the way from a definition as written to a resolved one, and every check on it. Each function
//! reports what is wrong and goes on with a stand-in value; a value with problems is never handed out.

mod archives;
mod behaviour;
mod boot;
mod facts;
mod fleet;
mod image;
mod ownership;
mod recipe;
mod tree;

pub use fleet::load_fleet;
pub use image::load_image;
pub(super) use recipe::{load_recipe, recipe_file, recipe_names};

use std::ops::Range;

use toml::Spanned;

use crate::Diagnostic;
use facts::StepFacts;
use ownership::Claim;

/// Everything that was found out about one document on the way.
#[derive(Debug)]
pub(super) struct Findings {
    file: String,
    /// What is wrong.
    pub(super) problems: Vec<Diagnostic>,
    /// The paths that it puts into the image.
    claims: Vec<Claim>,
    /// The archives that it names.
    archives: Vec<archives::ArchiveUse>,
    /// The facts that the steps of its boot half use and set.
    steps: Vec<StepFacts>,
}

impl Findings {
    fn new(file: &str, problems: Vec<Diagnostic>) -> Self {
        Self {
            file: file.to_owned(),
            problems,
            claims: Vec::new(),
            archives: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Adds a problem at `span`.
    fn report(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.problems
            .push(Diagnostic::new(&self.file, Some(span), message));
    }

    /// Adds a problem at `span` with a hint.
    fn report_with_hint(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems
            .push(Diagnostic::new(&self.file, Some(span), message).hint(hint));
    }

    /// Adds a problem at `span` with a word for it and, where there is one, a hint.
    fn report_with_label(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        hint: Option<String>,
    ) {
        let mut problem = Diagnostic::new(&self.file, Some(span), message).label(label);
        problem.hint = hint;
        self.problems.push(problem);
    }

    /// A sentence for people: not empty, one line.
    fn sentence(&mut self, field: &str, text: Spanned<String>) -> String {
        let span = text.span();
        let text = text.into_inner();
        if text.trim().is_empty() {
            self.report(span, format!("`{field}` is empty"));
        } else if text.chars().any(char::is_control) {
            self.report(
                span,
                format!("`{field}` has more than one line or a control character"),
            );
        }
        text
    }

    /// A text that `judge` must accept; `what` says what it is meant to be.
    fn judged(&mut self, text: &Spanned<String>, judge: fn(&str) -> bool, what: &str) -> String {
        if !judge(text.get_ref()) {
            self.report(text.span(), format!("`{}` is not {what}", text.get_ref()));
        }
        text.get_ref().clone()
    }

    /// A text that is not there twice in `seen`.
    fn distinct(&mut self, text: &Spanned<String>, seen: &[String], what: &str) {
        if seen.contains(text.get_ref()) {
            self.report(
                text.span(),
                format!("{what} `{}` is listed twice", text.get_ref()),
            );
        }
    }
}
