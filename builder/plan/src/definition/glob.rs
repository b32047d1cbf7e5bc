//! Owns globs over absolute paths of an image: what `check` accepts is what sealing matches.

use globset::{Glob, GlobBuilder};
use thiserror::Error;

/// Why a text is no glob over an image's paths.
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

impl GlobError {
    /// What exactly is wrong, where the error itself only says that something is.
    pub(crate) fn detail(&self) -> Option<String> {
        match self {
            Self::Relative(_) | Self::Dots(_) => None,
            Self::Syntax { source, .. } => Some(source.kind().to_string()),
        }
    }
}

/// Parses a glob over absolute paths of an image: `*` and `?` stay within one part, `**` as a whole
/// part crosses them, `[...]` and `{a,b}` are as in a shell.
pub fn parse_glob(text: &str) -> Result<Glob, GlobError> {
    let Some(below) = text.strip_prefix('/') else {
        return Err(GlobError::Relative(text.to_owned()));
    };
    if below.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(GlobError::Dots(text.to_owned()));
    }
    GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map_err(|source| GlobError::Syntax {
            glob: text.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::{GlobError, parse_glob};

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
            let matcher = parse_glob(glob).unwrap().compile_matcher();
            assert_eq!(matcher.is_match(path), expected, "{glob} {path}");
        }
    }

    #[test]
    fn what_is_not_an_absolute_glob_is_refused() {
        assert!(matches!(parse_glob("etc/x"), Err(GlobError::Relative(_))));
        assert!(matches!(parse_glob(""), Err(GlobError::Relative(_))));
        assert!(matches!(parse_glob("/etc/../x"), Err(GlobError::Dots(_))));
        assert!(matches!(parse_glob("/etc//x"), Err(GlobError::Dots(_))));
        assert!(matches!(parse_glob("/"), Err(GlobError::Dots(_))));
        assert!(matches!(
            parse_glob("/etc/[x"),
            Err(GlobError::Syntax { .. })
        ));
        assert!(matches!(
            parse_glob("/etc/{a,b"),
            Err(GlobError::Syntax { .. })
        ));
    }
}
