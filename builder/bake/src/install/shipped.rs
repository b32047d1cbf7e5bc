//! Owns what one package ships: each path, what it is, and where it was written. Must not write.

use super::filter::Filters;
use super::namespace::{Attributes, PLAIN};
use super::unpack::split;
use crate::deb::{Kind, Member};

/// A path that a package ships.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shipped {
    /// As its .deb has it, but absolute.
    pub(super) path: Vec<u8>,
    pub(super) kind: ShippedKind,
    /// Where it was written, relative; `None` where it was not.
    pub(super) place: Option<Vec<u8>>,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ShippedKind {
    Directory(Attributes),
    File,
    Link,
    /// Another name of the file with this absolute path.
    Hardlink(Vec<u8>),
}

impl ShippedKind {
    pub(super) fn of(member: &Member) -> Self {
        match &member.kind {
            Kind::Directory => Self::Directory(Attributes::of(member)),
            Kind::File => Self::File,
            Kind::Symlink(_) => Self::Link,
            Kind::Hardlink(existing) => Self::Hardlink([b"/", existing.as_slice()].concat()),
        }
    }
}

impl Shipped {
    pub(super) fn root() -> Self {
        Self {
            path: b"/.".to_vec(),
            kind: ShippedKind::Directory(PLAIN),
            place: None,
        }
    }

    /// Whether dpkg leaves it out.
    pub(super) fn is_left_out(&self, filters: &Filters) -> bool {
        let may_be_directory = matches!(self.kind, ShippedKind::Directory(_) | ShippedKind::Link);
        filters.leaves_out(&self.path, may_be_directory)
    }

    /// Whether this is the relative path.
    pub(super) fn is_of(&self, path: &[u8]) -> bool {
        self.path.strip_prefix(b"/") == Some(path)
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self.kind, ShippedKind::Directory(_))
    }

    /// The directory that it was written into.
    pub(super) fn parent(&self) -> Option<&[u8]> {
        let (parent, _) = split(self.place.as_deref()?);
        (!parent.is_empty()).then_some(parent)
    }

    /// For messages.
    pub(super) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }
}

/// An owner that a package names: dpkg takes the number that the name has in the tree, and the
/// package's own only where there is no such name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NamedOwner {
    User { name: Vec<u8>, uid: u32 },
    Group { name: Vec<u8>, gid: u32 },
}

impl NamedOwner {
    pub(super) fn of(member: &Member) -> impl Iterator<Item = Self> {
        let user = Self::User {
            name: member.user.clone(),
            uid: member.uid,
        };
        let group = Self::Group {
            name: member.group.clone(),
            gid: member.gid,
        };
        [user, group]
            .into_iter()
            .filter(|owner| !owner.name().is_empty())
    }

    fn name(&self) -> &[u8] {
        match self {
            Self::User { name, .. } | Self::Group { name, .. } => name,
        }
    }

    /// Whether the tree's tables give the name another number than the package.
    pub(super) fn differs(&self, passwd: &[u8], group: &[u8]) -> bool {
        let (table, name, number) = match self {
            Self::User { name, uid } => (passwd, name, *uid),
            Self::Group { name, gid } => (group, name, *gid),
        };
        number_of(table, name).is_some_and(|known| known != number)
    }
}

/// The number of a user or group, by the content of `/etc/passwd` or `/etc/group`.
pub(super) fn number_of(table: &[u8], name: &[u8]) -> Option<u32> {
    table.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        if fields.next() != Some(name) {
            return None;
        }
        std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()
    })
}
