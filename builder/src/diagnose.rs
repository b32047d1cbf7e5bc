//! Owns how problems of definitions and locks are drawn, as rustc draws its own. Must not print.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use vmimage_plan::userinfo::secrets;
use vmimage_plan::{Diagnostic, Sources};

/// What a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Text only.
    Never,
    /// Text with escape sequences; it says the same without them.
    Always,
}

/// Draws every problem with the line that it is about, and counts them at the end.
pub(crate) fn draw(sources: &Sources, problems: &[Diagnostic], colour: Colour) -> String {
    let mut text = String::new();
    for problem in problems {
        text += &draw_in(sources.text(&problem.file), problem, colour);
        text.push('\n');
    }
    match problems.len() {
        0 => text,
        1 => text + "1 problem\n",
        count => text + &format!("{count} problems\n"),
    }
}

/// Draws a problem of the file that holds `source`.
pub(crate) fn draw_text(source: &str, problem: &Diagnostic, colour: Colour) -> String {
    draw_in(Some(source), problem, colour)
}

fn draw_in(source: Option<&str>, problem: &Diagnostic, colour: Colour) -> String {
    let source = source.map(blank_secrets);
    let source = source.as_deref();
    let title = Level::ERROR.primary_title(problem.message.as_str());
    let mut group = match source.zip(problem.span) {
        Some((source, span)) => {
            let mark = AnnotationKind::Primary
                .span(within(source, span.start..span.end))
                .label(problem.label.as_deref());
            title.element(
                Snippet::source(source)
                    .path(problem.file.as_str())
                    .annotation(mark),
            )
        }
        None => title.element(Origin::path(problem.file.as_str())),
    };
    if let Some(hint) = &problem.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    let renderer = match colour {
        Colour::Never => Renderer::plain(),
        Colour::Always => Renderer::styled(),
    };
    let mut text = renderer.decor_style(DecorStyle::Ascii).render(&[group]);
    text.push('\n');
    text
}

/// The line of a problem must not show a URL's password; every other place stays where it is.
fn blank_secrets(source: &str) -> String {
    let (mut text, mut from) = (String::with_capacity(source.len()), 0);
    for secret in secrets(source) {
        text.push_str(source.get(from..secret.start).unwrap_or_default());
        text.extend(secret.clone().map(|_| '*'));
        from = secret.end;
    }
    text.push_str(source.get(from..).unwrap_or_default());
    text
}

/// `span` moved to where `source` has characters: the file may have changed since it was checked.
fn within(source: &str, span: Range<usize>) -> Range<usize> {
    let start = source.floor_char_boundary(span.start);
    start..source.ceil_char_boundary(span.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::{Colour, draw, draw_text};
    use vmimage_plan::sources::SourceFile;
    use vmimage_plan::{Diagnostic, Sources};

    const FILE: &str = "images/web.toml";
    const TEXT: &str = "format = 1\nrecipes = [\"webmin\", \"virtualmim\"]\nroot-volume-gb = 20\n";

    fn problem(marked: &str, message: &str) -> Diagnostic {
        let start = TEXT.find(marked).unwrap();
        Diagnostic::new(FILE, Some(start..start + marked.len()), message)
    }

    #[test]
    fn a_problem_is_drawn_with_its_place_label_and_hint() {
        let unknown = problem("\"virtualmim\"", "no recipe named `virtualmim`")
            .label("not found in `recipes/`")
            .hint("a recipe with a similar name exists: `virtualmin`");
        insta::assert_snapshot!(draw_text(TEXT, &unknown, Colour::Never), @r#"
        error: no recipe named `virtualmim`
         --> images/web.toml:2:22
          |
        2 | recipes = ["webmin", "virtualmim"]
          |                      ^^^^^^^^^^^^ not found in `recipes/`
          |
          = help: a recipe with a similar name exists: `virtualmin`
        "#);
    }

    #[test]
    fn the_line_of_a_problem_shows_no_password() {
        let text = "url = \"http://user:hunt\u{e9}r2@host/x\" # not \"ftp://t0ken@host\"\n";
        let span = text.find("\"http").unwrap()..text.find(" #").unwrap();
        let problem = Diagnostic::new(FILE, Some(span), "the URL `http://user:hunter2@host/x`");
        insta::assert_snapshot!(draw_text(text, &problem, Colour::Never), @r#"
        error: the URL `http://user:***@host/x`
         --> images/web.toml:1:7
          |
        1 | url = "http://user:********@host/x" # not "ftp://*****@host"
          |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        "#);
    }

    #[test]
    fn problems_are_drawn_in_order_and_counted() {
        let mut sources = Sources::default();
        let bytes = TEXT.as_bytes().to_vec();
        sources.insert(
            FILE,
            SourceFile {
                bytes,
                executable: false,
            },
        );
        let problems = [
            Diagnostic::new(FILE, None, "missing field `name`"),
            problem("root-volume-gb", "unknown field `root-volume-gb`"),
        ];
        insta::assert_snapshot!(draw(&sources, &problems, Colour::Never), @"
        error: missing field `name`
        --> images/web.toml

        error: unknown field `root-volume-gb`
         --> images/web.toml:3:1
          |
        3 | root-volume-gb = 20
          | ^^^^^^^^^^^^^^

        2 problems
        ");
        assert_eq!(draw(&sources, &[], Colour::Never), "");
    }

    #[test]
    fn colour_adds_escape_sequences_and_nothing_else() {
        let unknown = problem("root-volume-gb", "unknown field `root-volume-gb`").hint("remove it");
        let styled = draw_text(TEXT, &unknown, Colour::Always);
        assert!(styled.contains('\u{1b}'));
        let mut plain = String::new();
        let mut parts = styled.split('\u{1b}');
        plain += parts.next().unwrap();
        for part in parts {
            plain += part.split_once('m').unwrap().1;
        }
        assert_eq!(plain, draw_text(TEXT, &unknown, Colour::Never));
    }

    #[test]
    fn a_place_outside_the_text_is_drawn_at_its_end() {
        let changed = "naïve = 1\n";
        for span in [3..4, 0..500, 400..500, 10..10] {
            let problem = Diagnostic::new(FILE, Some(span), "changed meanwhile");
            let drawn = draw_text(changed, &problem, Colour::Never);
            assert!(
                drawn.starts_with("error: changed meanwhile\n --> images/web.toml:"),
                "{drawn}"
            );
        }
    }
}
