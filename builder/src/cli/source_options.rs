//! Owns the options that say where packages come from: mirrors, stand-ins, accepted keys, cache.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use vmimage_plan::userinfo::split_user;

use super::Context;
use crate::failure::Failure;
use crate::printer;

/// Where packages come from.
#[derive(Debug, Args)]
pub(super) struct SourceOptions {
    /// Fetch an archive from here instead of where its recipe says; the variable `VMIMAGE_MIRRORS`
    /// takes the same, for URLs with a password
    // Not parsed by clap, which would repeat what it cannot parse, with the password in it.
    #[arg(long, value_name = "NAME=URL")]
    mirror: Vec<String>,
    /// Take the archives found in this directory in place of their vendors' (for tests and demos:
    /// the result names them as stand-ins)
    #[arg(long, value_name = "DIR")]
    pub(super) stand_in: Option<PathBuf>,
    /// Accept this key for a repository that nobody pinned a key for
    #[arg(long, value_name = "FINGERPRINT")]
    pub(super) accept_key: Vec<String>,
    /// Keep packages and layers here [default: /var/cache/vmimage, or the user's cache]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

impl SourceOptions {
    /// Mirrors by archive: those of the environment, and those of the command line before them.
    pub(super) fn mirrors(&self, context: &Context) -> Result<BTreeMap<String, String>, Failure> {
        let mut mirrors = BTreeMap::new();
        let environment = context.environment.mirrors.as_deref().unwrap_or_default();
        for text in environment.split_whitespace() {
            let (name, url) = parse_mirror(text, "`VMIMAGE_MIRRORS`")?;
            mirrors.insert(name, url);
        }
        for text in &self.mirror {
            let (name, url) = parse_mirror(text, "`--mirror`")?;
            if split_user(&url).is_some() {
                printer::talk(&format!(
                    "warning: everybody on this machine can read the password of `--mirror {name}=...` in the list \
                     of processes; `VMIMAGE_MIRRORS` takes the same out of their sight\n"
                ));
            }
            mirrors.insert(name, url);
        }
        Ok(mirrors)
    }

    /// The cache directory, absolute.
    pub(super) fn cache(&self, context: &Context) -> Result<PathBuf, Failure> {
        let uid = rustix::process::geteuid().as_raw();
        let cache = context.environment.cache_directory(self.cache.clone(), uid);
        std::path::absolute(&cache).map_err(|error| Failure::unchanged(&error, None))
    }
}

/// Reads `NAME=URL`. What is wrong is not repeated: it may hold a password.
fn parse_mirror(text: &str, from: &str) -> Result<(String, String), Failure> {
    let schemes = ["http://", "https://", "file:///"];
    match text.split_once('=') {
        Some((name, url))
            if !name.is_empty() && schemes.iter().any(|scheme| url.starts_with(scheme)) =>
        {
            Ok((name.to_owned(), url.trim_end_matches('/').to_owned()))
        }
        Some(_) | None => Err(Failure::usage(
            &format!("a value of {from} is not NAME=URL with an http, https or file URL"),
            Some("write it as `debian=http://mirror.example/debian`"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_mirror;

    #[test]
    fn a_mirror_is_a_name_and_a_url() {
        let pair = |name: &str, url: &str| Ok((name.to_owned(), url.to_owned()));
        assert_eq!(
            parse_mirror("debian=http://m/debian/", "`--mirror`"),
            pair("debian", "http://m/debian")
        );
        assert_eq!(
            parse_mirror("d=file:///srv/x=y", "`--mirror`"),
            pair("d", "file:///srv/x=y")
        );
    }

    #[test]
    fn what_is_no_mirror_is_refused_and_not_repeated() {
        for bad in [
            "debian",
            "=http://m",
            "debian=m",
            "debian=http:/user:hunter2@m",
            "http://user:hunter2@m",
            "debian=ftp://user:hunter2@m",
            "",
        ] {
            let failure = parse_mirror(bad, "`--mirror`").unwrap_err();
            assert_eq!(
                (failure.code, failure.text.as_str()),
                (
                    2,
                    "error: a value of `--mirror` is not NAME=URL with an http, https or file URL\n\
                     hint: write it as `debian=http://mirror.example/debian`\n"
                ),
                "{bad}"
            );
        }
    }
}
