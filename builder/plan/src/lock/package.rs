//! Owns what a locked package may look like: the one rule that making a lock and reading one share,
//! so that no lock is written that is then refused.

use std::borrow::Cow;

use super::LockedPackage;
use crate::digest::is_sha256_hex;

/// An ar archive with its three members is longer than its own magic and headers.
const SMALLEST_DEB: u64 = 8 + 3 * 60;

impl LockedPackage {
    /// What is wrong with the package by itself, in words, or `None`.
    pub fn problem(&self) -> Option<String> {
        let Self {
            name,
            version,
            architecture,
            sha256,
            size,
            path,
            ..
        } = self;
        if !is_name(name) || !is_name(architecture) {
            return Some(format!("`{name}:{architecture}` is not a package"));
        }
        if !is_version(version) {
            return Some(format!("`{version}` is not a version of `{name}`"));
        }
        if !is_sha256_hex(sha256) {
            return Some(format!("`sha256` of `{name}` is not a SHA-256"));
        }
        if *size < SMALLEST_DEB {
            return Some(format!("`{name}` is too small for a package: {size}"));
        }
        match pool_path(path) {
            Ok(plain) if plain == *path => None,
            Ok(plain) => Some(format!(
                "the path of `{name}` is `{path}` and not `{plain}`"
            )),
            Err(why) => Some(format!("the path of `{name}` {why}: `{}`", shown(path))),
        }
    }
}

/// A path below an archive's URL as a lock has it, or why it is none. Everything that a file can be
/// called is right, `%`, `~`, `+` and spaces too: the path is escaped where it becomes a URL.
pub fn pool_path(path: &str) -> Result<Cow<'_, str>, &'static str> {
    if path.chars().any(char::is_control) {
        return Err("has a control character");
    }
    if path.split('/').any(|part| part == "..") {
        return Err("leaves its archive");
    }
    let parts = || path.split('/').filter(|part| !matches!(*part, "" | "."));
    if parts().next().is_none() || path.ends_with('/') {
        return Err("names no file");
    }
    if path.split('/').count() == parts().count() {
        return Ok(Cow::Borrowed(path));
    }
    Ok(Cow::Owned(parts().collect::<Vec<_>>().join("/")))
}

fn shown(path: &str) -> String {
    path.chars().filter(|c| !c.is_control()).collect()
}

/// Characters of package names and architectures (Debian policy 5.6.7, 5.6.8).
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
}

/// A version that dpkg installs: an epoch of digits, and characters of Debian policy 5.6.12.
fn is_version(text: &str) -> bool {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    epoch.parse::<i32>().is_ok_and(|epoch| epoch >= 0)
        && !epoch.starts_with('+')
        && rest.starts_with(|c: char| c.is_ascii_alphanumeric())
        && rest
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'~' | b':'))
}

#[cfg(test)]
mod tests {
    use super::pool_path;
    use crate::lock::LockedPackage;

    #[test]
    fn every_name_of_a_file_is_a_path_and_nothing_leaves_the_archive() {
        for (path, expected) in [
            (
                "pool/a_1%3a2.0~rc1+b1_all.deb",
                Ok("pool/a_1%3a2.0~rc1+b1_all.deb"),
            ),
            ("pool/a b\u{e9}#?\\.deb", Ok("pool/a b\u{e9}#?\\.deb")),
            ("./pool//./a.deb", Ok("pool/a.deb")),
            ("/pool/a.deb", Ok("pool/a.deb")),
            ("...", Ok("...")),
            ("../a.deb", Err("leaves its archive")),
            ("pool/../a.deb", Err("leaves its archive")),
            ("pool/a\u{7}.deb", Err("has a control character")),
            ("pool/", Err("names no file")),
            ("./", Err("names no file")),
            ("", Err("names no file")),
        ] {
            assert_eq!(
                pool_path(path).as_deref().map_err(|why| *why),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn versions_are_those_that_dpkg_installs() {
        let problem = |version: &str| {
            LockedPackage {
                name: "app".to_owned(),
                version: version.to_owned(),
                architecture: "all".to_owned(),
                sha256: "ab".repeat(32),
                size: 1234,
                archive: "debian".to_owned(),
                path: "a.deb".to_owned(),
                recipe: "base".to_owned(),
                requested: false,
            }
            .problem()
        };
        for right in ["1", "1:2.0~rc1-3+b1", "0:1:2", "2147483647:1", "1a.b"] {
            assert_eq!(problem(right), None);
        }
        for wrong in [
            "",
            "a:1",
            "+1:1",
            "2147483648:1",
            ":1",
            "1:",
            "1_0",
            "1 x",
            "~1",
        ] {
            assert_eq!(
                problem(wrong),
                Some(format!("`{wrong}` is not a version of `app`"))
            );
        }
    }
}
