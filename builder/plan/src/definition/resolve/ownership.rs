//! Owns the rule that every path of an image that a recipe makes has one owner.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::Diagnostic;

/// What a recipe makes at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaimKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
}

impl ClaimKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Link => "link",
        }
    }
}

/// A path that a recipe makes, and where it says so.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) path: String,
    pub(super) kind: ClaimKind,
    pub(super) recipe: String,
    pub(super) file: String,
    pub(super) span: Range<usize>,
}

/// Finds paths that are made twice, and paths below something that is no directory. The later claim,
/// in the order in which recipes are applied, is the one that is wrong.
pub(super) fn check_ownership<'a>(claims: impl IntoIterator<Item = &'a Claim>) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut owners: BTreeMap<&str, &Claim> = BTreeMap::new();
    let mut accepted = Vec::new();
    for claim in claims {
        if let Some(owner) = owners.get(claim.path.as_str()) {
            let message = if owner.recipe == claim.recipe {
                format!("recipe `{}` makes `{}` twice", claim.recipe, claim.path)
            } else {
                format!("two recipes own `{}`", claim.path)
            };
            problems.push(
                Diagnostic::new(&claim.file, Some(claim.span.clone()), message).label(format!(
                    "recipe `{}` has this {}",
                    owner.recipe,
                    owner.kind.as_str()
                )),
            );
        } else {
            owners.insert(&claim.path, claim);
            accepted.push(claim);
        }
    }
    for claim in accepted {
        let parents = claim
            .path
            .match_indices('/')
            .map(|(at, _)| claim.path.split_at(at).0);
        let blocking = parents
            .filter_map(|parent| owners.get(parent))
            .find(|owner| owner.kind == ClaimKind::File);
        if let Some(owner) = blocking {
            let message = format!("`{}` is below the file `{}`", claim.path, owner.path);
            problems.push(
                Diagnostic::new(&claim.file, Some(claim.span.clone()), message)
                    .label(format!("recipe `{}` makes that file", owner.recipe)),
            );
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{Claim, ClaimKind, check_ownership};

    /// The messages and labels for these claims, `recipe kind path` each.
    fn check(claims: &[(&str, ClaimKind, &str)], expected: &[(&str, &str)]) {
        let claims: Vec<Claim> = claims
            .iter()
            .enumerate()
            .map(|(index, (recipe, kind, path))| Claim {
                path: (*path).to_owned(),
                kind: *kind,
                recipe: (*recipe).to_owned(),
                file: format!("recipes/{recipe}/recipe.toml"),
                span: index..index + 1,
            })
            .collect();
        let found: Vec<_> = check_ownership(&claims)
            .into_iter()
            .map(|problem| (problem.message, problem.label.unwrap()))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(m, l)| ((*m).to_owned(), (*l).to_owned()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_path_has_one_owner() {
        use ClaimKind::{Directory, File, Link};
        check(
            &[
                ("a", File, "/etc/x"),
                ("b", File, "/etc/xy"),
                ("b", Directory, "/etc"),
            ],
            &[],
        );
        check(
            &[("a", File, "/etc/x"), ("b", Link, "/etc/x")],
            &[("two recipes own `/etc/x`", "recipe `a` has this file")],
        );
        check(
            &[("a", Directory, "/srv"), ("a", Directory, "/srv")],
            &[(
                "recipe `a` makes `/srv` twice",
                "recipe `a` has this directory",
            )],
        );
        check(
            &[("a", File, "/srv/x/y"), ("b", File, "/srv/x")],
            &[(
                "`/srv/x/y` is below the file `/srv/x`",
                "recipe `b` makes that file",
            )],
        );
    }
}
