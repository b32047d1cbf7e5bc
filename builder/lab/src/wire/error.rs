//! Owns the error that every simulated service answers with, before it has the shape of a protocol.

use std::borrow::Cow;

/// A refusal in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError {
    /// For example `ParameterNotFound`.
    pub code: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What AWS says about it.
    pub message: String,
    /// Elements that S3 adds to the error, for example `BucketName`.
    pub details: Vec<(&'static str, String)>,
    /// Headers that come with it, for example `x-amz-bucket-region`.
    pub headers: Vec<(&'static str, String)>,
}

impl ServiceError {
    /// An error without details.
    pub fn new(
        code: impl Into<Cow<'static, str>>,
        status: u16,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code: code.into(),
            status,
            message: message.into(),
            details: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Adds an element to S3's error document.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
