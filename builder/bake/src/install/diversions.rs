//! Owns reading dpkg's diversions and overrides of attributes.

use super::unpack::split;

/// Files of other packages go elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Diversion {
    /// Absolute.
    path: String,
    /// Absolute.
    to: String,
    /// Whose own files stay; `:` for nobody's.
    pub(super) package: String,
}

impl Diversion {
    /// Reads `/var/lib/dpkg/diversions`: three lines each.
    pub(super) fn parse_all(text: &str) -> Vec<Self> {
        let lines: Vec<&str> = text.lines().collect();
        lines
            .as_chunks::<3>()
            .0
            .iter()
            .map(|[path, to, package]| Self {
                path: (*path).to_owned(),
                to: (*to).to_owned(),
                package: (*package).to_owned(),
            })
            .collect()
    }

    /// Whether the relative path is diverted.
    pub(super) fn is_of(&self, relative: &[u8]) -> bool {
        self.path.as_bytes().strip_prefix(b"/") == Some(relative)
    }

    /// The relative path that is diverted.
    pub(super) fn relative(&self) -> &str {
        self.path.trim_start_matches('/')
    }

    /// Where a file goes that would be at the relative path `resolved`: into the same directory,
    /// which may be known by another name there, or else where the diversion says.
    pub(super) fn beside(&self, resolved: &[u8]) -> Vec<u8> {
        let (from_parent, _) = split(self.path.as_bytes());
        let (to_parent, to_name) = split(self.to.as_bytes());
        let (parent, _) = split(resolved);
        if from_parent == to_parent && !parent.is_empty() {
            [parent, b"/", to_name].concat()
        } else {
            self.to.trim_start_matches('/').as_bytes().to_vec()
        }
    }
}

/// Attributes that the administrator, or a package for its own files, wants a path to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Override {
    /// A name, or `#` and a number.
    pub(super) user: String,
    /// A name, or `#` and a number.
    pub(super) group: String,
    pub(super) mode: u32,
    /// Relative.
    pub(super) path: String,
}

impl Override {
    /// Reads `/var/lib/dpkg/statoverride`.
    pub(super) fn parse_all(text: &str) -> Vec<Self> {
        text.lines()
            .filter_map(|line| {
                let mut words = line.splitn(4, ' ');
                Some(Self {
                    user: words.next()?.to_owned(),
                    group: words.next()?.to_owned(),
                    mode: u32::from_str_radix(words.next()?, 8).ok()?,
                    path: words.next()?.trim_start_matches('/').to_owned(),
                })
            })
            .collect()
    }
}

/// The number of a user or group, by the text of `/etc/passwd` or `/etc/group`.
pub(super) fn id(table: &str, name: &str) -> Option<u32> {
    if let Some(number) = name.strip_prefix('#') {
        return number.parse().ok();
    }
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name))
            .then(|| fields.nth(1)?.parse().ok())
            .flatten()
    })
}
