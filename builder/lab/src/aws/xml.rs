//! Owns writing an answer: XML straight into a text, as EC2's protocol and the Query protocol
//! have it.

use std::borrow::Cow;
use std::fmt::{Display, Write};

use super::Service;
use super::params::Params;

/// An answer in the making.
#[derive(Debug)]
pub(crate) struct Xml {
    text: String,
    /// What an entry of a list is called: `item` in EC2, `member` elsewhere.
    entry: &'static str,
}

impl Xml {
    /// An answer that begins with the head of `action`.
    pub(crate) fn answer(service: Service, action: &str, request_id: &str) -> Self {
        let mut text = String::with_capacity(4096);
        let namespace = service.namespace();
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        let (written, entry) = match service {
            Service::Ec2 => (
                write!(
                    text,
                    "{head}<{action}Response xmlns=\"{namespace}\"><requestId>{request_id}</requestId>"
                ),
                "item",
            ),
            Service::AutoScaling | Service::ElbV2 | Service::Sts => (
                write!(
                    text,
                    "{head}<{action}Response xmlns=\"{namespace}\"><{action}Result>"
                ),
                "member",
            ),
        };
        written.expect("a String takes any text");
        Self { text, entry }
    }

    /// Ends the answer.
    pub(crate) fn finish(mut self, service: Service, action: &str, request_id: &str) -> String {
        let written = match service {
            Service::Ec2 => write!(self.text, "</{action}Response>"),
            Service::AutoScaling | Service::ElbV2 | Service::Sts => write!(
                self.text,
                "</{action}Result><ResponseMetadata><RequestId>{request_id}</RequestId>\
                 </ResponseMetadata></{action}Response>"
            ),
        };
        written.expect("a String takes any text");
        self.text
    }

    fn open(&mut self, name: &str) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push('>');
    }

    fn close(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// An element with a text in it.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.open(name);
        self.text.push_str(&escape(value));
        self.close(name);
    }

    /// An element, if there is something to put in it.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// An element with a number, a truth value or an address in it: nothing to escape.
    pub(crate) fn show(&mut self, name: &str, value: impl Display) {
        self.open(name);
        write!(self.text, "{value}").expect("a String takes any text");
        self.close(name);
    }

    /// An element with elements in it.
    pub(crate) fn within(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.open(name);
        fill(self);
        self.close(name);
    }

    /// A list: one entry for each of `items`, filled by `fill`.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(&mut Self, T),
    ) {
        let entry = self.entry;
        self.open(name);
        for item in items {
            self.open(entry);
            fill(self, item);
            self.close(entry);
        }
        self.close(name);
    }

    /// A text where the element is open already.
    pub(crate) fn plain(&mut self, value: &str) {
        self.text.push_str(&escape(value));
    }

    /// A list of texts.
    pub(crate) fn texts<T: AsRef<str>>(&mut self, name: &str, items: impl IntoIterator<Item = T>) {
        self.list(name, items, |xml, item| {
            xml.plain(item.as_ref());
        });
    }

    /// Parameters as they were sent, where answers call them the same.
    pub(crate) fn tree(&mut self, node: &Params) {
        for (name, below) in node.below() {
            let entries = below.entries();
            if let Some(text) = below.text() {
                self.text(name, text);
            } else if entries.is_empty() {
                self.within(name, |xml| xml.tree(below));
            } else {
                self.list(name, entries, |xml, entry| match entry.text() {
                    Some(text) => xml.plain(text),
                    None => xml.tree(entry),
                });
            }
        }
    }

    /// A list of EC2's tags, if there are any.
    pub(crate) fn tags<'t>(&mut self, tags: impl IntoIterator<Item = (&'t String, &'t String)>) {
        let mut tags = tags.into_iter().peekable();
        if tags.peek().is_some() {
            self.list("tagSet", tags, |xml, (key, value)| {
                xml.text("key", key);
                xml.text("value", value);
            });
        }
    }
}

/// The text with what XML cannot hold as it is replaced. Characters that XML 1.0 cannot hold at
/// all become U+FFFD.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| !matches!(byte, b'<' | b'>' | b'&' | b'"' | 0..=0x1f);
    if text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            // A parser would turn a bare carriage return into a line feed.
            '\r' => escaped.push_str("&#13;"),
            '\t' | '\n' => escaped.push(character),
            '\0'..='\x1f' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_called_as_the_protocol_does() {
        for (service, list, end) in [
            (Service::Ec2, "<l><item>a&amp;</item></l>", "</XResponse>"),
            (
                Service::Sts,
                "<l><member>a&amp;</member></l>",
                "</XResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></XResponse>",
            ),
        ] {
            let mut xml = Xml::answer(service, "X", "r");
            xml.texts("l", ["a&"]);
            let text = xml.finish(service, "X", "r");
            assert!(text.ends_with(&format!("{list}{end}")), "{text}");
        }
    }

    #[test]
    fn any_text_is_well_formed() {
        for (text, escaped) in [
            ("plain é", "plain é"),
            ("<&>\"", "&lt;&amp;&gt;&quot;"),
            ("a\r\n\tb", "a&#13;\n\tb"),
            ("\0\x1b", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }
}
