//! Owns the guess which name was meant. Must not guess where two names are equally near.

/// Names are short; a longer text is not worth the time, which grows with the product of lengths.
const LONGEST_NAME: usize = 200;

/// The one candidate so near to `name` that a typing mistake explains the difference.
pub(crate) fn similar_name<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A third of the letters: `virtualmim` is near `virtualmin`, `web` is not near `db`.
    let at_most = (name.chars().count() / 3).clamp(1, 3);
    if name.len() > LONGEST_NAME {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    let mut tied = false;
    for candidate in candidates {
        if candidate.len() > LONGEST_NAME {
            continue;
        }
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

/// How many characters must be inserted, removed, replaced or swapped with their neighbour, ignoring
/// case (the optimal string alignment distance).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = above[j] + usize::from(from != to);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, similar_name};

    #[test]
    fn distances_count_single_slips() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("virtualmim", "virtualmin", 1),
            ("wbe", "web", 1),
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
        assert_eq!(
            similar_name("bat", ["bas", "bar"]),
            None,
            "a tie is no hint"
        );
        assert_eq!(similar_name("bat", ["bar", "bar"]), Some("bar"));
        assert_eq!(
            similar_name("base", recipes),
            None,
            "the very name is not similar"
        );
    }
}
