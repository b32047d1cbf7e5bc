//! Owns dpkg's own configuration in a tree, as far as it alters how packages are unpacked. Must not
//! look at any tree.

use super::error::InstallError;
use super::filter::{Filters, Verdict};

/// The directory whose files are read first, in the order of their names.
pub(super) const DIRECTORY: &str = "/etc/dpkg/dpkg.cfg.d";

/// The files that are read afterwards; programs in a tree have root's home.
pub(super) const FILES: [&str; 2] = ["/etc/dpkg/dpkg.cfg", "/root/.dpkg.cfg"];

/// Whether dpkg reads a file of the directory that has this name.
pub(super) fn is_read(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Options without a value that concern configuration, which dpkg itself does, or nothing that a bake
/// does: every package is new in it, and its origin is verified by the lock.
const FLAGS: [&str; 9] = [
    "auto-deconfigure",
    "no-debsig",
    "no-pager",
    "no-triggers",
    "refuse-downgrade",
    "robot",
    "skip-same-version",
    "triggers",
    "unsafe-io",
];

/// The same, with a value.
const SETTINGS: [&str; 9] = [
    "abort-after",
    "debug",
    "ignore-depends",
    "log",
    "post-invoke",
    "pre-invoke",
    "status-fd",
    "status-logger",
    "verify-format",
];

/// What `force-` may not be followed by: who has a path is decided while packages are unpacked beside
/// each other, and no order says which one would be overwritten.
const OVERWRITING: [&str; 4] = ["all", "overwrite", "overwrite-dir", "overwrite-diverted"];

/// Reads one file of dpkg's configuration into `filters`. An option that would alter unpacking and
/// that is not known here is refused.
pub(super) fn read(path: &str, content: &[u8], filters: &mut Filters) -> Result<(), InstallError> {
    for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii_end();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let refused = |reason| InstallError::DpkgOption {
            option: String::from_utf8_lossy(line).into_owned(),
            file: path.to_owned(),
            line: index + 1,
            reason,
        };
        let (name, value) = split(line).ok_or_else(|| refused("its quotes do not end"))?;
        match (name, value) {
            ("path-exclude", Some(glob)) => filters.add(glob, Verdict::Exclude),
            ("path-include", Some(glob)) => filters.add(glob, Verdict::Include),
            (flag, None) if FLAGS.contains(&flag) => {}
            (setting, Some(_)) if SETTINGS.contains(&setting) => {}
            (force, None) if is_harmless_force(force) => {}
            _ => return Err(refused("a bake cannot unpack packages in that way")),
        }
    }
    Ok(())
}

/// The name and the value of an option, as dpkg reads them; `None` when the value's quotes do not end.
fn split(line: &[u8]) -> Option<(&str, Option<&[u8]>)> {
    let end = line
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-')
        .unwrap_or(line.len());
    let (name, rest) = line.split_at_checked(end)?;
    let name = std::str::from_utf8(name).ok()?;
    let Some((_, value)) = rest.split_first() else {
        return Some((name, None));
    };
    let value = value.strip_prefix(b"=").unwrap_or(value).trim_ascii_start();
    let value = match value {
        [quote @ (b'"' | b'\''), inner @ ..] => inner.strip_suffix(&[*quote])?,
        plain => plain,
    };
    Some((name, Some(value)))
}

fn is_harmless_force(option: &str) -> bool {
    let forced = option.strip_prefix("force-");
    let things = forced
        .or_else(|| option.strip_prefix("no-force-"))
        .or_else(|| option.strip_prefix("refuse-"));
    things.is_some_and(|things| {
        forced.is_none() || !things.split(',').any(|thing| OVERWRITING.contains(&thing))
    })
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::install::filter::{Filters, Verdict};

    #[test]
    fn filters_are_read_as_dpkg_writes_them() {
        let text = b"# nodoc\nno-debsig\nlog /var/log/dpkg.log\nforce-confold\nforce-unsafe-io\n\
                     path-exclude=/usr/share/doc/*\npath-include = \"/usr/share/doc/*/copyright\"\n\
                     path-exclude /usr/share/man/*  \nrefuse-overwrite\n";
        let mut filters = Filters::default();
        read("/etc/dpkg/dpkg.cfg", text, &mut filters).unwrap();
        let mut expected = Filters::default();
        expected.add(b"/usr/share/doc/*", Verdict::Exclude);
        expected.add(b"/usr/share/doc/*/copyright", Verdict::Include);
        expected.add(b"/usr/share/man/*", Verdict::Exclude);
        assert_eq!(filters, expected);
    }

    #[test]
    fn what_cannot_be_obeyed_is_refused_with_its_place() {
        for option in [
            "force-overwrite",
            "force-depends,overwrite",
            "force-all",
            "root=/srv",
            "instdir /srv",
            "no-act",
            "path-exclude",
            "path-excludes=/x",
        ] {
            let text = format!("no-debsig\n{option}\n");
            let error = read(
                "/etc/dpkg/dpkg.cfg.d/x",
                text.as_bytes(),
                &mut Filters::default(),
            );
            assert_eq!(
                error.unwrap_err().to_string(),
                format!(
                    "cannot obey `{option}` of `/etc/dpkg/dpkg.cfg.d/x`, line 2: \
                     a bake cannot unpack packages in that way"
                )
            );
        }
        let error = read("/x", b"path-exclude=\"/usr\n", &mut Filters::default());
        assert_eq!(
            error.unwrap_err().to_string(),
            "cannot obey `path-exclude=\"/usr` of `/x`, line 1: its quotes do not end"
        );
    }
}
