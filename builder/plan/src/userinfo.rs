//! Owns what is secret in a URL: a password, or a user that stands alone and may be a token. Whatever
//! shows a URL, or a text that may hold one, shows it through this.

use std::ops::Range;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// `url` as it may be shown: `http://user:***@host/debian`.
pub fn mask_url(url: &str) -> String {
    let secret = url
        .find("://")
        .and_then(|scheme| secret_of(url, scheme + 3, url.len()));
    mask(url, secret.into_iter())
}

/// `text` as it may be shown, whatever URLs are in it.
pub fn mask_text(text: &str) -> String {
    mask(text, secrets(text).into_iter())
}

/// Where the secrets of the URLs in `text` are, in order. A URL ends at white space.
pub fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (scheme, separator) in text.match_indices("://") {
        let start = scheme + separator.len();
        let covered = found.last().is_some_and(|last| start < last.end);
        let rest = text.get(start..).unwrap_or_default();
        let end = start + rest.find(char::is_whitespace).unwrap_or(rest.len());
        if !covered {
            found.extend(secret_of(text, start, end));
        }
    }
    found
}

/// The user information of a URL and what follows its `@`; `None` where it has none.
pub fn split_user(url: &str) -> Option<(&str, &str)> {
    let start = url.find("://")? + 3;
    let end = at_sign(url.get(start..)?)?;
    Some((url.get(start..start + end)?, url.get(start + end + 1..)?))
}

/// The secret of the URL whose authority begins at `start` of `text` and that ends at `end`.
fn secret_of(text: &str, start: usize, end: usize) -> Option<Range<usize>> {
    let rest = text.get(start..end)?;
    let at = at_sign(rest)?;
    let user = rest.get(..at)?.find(':').map_or(0, |colon| colon + 1);
    Some(start + user..start + at)
}

/// Where the user information ends of what follows `://`. A password may hold `/` though it should
/// have been escaped: then what looks like a port is none.
fn at_sign(rest: &str) -> Option<usize> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    if let Some(at) = authority.rfind('@') {
        return Some(at);
    }
    let (_, port) = authority.rsplit_once(':')?;
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = authority.starts_with('[');
    if is_port || is_address {
        None
    } else {
        rest.rfind('@')
    }
}

fn mask(text: &str, secrets: impl Iterator<Item = Range<usize>>) -> String {
    let (mut masked, mut from) = (String::with_capacity(text.len()), 0);
    for secret in secrets {
        masked.push_str(text.get(from..secret.start).unwrap_or_default());
        masked.push_str(MASK);
        from = secret.end;
    }
    masked.push_str(text.get(from..).unwrap_or_default());
    masked
}

#[cfg(test)]
mod tests {
    use super::{mask_text, mask_url, secrets, split_user};

    #[test]
    fn passwords_and_lone_users_are_masked() {
        for (url, shown) in [
            ("http://host/debian", "http://host/debian"),
            ("http://user:pw@host:80/a", "http://user:***@host:80/a"),
            ("https://token@host/a", "https://***@host/a"),
            ("http://user:@host", "http://user:***@host"),
            ("http://user:p@ss@host/a@b", "http://user:***@host/a@b"),
            ("http://user:p:w@host/", "http://user:***@host/"),
            ("http://user:p/w?#@host/x", "http://user:***@host/x"),
            ("http://user:p w@host/x", "http://user:***@host/x"),
            ("http://user:\u{e9}@host/x", "http://user:***@host/x"),
            ("http://host:8080/a@b", "http://host:8080/a@b"),
            ("http://host/@scope/x", "http://host/@scope/x"),
            ("http://[fd00::1]/a@b", "http://[fd00::1]/a@b"),
            ("http://user:pw@[fd00::1]/", "http://user:***@[fd00::1]/"),
            ("file:///srv/a@b", "file:///srv/a@b"),
            ("no url", "no url"),
            ("", ""),
        ] {
            assert_eq!(mask_url(url), shown);
        }
    }

    #[test]
    fn every_url_of_a_text_is_masked() {
        let text = "a = [\"http://a:one@h/x\",\"http://two@h\"] # ftp://b:th/ree@h and mail@host";
        assert_eq!(
            mask_text(text),
            "a = [\"http://a:***@h/x\",\"http://***@h\"] # ftp://b:***@h and mail@host"
        );
        assert_eq!(secrets("http://a:bc@h"), vec![9..11]);
        assert!(secrets("nothing: here@host").is_empty());
    }

    #[test]
    fn user_information_and_what_follows_are_told_apart() {
        assert_eq!(split_user("http://u:p@h/x"), Some(("u:p", "h/x")));
        assert_eq!(split_user("http://u:p/w@h/x"), Some(("u:p/w", "h/x")));
        assert_eq!(split_user("http://h/x@y"), None);
    }
}
