//! Owns what a check found wrong, and where. Must not draw it: `builder` does. Must not repeat the
//! secret of a URL that a definition should not have.

use std::ops::Range;

use serde::Serialize;

use crate::userinfo::mask_text;

/// One problem in one file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Diagnostic {
    /// The file, relative to the project's folder.
    pub file: String,
    /// The bytes it is about; `None` when it is about the whole file.
    pub span: Option<ByteSpan>,
    /// What is wrong: lower case, no final period.
    pub message: String,
    /// A word for the marked place, for example ``not found in `recipes/` ``.
    pub label: Option<String>,
    /// What to do, imperative; correct whenever it is shown.
    pub hint: Option<String>,
}

/// A byte range that can be ordered and serialized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ByteSpan {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl From<Range<usize>> for ByteSpan {
    fn from(range: Range<usize>) -> Self {
        Self {
            start: range.start,
            end: range.end,
        }
    }
}

impl Diagnostic {
    /// A problem at `span` of `file`.
    pub fn new(file: &str, span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            span: span.map(ByteSpan::from),
            message: mask_text(&message.into()),
            label: None,
            hint: None,
        }
    }

    /// The same with a word for the marked place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(mask_text(&label.into()));
        self
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(mask_text(&hint.into()));
        self
    }
}
