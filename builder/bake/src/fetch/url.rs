//! Owns where something is fetched from, and that nobody is shown the password in it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use vmimage_plan::userinfo::{mask_url, split_user};

/// A URL. What formats it, for people or for debugging, gets it without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    /// The URL as it was written.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The URL of `path`, which is escaped already, below this one.
    pub(crate) fn join(&self, path: &str) -> Self {
        Self(format!("{}/{path}", self.0.trim_end_matches('/')))
    }

    /// The URL with its password, for whoever connects.
    pub(super) fn secret(&self) -> &str {
        &self.0
    }

    /// The path of a `file:` URL, escaped.
    pub(crate) fn file_path(&self) -> Option<&str> {
        self.0.strip_prefix("file://")
    }

    /// What is asked of an http server: the URL without user and password, and the value of
    /// `Authorization` where it has them, as apt sends it. `None` where it is no http URL.
    pub(crate) fn http_request(&self) -> Option<(String, Option<String>)> {
        let scheme = ["http://", "https://"]
            .into_iter()
            .find(|scheme| self.0.starts_with(scheme))?;
        let Some((user, rest)) = split_user(&self.0) else {
            return Some((self.0.clone(), None));
        };
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let user: Vec<u8> = percent_decode_str(user)
            .chain([b':'])
            .chain(percent_decode_str(password))
            .collect();
        let authorization = format!("Basic {}", STANDARD.encode(user));
        Some((format!("{scheme}{rest}"), Some(authorization)))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_url(&self.0))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What may not stand in a URL's path; `/` separates its parts.
const NOT_IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'+')
    .remove(b':')
    .remove(b'@')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b';')
    .remove(b'=');

/// Percent-encodes what may not stand in a URL's path; `/` stays.
pub(crate) fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, NOT_IN_PATH).to_string()
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;

    use super::{Url, encode_path};

    #[test]
    fn a_url_is_shown_without_its_password_and_requested_with_it() {
        let url = Url::new("https://user:p%40s@host/debian/").join("pool/a%20b");
        assert_eq!(url.to_string(), "https://user:***@host/debian/pool/a%20b");
        assert_eq!(
            format!("{url:?}"),
            "https://user:***@host/debian/pool/a%20b"
        );
        assert_eq!(
            url.http_request(),
            Some((
                "https://host/debian/pool/a%20b".to_owned(),
                Some("Basic dXNlcjpwQHM=".to_owned())
            ))
        );
        assert_eq!(
            Url::new("http://token@host").http_request(),
            Some(("http://host".to_owned(), Some("Basic dG9rZW46".to_owned())))
        );
        assert_eq!(
            Url::new("http://host/a@b").http_request(),
            Some(("http://host/a@b".to_owned(), None))
        );
        assert_eq!(Url::new("ftp://host").http_request(), None);
        assert_eq!(Url::new("file:///srv/a").file_path(), Some("/srv/a"));
    }

    #[test]
    fn paths_are_escaped_and_read_back() {
        let path = "pool/a b%3a~+\u{e9}#?.deb";
        assert_eq!(encode_path(path), "pool/a%20b%253a~+%C3%A9%23%3F.deb");
        let decoded: Vec<u8> = percent_decode_str(&encode_path(path)).collect();
        assert_eq!(decoded, path.as_bytes());
    }
}
