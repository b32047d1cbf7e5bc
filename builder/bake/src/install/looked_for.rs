//! Owns the packages that have something where another one's `preinst` looks for its own package's
//! files. dpkg unpacks them after it, as apt would: apt unpacks in the order in which packages are asked
//! for, what they need first.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::below::Below;
use super::error::InstallError;
use super::extract::{Extracted, Unpacked};

/// The unpacked packages that have something in the folder of a package that is left to dpkg: one that
/// bears its name (`/usr/share/webmin/virtual-server` of `webmin-virtual-server`), that its `preinst`
/// names, and that the layers below do not have. What that package needs comes before it anyway, and
/// counts as there.
pub(super) fn looked_for(
    extracted: &Extracted,
    below: &Below<'_>,
) -> Result<BTreeSet<usize>, InstallError> {
    let mut found = BTreeSet::new();
    if extracted.first {
        return Ok(found);
    }
    let packages = &extracted.packages;
    for package in packages.iter().filter(|p| p.left_to_dpkg.is_some()) {
        let Some(preinst) = package.control.file("preinst") else {
            continue;
        };
        let mut named = Vec::new();
        for path in absolute_paths(preinst) {
            let is_own = |own: &Vec<u8>| path.strip_prefix(b"/") == Some(own.as_slice());
            if bears_name_of(path, package.control.package())
                && package.for_dpkg.iter().any(is_own)
                && below.look(path.get(1..).unwrap_or_default())?.is_none()
            {
                named.push(path);
            }
        }
        if named.is_empty() {
            continue;
        }
        let needed = needed_by(package, packages);
        for (index, other) in packages.iter().enumerate() {
            if other.left_to_dpkg.is_none()
                && !needed.contains(other.control.package())
                && has_any(other, &named)
            {
                found.insert(index);
            }
        }
    }
    Ok(found)
}

fn bears_name_of(path: &[u8], package: &str) -> bool {
    let last = path.rsplit(|byte| *byte == b'/').next();
    last.is_some_and(|last| {
        let before = package.as_bytes().strip_suffix(last);
        before.is_some_and(|before| before.is_empty() || before.ends_with(b"-"))
    })
}

fn has_any(package: &Unpacked, named: &[&[u8]]) -> bool {
    package.shipped.iter().any(|shipped| {
        named.iter().any(|path| {
            let rest = shipped.path.strip_prefix(*path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
    })
}

/// What looks like an absolute path in a script, without what a shell would put there.
fn absolute_paths(script: &[u8]) -> BTreeSet<&[u8]> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._+-@:".contains(byte);
    script
        .split(|byte| !is_part(byte))
        .map(|word| {
            let end = word.iter().rposition(|byte| !b"/:.".contains(byte));
            end.and_then(|end| word.get(..=end)).unwrap_or_default()
        })
        .filter(|word| word.starts_with(b"/") && word.len() > 1)
        .collect()
}

/// The names of the packages of this layer that the package needs, and what those need.
fn needed_by<'a>(package: &'a Unpacked, packages: &'a [Unpacked]) -> HashSet<&'a str> {
    let by_name: HashMap<&str, &Unpacked> = packages
        .iter()
        .map(|package| (package.control.package(), package))
        .collect();
    let mut needed = HashSet::new();
    let mut pending = vec![package];
    while let Some(next) = pending.pop() {
        let relations = ["Pre-Depends", "Depends"].map(|field| next.control.relations(field));
        for relation in relations.iter().flatten().flatten() {
            if let Some(known) = by_name.get(relation.name.as_str())
                && needed.insert(known.control.package())
            {
                pending.push(known);
            }
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::{absolute_paths, bears_name_of};

    #[test]
    fn a_folder_bears_the_name_of_its_package() {
        let table: [(&[u8], &str, bool); 5] = [
            (
                b"/usr/share/webmin/virtual-server",
                "webmin-virtual-server",
                true,
            ),
            (b"/opt/agent", "agent", true),
            (b"/usr/share/server", "webmin-virtualserver", false),
            (b"/usr/share/webmin", "webmin-virtual-server", false),
            (b"/opt/agent-data", "agent", false),
        ];
        for (path, package, expected) in table {
            assert_eq!(bears_name_of(path, package), expected, "{package}");
        }
    }

    #[test]
    fn paths_end_where_the_shell_s_words_do() {
        let script = b"if [ -d /usr/share/x -a \"$1\" != /etc/y/ ]; then rm -f '/opt/a b';${z}/no\nfi # see /c.";
        let found: Vec<&[u8]> = absolute_paths(script).into_iter().collect();
        assert_eq!(
            found,
            [
                b"/c".as_slice(),
                b"/etc/y",
                b"/no",
                b"/opt/a",
                b"/usr/share/x"
            ]
        );
    }
}
