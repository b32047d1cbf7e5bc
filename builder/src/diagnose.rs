//! Owns how problems of definitions are drawn, as rustc draws its own. Must not print.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use vmimage_plan::{Diagnostic, Sources};

/// Whether a terminal shows what is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Text only.
    Never,
    /// With escape sequences.
    Always,
}

/// Draws every problem with the lines that it is about, and counts them at the end.
pub fn draw(sources: &Sources, problems: &[Diagnostic], colour: Colour) -> String {
    let mut text: String = problems
        .iter()
        .map(|problem| draw_one(sources.text(&problem.file), problem, colour) + "\n")
        .collect();
    match problems.len() {
        0 => {}
        1 => text.push_str("1 problem\n"),
        count => text.push_str(&format!("{count} problems\n")),
    }
    text
}

/// Draws one problem; `source` is its file's text.
pub fn draw_one(source: Option<&str>, problem: &Diagnostic, colour: Colour) -> String {
    let title = Level::ERROR.primary_title(problem.message.as_str());
    let span = source.zip(problem.span).map(|(source, span)| {
        let span = within(source, span.start..span.end);
        let mark = AnnotationKind::Primary.span(span).label(problem.label.as_deref());
        Snippet::source(source).path(problem.file.as_str()).annotation(mark)
    });
    let mut group = match span {
        Some(snippet) => title.element(snippet),
        None => title.element(Origin::path(problem.file.as_str())),
    };
    if let Some(hint) = &problem.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    let renderer = match colour {
        Colour::Never => Renderer::plain(),
        Colour::Always => Renderer::styled(),
    };
    renderer.decor_style(DecorStyle::Ascii).render(&[group]) + "\n"
}

/// `span` moved to where `source` has characters: a file may have changed since it was read.
fn within(source: &str, span: Range<usize>) -> Range<usize> {
    let start = source.floor_char_boundary(span.start);
    start..source.ceil_char_boundary(span.end).max(start)
}
