//! Owns the writing of XML documents: escaping and nesting.

use std::fmt::{Display, Write as _};

/// A document that is being written.
#[derive(Debug)]
pub(crate) struct Xml {
    text: String,
}

impl Xml {
    pub(crate) fn new() -> Self {
        Self {
            text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
        }
    }

    /// An element with what `content` writes into it.
    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.tag(name, "<");
        content(self);
        self.tag(name, "</");
    }

    /// The outermost element, in a namespace.
    pub(crate) fn element_of(
        &mut self,
        name: &str,
        namespace: &str,
        content: impl FnOnce(&mut Self),
    ) {
        write!(self.text, "<{name} xmlns=\"{namespace}\">").expect("a String takes any text");
        content(self);
        self.tag(name, "</");
    }

    /// Text between the tags of the element that is open.
    pub(crate) fn content(&mut self, value: &str) {
        self.text.push_str(&escape(value));
    }

    /// An element that holds text.
    pub(crate) fn text(&mut self, name: &str, value: impl Display) {
        self.tag(name, "<");
        let value = value.to_string();
        self.text.push_str(&escape(&value));
        self.tag(name, "</");
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn tag(&mut self, name: &str, open: &str) {
        self.text.push_str(open);
        self.text.push_str(name);
        self.text.push('>');
    }
}

/// Characters that XML 1.0 cannot hold become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let mut xml = Xml::new();
        xml.element_of("A", "urn:x", |xml| xml.text("B", "<&>\"\r\n\u{1}"));
        assert_eq!(
            xml.finish(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<A xmlns=\"urn:x\"><B>&lt;&amp;&gt;&quot;&#13;\n\u{fffd}</B></A>"
        );
    }
}
