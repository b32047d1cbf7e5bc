//! Owns how templates are read. Must not know which facts there are at a place: `resolve` looks at
//! the [`Mention`]s.

use std::ops::Range;

use firstboot::program::{FIELDS, mark};

use super::{Condition, Piece, Quote, Template};
use crate::definition::similar::similar_name;

/// Whether `text` is the name of a fact.
pub(in crate::definition) fn is_fact_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 60
        && text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
}

/// Whether `text` may stand where a fact is used; the name of a secret may have slashes.
fn is_used_name(text: &str) -> bool {
    is_fact_name(&text.replace('/', "-"))
}

/// `fact` or `!fact`.
pub(in crate::definition) fn parse_condition(text: &str) -> Option<Condition> {
    let (negated, fact) = match text.strip_prefix('!') {
        Some(fact) => (true, fact),
        None => (false, text),
    };
    let fact = is_used_name(fact).then(|| fact.to_owned())?;
    Some(Condition { fact, negated })
}

/// As what a fact is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::definition) enum Usage {
    /// Its text is put there.
    Text,
    /// It decides.
    Condition,
    /// Its items are gone through.
    List,
}

/// A place of a template that uses a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::definition) struct Mention {
    pub(in crate::definition) fact: String,
    pub(in crate::definition) usage: Usage,
    /// Bytes of the template.
    pub(in crate::definition) at: Range<usize>,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::definition) struct Mistake {
    pub(in crate::definition) message: String,
    pub(in crate::definition) hint: Option<String>,
    /// Bytes of the template.
    pub(in crate::definition) at: Range<usize>,
}

/// A template that was read.
#[derive(Debug)]
pub(in crate::definition) struct Parsed {
    pub(in crate::definition) template: Template,
    pub(in crate::definition) mentions: Vec<Mention>,
    pub(in crate::definition) mistakes: Vec<Mistake>,
}

/// How deep blocks may lie in each other.
const DEPTH_AT_MOST: usize = 4;

/// After so many mistakes the rest is noise.
const MISTAKES_AT_MOST: usize = 20;

/// A block that is not closed yet.
struct Open {
    block: Block,
    before: Vec<Piece>,
    at: Range<usize>,
}

enum Block {
    Each(String),
    If(Condition),
}

impl Block {
    const fn keyword(&self) -> &'static str {
        match self {
            Self::Each(_) => "each",
            Self::If(_) => "if",
        }
    }
}

/// Where a template stands.
#[derive(Clone, Copy, Debug)]
pub(in crate::definition) struct Setting {
    /// How a value without `|` is written.
    pub(in crate::definition) quote: Quote,
    /// Whether the step itself is run for each item of a list.
    pub(in crate::definition) in_each: bool,
}

struct Parser {
    setting: Setting,
    pieces: Vec<Piece>,
    open: Vec<Open>,
    mentions: Vec<Mention>,
    mistakes: Vec<Mistake>,
}

/// Reads `text`; what is wrong with it comes beside what could be read.
pub(in crate::definition) fn parse_template(text: &str, setting: Setting) -> Parsed {
    let mut parser = Parser {
        setting,
        pieces: Vec::new(),
        open: Vec::new(),
        mentions: Vec::new(),
        mistakes: Vec::new(),
    };
    let mut from = 0;
    while let Some(tag) = next_tag(text, from) {
        parser.literal(text, from..tag.start);
        let Some(length) = text[tag.start..].find("}}") else {
            parser.mistake(tag.start..tag.end, "`{{` is not closed", None);
            from = text.len();
            break;
        };
        let end = tag.start + length + 2;
        parser.tag(&text[tag.end..end - 2], tag.start..end);
        from = end;
    }
    parser.literal(text, from..text.len());
    while let Some(open) = parser.open.pop() {
        let keyword = open.block.keyword();
        parser.mistake(
            open.at.clone(),
            format!("`{{{{#{keyword}}}}}` is not closed"),
            Some(format!("write `{{{{/{keyword}}}}}` where it ends")),
        );
        parser.close(open);
    }
    parser.mistakes.truncate(MISTAKES_AT_MOST);
    Parsed {
        template: Template(parser.pieces),
        mentions: parser.mentions,
        mistakes: parser.mistakes,
    }
}

/// The next `{{` from `from` on. Of more braces the last two open, so that JSON may stand around.
fn next_tag(text: &str, from: usize) -> Option<Range<usize>> {
    let mut start = from + text[from..].find("{{")?;
    while text[start + 2..].starts_with('{') {
        start += 1;
    }
    Some(start..start + 2)
}

impl Parser {
    fn mistake(&mut self, at: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        let message = message.into();
        self.mistakes.push(Mistake { message, hint, at });
    }

