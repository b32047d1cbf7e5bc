//! Owns how a command fails: its exit code and what the user reads. Must not print, and shows no
//! password of a URL: an error of a library may hold one though ours do not.

use std::error::Error;
use std::fmt::Write as _;

use vmimage_plan::userinfo::mask_text;

/// A failed command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The exit code: 1 failed and nothing changed, 2 bad input, 3 failed after changing something.
    pub(crate) code: u8,
    /// What is printed to standard error, ready to print.
    pub(crate) text: String,
}

impl Failure {
    /// Nothing was changed.
    pub(crate) fn unchanged(error: &dyn Error, hint: Option<String>) -> Self {
        Self {
            code: 1,
            text: describe(error, hint, Some("nothing was changed")),
        }
    }

    /// It failed with this exit code; `changed` says what is not as it was before.
    pub(crate) fn changed(
        code: u8,
        error: &dyn Error,
        hint: Option<String>,
        changed: &str,
    ) -> Self {
        Self {
            code,
            text: describe(error, hint, Some(changed)),
        }
    }

    /// The command line or a definition is wrong.
    pub(crate) fn input(error: &dyn Error, hint: Option<String>) -> Self {
        Self {
            code: 2,
            text: describe(error, hint, None),
        }
    }

    /// The command line or a definition is wrong; `text` is drawn already.
    pub(crate) fn drawn(text: String) -> Self {
        Self { code: 2, text }
    }

    /// The command line is wrong.
    pub(crate) fn usage(message: &str, hint: Option<&str>) -> Self {
        let mut text = format!("error: {message}\n");
        if let Some(hint) = hint {
            let _ = writeln!(text, "hint: {hint}");
        }
        Self {
            code: 2,
            text: mask_text(&text),
        }
    }
}

/// An error with its causes, its hint and what it changed.
fn describe(error: &dyn Error, hint: Option<String>, changed: Option<&str>) -> String {
    let mut text = format!("error: {error}\n");
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = writeln!(text, "  caused by: {cause}");
        source = cause.source();
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "hint: {hint}");
    }
    if let Some(changed) = changed {
        let _ = writeln!(text, "{changed}");
    }
    mask_text(&text)
}

#[cfg(test)]
mod tests {
    use super::Failure;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read `images/a.toml`")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_chain_the_hint_and_what_changed_are_each_on_a_line() {
        let error = Outer(io::Error::from(io::ErrorKind::PermissionDenied));
        let failure = Failure::unchanged(&error, Some("run as root".to_owned()));
        assert_eq!(failure.code, 1);
        assert_eq!(
            failure.text,
            "error: cannot read `images/a.toml`\n  caused by: permission denied\n\
             hint: run as root\nnothing was changed\n"
        );
    }

    #[test]
    fn the_password_of_a_url_is_shown_by_no_failure() {
        let error = Outer(io::Error::other("bad uri: http://user:hunter2@host/x"));
        assert_eq!(
            Failure::input(&error, None).text,
            "error: cannot read `images/a.toml`\n  caused by: bad uri: http://user:***@host/x\n"
        );
        assert_eq!(
            Failure::usage("unexpected `http://user:hunter2@host`", None).text,
            "error: unexpected `http://user:***@host`\n"
        );
    }
}
