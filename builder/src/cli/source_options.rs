//! Owns the options that say where packages come from: mirrors, stand-ins, accepted keys, cache.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::failure::Failure;

/// Where packages come from.
#[derive(Debug, Args)]
pub(super) struct SourceOptions {
    /// Fetch an archive from here instead of where its recipe says
    #[arg(long, value_name = "NAME=URL", value_parser = parse_mirror)]
    mirror: Vec<(String, String)>,
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
    /// Mirrors by archive.
    pub(super) fn mirrors(&self) -> BTreeMap<String, String> {
        self.mirror.iter().cloned().collect()
    }

    /// The cache directory, absolute.
    pub(super) fn cache(&self, context: &Context) -> Result<PathBuf, Failure> {
        let uid = rustix::process::geteuid().as_raw();
        let cache = context.environment.cache_directory(self.cache.clone(), uid);
        std::path::absolute(&cache).map_err(|error| Failure::unchanged(&error, None))
    }
}

fn parse_mirror(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, url)) if !name.is_empty() && url.contains("://") => {
            Ok((name.to_owned(), url.trim_end_matches('/').to_owned()))
        }
        Some(_) | None => Err("expected NAME=URL, for example debian=http://mirror/debian".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_mirror;

    #[test]
    fn a_mirror_is_a_name_and_a_url() {
        let pair = |name: &str, url: &str| Ok((name.to_owned(), url.to_owned()));
        assert_eq!(
            parse_mirror("debian=http://m/debian/"),
            pair("debian", "http://m/debian")
        );
        assert_eq!(
            parse_mirror("d=file:///srv/x=y"),
            pair("d", "file:///srv/x=y")
        );
        for bad in ["debian", "=http://m", "debian=m", ""] {
            assert!(parse_mirror(bad).is_err(), "{bad}");
        }
    }
}
