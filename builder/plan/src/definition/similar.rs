//! Owns the guess which name was meant. Must not guess where two names are equally near.

/// The one candidate so near to `name` that a typing mistake explains the difference.
pub(crate) fn similar_name<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A third of the letters: `virtualmim` is near `virtualmin`, `web` is not near `db`.
    let at_most = (name.chars().count() / 3).clamp(1, 3);
    let mut best: Option<(usize, &str)> = None;
    let mut tied = false;
    for candidate in candidates {
        let distance = distance(name, candidate);
        if distance == 0 || distance > at_most {
            continue;
        }
        match best {
            Some((nearest, _)) if nearest < distance => {}
            Some((nearest, other)) if nearest == distance => tied |= other != candidate,
            Some(_) | None => {
                best = Some((distance, candidate));
                tied = false;
            }
        }
    }
    best.filter(|_| !tied).map(|(_, candidate)| candidate)
}

/// Levenshtein's distance in characters, ignoring case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = *cell;
            left = substituted.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, similar_name};

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("virtualmim", "virtualmin", 1),
            ("Base", "base", 0),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_a_single_near_name_is_offered() {
        let recipes = ["base", "virtualmin", "webmin", "backup"];
        assert_eq!(similar_name("virtualmim", recipes), Some("virtualmin"));
        assert_eq!(similar_name("bse", recipes), Some("base"));
        assert_eq!(similar_name("monitoring", recipes), None);
        assert_eq!(similar_name("bat", ["bas", "bar"]), None, "a tie is no hint");
        assert_eq!(similar_name("bat", ["bar", "bar"]), Some("bar"));
        assert_eq!(similar_name("base", recipes), None, "the very name is not similar");
    }
}
