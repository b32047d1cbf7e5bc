//! Owns every environment variable that `vmimage` reads. Nothing else may read one.

use std::ffi::OsString;
use std::path::PathBuf;

/// Set for the worker, which is this program started again inside its namespaces, to who it works for:
/// inside, neither the process's number nor the host's name is what others know it by.
pub(crate) const WORKER: &str = "VMIMAGE_WORKER";

/// What the environment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// `VMIMAGE_WORKER`: who the worker works for, if this is one.
    pub(crate) worker: Option<String>,
    /// `VMIMAGE_CACHE`: where packages and layers are kept.
    pub(crate) cache: Option<PathBuf>,
    /// `VMIMAGE_MIRRORS`: `NAME=URL`s between white space. They may hold passwords.
    pub(crate) mirrors: Option<String>,
    /// `XDG_CACHE_HOME`, or `.cache` in `HOME`.
    pub(crate) user_cache: Option<PathBuf>,
    /// `NO_COLOR` is set and not empty (<https://no-color.org>).
    pub(crate) no_color: bool,
    /// `USER`, for messages.
    pub(crate) user: Option<String>,
    /// `PATH`.
    pub(crate) path: Vec<PathBuf>,
}

impl Environment {
    /// Reads the process's environment.
    pub(crate) fn read() -> Self {
        let cache_home = get("XDG_CACHE_HOME").map(PathBuf::from);
        let home_cache = get("HOME").map(|home| PathBuf::from(home).join(".cache"));
        Self {
            worker: get(WORKER).map(|value| value.to_string_lossy().into_owned()),
            cache: get("VMIMAGE_CACHE").map(PathBuf::from),
            mirrors: get("VMIMAGE_MIRRORS").and_then(|mirrors| mirrors.into_string().ok()),
            user_cache: cache_home.or(home_cache),
            no_color: get("NO_COLOR").is_some(),
            user: get("USER").and_then(|user| user.into_string().ok()),
            path: get("PATH")
                .map(|path| std::env::split_paths(&path).collect())
                .unwrap_or_default(),
        }
    }

    /// The cache directory: `--cache`, `VMIMAGE_CACHE`, `/var/cache/vmimage` for root, or the
    /// user's own cache.
    pub(crate) fn cache_directory(&self, option: Option<PathBuf>, uid: u32) -> PathBuf {
        option
            .or_else(|| self.cache.clone())
            .unwrap_or_else(|| match &self.user_cache {
                Some(cache) if uid != 0 => cache.join("vmimage"),
                Some(_) | None => PathBuf::from("/var/cache/vmimage"),
            })
    }
}

/// A variable that is set and not empty.
fn get(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::Environment;
    use std::path::PathBuf;

    #[test]
    fn the_cache_is_found_in_order() {
        let user = Environment {
            user_cache: Some("/home/a/.cache".into()),
            ..Environment::default()
        };
        let check = |env: &Environment, option: Option<&str>, uid, expected: &str| {
            let found = env.cache_directory(option.map(PathBuf::from), uid);
            assert_eq!(found, PathBuf::from(expected));
        };
        check(&user, Some("/x"), 0, "/x");
        check(&user, None, 0, "/var/cache/vmimage");
        check(&user, None, 1000, "/home/a/.cache/vmimage");
        let set = Environment {
            cache: Some("/c".into()),
            ..user
        };
        check(&set, None, 1000, "/c");
    }
}