    fn mention(&mut self, fact: &str, usage: Usage, at: Range<usize>) {
        let fact = fact.to_owned();
        self.mentions.push(Mention { fact, usage, at });
    }

    fn literal(&mut self, text: &str, at: Range<usize>) {
        let literal = &text[at.clone()];
        if literal.is_empty() {
            return;
        }
        let is_mark = |byte| byte <= mark::END || byte == mark::ITEM;
        if let Some(byte) = literal.bytes().position(is_mark) {
            let place = at.start + byte;
            self.mistake(
                place..place + 1,
                format!("the byte {} in a text", text.as_bytes()[place]),
                Some(
                    "the bytes 0 to 5 and 127 have a meaning in role programs; leave them out"
                        .to_owned(),
                ),
            );
        }
        self.pieces.push(Piece::Text(literal.to_owned()));
    }

    fn tag(&mut self, inner: &str, at: Range<usize>) {
        if let Some(list) = inner.strip_prefix("#each ") {
            self.open_each(list, at);
        } else if let Some(condition) = inner.strip_prefix("#if ") {
            self.open_if(condition, at);
        } else if let Some(keyword) = inner.strip_prefix('/') {
            self.close_tag(keyword, at);
        } else if let Some(field) = inner.strip_prefix('.') {
            self.field(field, at);
        } else {
            self.fact(inner, at);
        }
    }

    fn open_each(&mut self, list: &str, at: Range<usize>) {
        let within = self.setting.in_each
            || (self.open.iter()).any(|open| matches!(open.block, Block::Each(_)));
        if within {
            self.mistake(at.clone(), "an `each` within an `each`", None);
        }
        if is_fact_name(list) {
            self.mention(list, Usage::List, at.clone());
        } else {
            self.no_name(list, at.clone());
        }
        self.open(Block::Each(list.to_owned()), at);
    }

    fn open_if(&mut self, text: &str, at: Range<usize>) {
        let condition = parse_condition(text).unwrap_or_else(|| {
            self.no_name(text, at.clone());
            Condition {
                fact: String::new(),
                negated: false,
            }
        });
        if !condition.fact.is_empty() {
            self.mention(&condition.fact, Usage::Condition, at.clone());
        }
        self.open(Block::If(condition), at);
    }

    fn open(&mut self, block: Block, at: Range<usize>) {
        if self.open.len() == DEPTH_AT_MOST {
            let message = format!("blocks lie in each other more than {DEPTH_AT_MOST} deep");
            self.mistake(at.clone(), message, None);
        }
        let before = std::mem::take(&mut self.pieces);
        self.open.push(Open { block, before, at });
    }

    fn close_tag(&mut self, keyword: &str, at: Range<usize>) {
        let fits = self
            .open
            .last()
            .is_some_and(|open| open.block.keyword() == keyword);
        if fits {
            if let Some(open) = self.open.pop() {
                self.close(open);
            }
        } else if let Some(open) = self.open.last() {
            let message = format!(
                "`{{{{/{keyword}}}}}` where `{{{{/{}}}}}` is due",
                open.block.keyword()
            );
            self.mistake(at, message, None);
        } else {
            self.mistake(at, format!("`{{{{/{keyword}}}}}` closes nothing"), None);
        }
    }

    fn close(&mut self, open: Open) {
        let body = Template(std::mem::replace(&mut self.pieces, open.before));
        // Too deep a nesting was reported, and a value with problems is never handed out.
        if self.open.len() >= DEPTH_AT_MOST {
            return;
        }
        self.pieces.push(match open.block {
            Block::Each(list) => Piece::Each { list, body },
            Block::If(condition) => Piece::If { condition, body },
        });
    }

    fn field(&mut self, text: &str, at: Range<usize>) {
        let (name, quote) = self.quoted(text, &at);
        let inside = self.setting.in_each
            || (self.open.iter()).any(|open| matches!(open.block, Block::Each(_)));
        let Some(name) = FIELDS.into_iter().find(|field| *field == name) else {
            let hint = similar_name(name, FIELDS);
            let hint = hint.map(|name| format!("a similar name exists: `.{name}`"));
            self.mistake(at, format!("an item has no field `.{name}`"), hint);
            return;
        };
        if !inside {
            self.mistake(
                at.clone(),
                format!("`{{{{.{name}}}}}` is in no `each`"),
                Some("write `{{#each LIST}}` around it, or give the step `each`".to_owned()),
            );
        }
        self.pieces.push(Piece::Field { name, quote });
    }

    fn fact(&mut self, text: &str, at: Range<usize>) {
        let (name, quote) = self.quoted(text, &at);
        if !is_used_name(name) {
            self.no_name(name, at);
            return;
        }
        self.mention(name, Usage::Text, at);
        let name = name.to_owned();
        self.pieces.push(Piece::Fact { name, quote });
    }

