//! Owns globs over absolute paths of an image: what `check` accepts is what sealing matches.

use globset::{GlobBuilder, GlobMatcher};
use thiserror::Error;

/// A pattern over absolute paths: `*` and `?` stay within one part, `**` as a whole part crosses
/// them, `[...]` and `{a,b}` are as in a shell.
#[derive(Clone, Debug)]
pub struct Glob {
    matcher: GlobMatcher,
}

/// Why a text is no [`Glob`].
#[derive(Debug, Error)]
pub enum GlobError {
    /// It does not begin with `/`.
    #[error("`{0}` is not an absolute path")]
    Relative(String),
    /// It could match outside the image.
    #[error("`{0}` has a `.` or `..` part or an empty one")]
    Dots(String),
    /// It does not parse.
    #[error("cannot parse the glob `{glob}`")]
    Syntax {
        /// The text.
        glob: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
}

impl Glob {
    /// Parses `text`.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        let Some(below) = text.strip_prefix('/') else {
            return Err(GlobError::Relative(text.to_owned()));
        };
        if below.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(GlobError::Dots(text.to_owned()));
        }
        let glob = GlobBuilder::new(text)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|source| GlobError::Syntax { glob: text.to_owned(), source })?;
        Ok(Self { matcher: glob.compile_matcher() })
    }

    /// Whether `path`, absolute in the image, matches.
    pub fn matches(&self, path: &str) -> bool {
        self.matcher.is_match(path)
    }

    /// Whether `text` matches itself only: it has no wildcard.
    pub fn is_literal(text: &str) -> bool {
        !text.contains(['*', '?', '[', '{', '\\'])
    }
}

#[cfg(test)]
mod tests {
    use super::{Glob, GlobError};

    #[test]
    fn stars_stay_within_a_part_and_double_stars_cross_parts() {
        for (glob, path, expected) in [
            ("/etc/machine-id", "/etc/machine-id", true),
            ("/etc/machine-id", "/etc/machine-id.bak", false),
            ("/etc/ssh/ssh_host_*", "/etc/ssh/ssh_host_rsa_key", true),
            ("/etc/ssh/*", "/etc/ssh/sshd_config.d/a.conf", false),
            ("/var/log/**", "/var/log/apt/history.log", true),
            ("/var/log/**", "/var/log/dpkg.log", true),
            ("/var/log/**", "/var/log", false),
            ("/var/**/*.log", "/var/x.log", true),
            ("/var/**/*.log", "/var/a/b/x.log", true),
            ("/root/.*_history", "/root/.bash_history", true),
            ("/home/*/.ssh", "/home/admin/.ssh", true),
            ("/etc/{a,b}.conf", "/etc/b.conf", true),
            ("/etc/[!a].conf", "/etc/a.conf", false),
            ("/etc/\\*", "/etc/*", true),
            ("/etc/\\*", "/etc/x", false),
        ] {
            assert_eq!(Glob::parse(glob).unwrap().matches(path), expected, "{glob} {path}");
        }
    }

    #[test]
    fn what_is_not_an_absolute_glob_is_refused() {
        assert!(matches!(Glob::parse("etc/x"), Err(GlobError::Relative(_))));
        assert!(matches!(Glob::parse(""), Err(GlobError::Relative(_))));
        assert!(matches!(Glob::parse("/etc/../x"), Err(GlobError::Dots(_))));
        assert!(matches!(Glob::parse("/etc//x"), Err(GlobError::Dots(_))));
        assert!(matches!(Glob::parse("/"), Err(GlobError::Dots(_))));
        assert!(matches!(Glob::parse("/etc/[x"), Err(GlobError::Syntax { .. })));
        assert!(matches!(Glob::parse("/etc/{a,b"), Err(GlobError::Syntax { .. })));
    }

    #[test]
    fn a_literal_has_no_wildcard() {
        assert!(Glob::is_literal("/etc/machine-id"));
        assert!(!Glob::is_literal("/etc/*"));
        assert!(!Glob::is_literal("/etc/[a]"));
    }
}
