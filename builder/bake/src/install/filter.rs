//! Owns dpkg's path filters: which shipped paths `path-exclude` and `path-include` leave out. Must not
//! know where the patterns come from.

/// The patterns in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filters {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    glob: Vec<u8>,
    verdict: Verdict,
}

/// What a pattern does with the paths that match it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Exclude,
    Include,
}

impl Filters {
    pub(super) fn add(&mut self, glob: &[u8], verdict: Verdict) {
        let glob = glob.to_vec();
        self.patterns.push(Pattern { glob, verdict });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether dpkg leaves out the absolute path. The last pattern that matches decides. A directory
    /// or a symbolic link, which may lead to one, stays where an `include` pattern begins with
    /// the same words as its path: there may be something in it that is wanted.
    pub(super) fn leaves_out(&self, path: &[u8], may_be_directory: bool) -> bool {
        let last = self
            .patterns
            .iter()
            .rfind(|pattern| matches(&pattern.glob, path));
        if last.is_none_or(|pattern| pattern.verdict == Verdict::Include) {
            return false;
        }
        let kept = || {
            self.patterns
                .iter()
                .filter(|pattern| pattern.verdict == Verdict::Include)
                .any(|pattern| path.starts_with(plain_start(&pattern.glob)))
        };
        !(may_be_directory && kept())
    }
}

/// What comes before the first wildcard, without slashes at its end.
fn plain_start(glob: &[u8]) -> &[u8] {
    let end = glob
        .iter()
        .position(|byte| b"*?[\\".contains(byte))
        .unwrap_or(glob.len());
    let mut start = glob.get(..end).unwrap_or_default();
    while let Some(shorter) = start.strip_suffix(b"/") {
        start = shorter;
    }
    start
}

/// fnmatch(3) without flags: wildcards match slashes and leading dots too. Characters are UTF-8
/// where both sides are, else bytes.
fn matches(glob: &[u8], path: &[u8]) -> bool {
    let [glob, path] =
        if let (Ok(glob), Ok(path)) = (std::str::from_utf8(glob), std::str::from_utf8(path)) {
            [glob, path].map(|text| text.chars().collect::<Vec<char>>())
        } else {
            [glob, path].map(|bytes| bytes.iter().copied().map(char::from).collect())
        };
    matches_all(&glob, &path)
}

fn matches_all(glob: &[char], text: &[char]) -> bool {
    let (mut glob, mut text) = (glob, text);
    // Where the last star was, and what it has not yet taken: only that star may take more.
    let mut star: Option<(&[char], &[char])> = None;
    loop {
        if let [first, rest @ ..] = glob {
            if *first == '*' {
                star = Some((rest, text));
                glob = rest;
                continue;
            }
            if let [character, left @ ..] = text
                && let Some(after) = matches_one(glob, *character)
            {
                (glob, text) = (after, left);
                continue;
            }
        } else if text.is_empty() {
            return true;
        }
        match star {
            Some((after, [_, left @ ..])) => {
                star = Some((after, left));
                (glob, text) = (after, left);
            }
            Some((_, [])) | None => return false,
        }
    }
}

/// The rest of the pattern when its first part matches the character.
fn matches_one(glob: &[char], character: char) -> Option<&[char]> {
    match glob {
        ['?', rest @ ..] => Some(rest),
        ['[', rest @ ..] => match bracket(rest, character) {
            Some((is_in, after)) => is_in.then_some(after),
            // Without its end it is a character like others.
            None => (character == '[').then_some(rest),
        },
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => {
            (*literal == character).then_some(rest)
        }
        [] => None,
    }
}

/// Whether the character is in the bracket expression, and what follows it; `None` without an end.
fn bracket(expression: &[char], character: char) -> Option<(bool, &[char])> {
    let (negated, mut rest) = match expression {
        ['!' | '^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    let mut first = true;
    loop {
        rest = match rest {
            [']', after @ ..] if !first => return Some((found != negated, after)),
            ['[', ':', class @ ..] => {
                let end = class.windows(2).position(|pair| pair == [':', ']'])?;
                let name: String = class.get(..end)?.iter().collect();
                found |= is_of_class(character, &name);
                class.get(end + 2..)?
            }
            [begin, '-', end, after @ ..] if *end != ']' => {
                found |= (*begin..=*end).contains(&character);
                after
            }
            ['\\', literal, after @ ..] | [literal, after @ ..] => {
                found |= *literal == character;
                after
            }
            [] => return None,
        };
        first = false;
    }
}

fn is_of_class(character: char, name: &str) -> bool {
    match name {
        "alnum" => character.is_alphanumeric(),
        "alpha" => character.is_alphabetic(),
        "blank" => matches!(character, ' ' | '\t'),
        "cntrl" => character.is_control(),
        "digit" => character.is_ascii_digit(),
        "graph" => !character.is_whitespace() && !character.is_control(),
        "lower" => character.is_lowercase(),
        "print" => !character.is_control(),
        "punct" => character.is_ascii_punctuation(),
        "space" => character.is_whitespace(),
        "upper" => character.is_uppercase(),
        "xdigit" => character.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Filters, Verdict, matches};

    #[test]
    fn patterns_match_as_fnmatch_does_without_flags() {
        for (glob, path, expected) in [
            ("/usr/share/doc/*", "/usr/share/doc/a/b", true),
            ("/usr/share/doc/*", "/usr/share/doc", false),
            ("*.so", "/usr/lib/.so", true),
            ("/?sr", "/usr", true),
            ("/?sr", "//sr", true),
            ("/[a-u]sr", "/usr", true),
            ("/[!a-u]sr", "/usr", false),
            ("/[^x]sr", "/usr", true),
            ("/[]x]", "/]", true),
            ("/[[:digit:]]", "/7", true),
            ("/[[:digit:]]", "/x", false),
            ("/a[b", "/a[b", true),
            ("/a\\*", "/a*", true),
            ("/a\\*", "/ab", false),
            ("/*a*b*c", "/xxaxxbxxc", true),
            ("/*a*b*c", "/xxaxxcxxb", false),
            ("/?x", "/äx", true),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(
                matches(glob.as_bytes(), path.as_bytes()),
                expected,
                "{glob} {path}"
            );
        }
        assert!(matches(b"/?x", b"/\xe4x"));
        assert!(!matches(b"/\xc3\xa4", b"/\xe4"));
    }

    #[test]
    fn the_last_match_decides_and_the_way_to_what_is_wanted_stays() {
        let mut filters = Filters::default();
        for (glob, verdict) in [
            ("/usr/share/doc/*", Verdict::Exclude),
            ("/usr/share/doc/*/copyright", Verdict::Include),
            ("/usr/share/doc/odd/*", Verdict::Exclude),
            ("/usr/share/man/*", Verdict::Exclude),
        ] {
            filters.add(glob.as_bytes(), verdict);
        }
        for (path, directory, expected) in [
            ("/usr/share/doc", true, false),
            ("/usr/share/doc/a", true, false),
            ("/usr/share/doc/a/deep", true, false),
            ("/usr/share/doc/a", false, true),
            ("/usr/share/doc/a/copyright", false, false),
            ("/usr/share/doc/odd/copyright", false, true),
            ("/usr/share/man/man1", true, true),
            ("/usr/share/manual", true, false),
        ] {
            assert_eq!(
                filters.leaves_out(path.as_bytes(), directory),
                expected,
                "{path}"
            );
        }
    }
}