    fn no_name(&mut self, text: &str, at: Range<usize>) {
        self.mistake(
            at,
            format!("`{text}` is not the name of a fact"),
            Some("write `{{fact}}`, `{{.field}}`, `{{#each LIST}}` or `{{#if fact}}`".to_owned()),
        );
    }

    /// `name` or `name|quote`.
    fn quoted<'t>(&mut self, text: &'t str, at: &Range<usize>) -> (&'t str, Quote) {
        let Some((name, quote)) = text.split_once('|') else {
            return (text, self.setting.quote);
        };
        let known = Quote::ALL.into_iter().find(|q| q.as_str() == quote);
        if known.is_none() {
            let names = Quote::ALL.map(Quote::as_str);
            let hint = similar_name(quote, names)
                .map(|name| format!("a similar name exists: `{name}`"))
                .or_else(|| Some(format!("write one of `{}`", names.join("`, `"))));
            self.mistake(at.clone(), format!("no way of quoting `{quote}`"), hint);
        }
        (name, known.unwrap_or(self.setting.quote))
    }
}

#[cfg(test)]
mod tests {
    use super::{Condition, Parsed, Piece, Quote, Setting, Template, parse_template};

    fn parse(text: &str) -> Parsed {
        let quote = Quote::Json;
        let in_each = false;
        parse_template(text, Setting { quote, in_each })
    }

    #[test]
    fn a_template_is_text_facts_fields_and_blocks() {
        let parsed = parse(
            "{{{a|plain}}}{{#each l}}{{.slot}}{{#if !b}},{{/if}}{{/each}}{{secret.x/y|pem40}}",
        );
        assert_eq!(parsed.mistakes, []);
        let body = Template(vec![
            Piece::Field {
                name: "slot",
                quote: Quote::Json,
            },
            Piece::If {
                condition: Condition {
                    fact: "b".to_owned(),
                    negated: true,
                },
                body: Template::text(","),
            },
        ]);
        assert_eq!(
            parsed.template.0,
            [
                Piece::Text("{".to_owned()),
                Piece::Fact {
                    name: "a".to_owned(),
                    quote: Quote::Plain
                },
                Piece::Text("}".to_owned()),
                Piece::Each {
                    list: "l".to_owned(),
                    body
                },
                Piece::Fact {
                    name: "secret.x/y".to_owned(),
                    quote: Quote::Pem40
                },
            ]
        );
        let mentions: Vec<_> = parsed
            .mentions
            .iter()
            .map(|m| (m.fact.as_str(), m.at.clone()))
            .collect();
        assert_eq!(
            mentions,
            [
                ("a", 1..12),
                ("l", 13..24),
                ("b", 33..43),
                ("secret.x/y", 60..80)
            ]
        );
    }

    #[test]
    fn every_mistake_is_found_where_it_is() {
        for (text, expected) in [
            ("a {{x", "2..4 `{{` is not closed"),
            (
                "{{ x }}",
                "0..7 ` x ` is not the name of a fact (write `{{fact}}`, `{{.field}}`, `{{#each LIST}}` or `{{#if fact}}`)",
            ),
            (
                "{{#if x}}",
                "0..9 `{{#if}}` is not closed (write `{{/if}}` where it ends)",
            ),
            ("{{/each}}", "0..9 `{{/each}}` closes nothing"),
            (
                "{{#if x}}{{/each}}{{/if}}",
                "9..18 `{{/each}}` where `{{/if}}` is due",
            ),
            (
                "{{#each x}}{{#each y}}{{/each}}{{/each}}",
                "11..22 an `each` within an `each`",
            ),
            (
                "{{.slot}}",
                "0..9 `{{.slot}}` is in no `each` (write `{{#each LIST}}` around it, or give the step `each`)",
            ),
            (
                "{{#each x}}{{.slott}}{{/each}}",
                "11..21 an item has no field `.slott` (a similar name exists: `.slot`)",
            ),
            (
                "{{x|sqll}}",
                "0..10 no way of quoting `sqll` (a similar name exists: `sql`)",
            ),
            (
                "ab\u{3}",
                "2..3 the byte 3 in a text (the bytes 0 to 5 and 127 have a meaning in role programs; leave them out)",
            ),
        ] {
            let mistakes = parse(text).mistakes;
            let [mistake] = &mistakes[..] else {
                panic!("{text}: {mistakes:?}")
            };
            let hint = mistake.hint.as_ref();
            let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
            let line = format!("{:?} {}{hint}", mistake.at, mistake.message);
            assert_eq!(line, expected, "{text}");
        }
        let deep = "{{#if x}}".repeat(5) + &"{{/if}}".repeat(5);
        assert_eq!(parse(&deep).mistakes.len(), 1);
    }
}
