//! Owns paths that two packages ship: `Replaces` and diversions say who gets them.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::diversions::Diversion;
use super::error::{Failure, InstallError};
use super::extract::{Extracted, Unpacked, file_error};
use super::namespace::{Namespace, Owner};
use super::package::Md5sum;
use super::shipped::Shipped;
use super::unpack::{FileAttributes, Writer, remove_file};
use crate::deb::{Control, Deb, Kind, Member};

/// A path that two packages ship. The one who was first has written it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contest {
    /// As shipped, relative.
    pub(super) path: Vec<u8>,
    /// Where that is.
    pub(super) resolved: Vec<u8>,
    /// Where the challenger's file would be written: there, or for a conffile beside it.
    pub(super) place: Vec<u8>,
    /// Of the challenger's symbolic link.
    pub(super) target: Option<Vec<u8>>,
    /// The package that wrote it, by its index.
    pub(super) holder: usize,
    /// The package that did not.
    pub(super) challenger: usize,
}

/// A contest that only a diversion can settle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Undecided {
    pub(super) contest: Contest,
    pub(super) holder: Party,
    pub(super) challenger: Party,
}

/// One of the two packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Party {
    pub(super) name: String,
    /// Its index in the layer; `None` for a package of a layer below.
    pub(super) index: Option<usize>,
}

/// A path that went from a package of a layer below to one of this layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    /// The index of the package that has it now.
    pub(super) winner: usize,
    /// The package that had it.
    pub(super) package: String,
    /// Absolute, as shipped.
    pub(super) path: Vec<u8>,
}

/// A path that went from a package of this layer to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replaced {
    /// The index of the package that has it now.
    pub(super) winner: usize,
    /// The index of the package that had it.
    pub(super) loser: usize,
    /// What the loser ships there.
    pub(super) shipped: Shipped,
    /// Where in the loser's list.
    pub(super) position: usize,
    /// Its digest where the loser has it no more.
    pub(super) digest: Option<Md5sum>,
}

/// Settles by `Replaces` what can be, and refuses what nothing can settle. What a diversion might
/// still settle stays in `extracted.undecided`.
pub(super) fn settle(
    extracted: &mut Extracted,
    mut contests: Vec<Contest>,
    namespace: &mut Namespace,
    base: usize,
    root: &File,
) -> Result<(), InstallError> {
    let mut open = Vec::new();
    let mut won: BTreeMap<usize, Vec<Contest>> = BTreeMap::new();
    contests.sort_by(|a, b| (&a.path, a.holder).cmp(&(&b.path, b.holder)));
    for contest in contests {
        let (Some(holder), Some(challenger)) = (
            namespace.owner(contest.holder),
            namespace.owner(contest.challenger),
        ) else {
            continue;
        };
        let attacked = challenger.replaces(holder);
        let defended = holder.replaces(challenger);
        if attacked && (!defended || contest.challenger > contest.holder) {
            let index = contest.challenger.saturating_sub(base);
            match contest.holder.checked_sub(base) {
                Some(loser) => {
                    let replaced = lose(extracted, &contest.path, [index, loser]);
                    if let Some(replaced) = replaced {
                        remove_loser(&replaced.shipped, &contest, root)?;
                        extracted.replaced.push(replaced);
                    }
                }
                None => extracted.losses.push(Loss {
                    winner: index,
                    package: holder.name.clone(),
                    path: [b"/", contest.path.as_slice()].concat(),
                }),
            }
            won.entry(index).or_default().push(contest);
        } else if defended {
            let index = contest.challenger.saturating_sub(base);
            let winner = contest.holder.saturating_sub(base);
            let replaced = lose(extracted, &contest.path, [winner, index]);
            if let (Some(mut replaced), true) = (replaced, contest.holder >= base) {
                replaced.shipped.place = Some(contest.place);
                extracted.replaced.push(replaced);
            }
        } else if may_be_diverted(extracted, &contest, base) {
            let party = |owner: &Owner, index: usize| Party {
                name: owner.name.clone(),
                index: index.checked_sub(base),
            };
            open.push(Undecided {
                holder: party(holder, contest.holder),
                challenger: party(challenger, contest.challenger),
                contest,
            });
        } else {
            return Err(conflict([&holder.name, &challenger.name], &contest));
        }
    }
    extracted.undecided = open;
    take(extracted, won, namespace, base, root)
}

/// Writes what packages won to where it belongs.
fn take(
    extracted: &mut Extracted,
    won: BTreeMap<usize, Vec<Contest>>,
    namespace: &mut Namespace,
    base: usize,
    root: &File,
) -> Result<(), InstallError> {
    for (index, contests) in won {
        let Some(package) = extracted.packages.get_mut(index) else {
            continue;
        };
        let places = contests.iter().map(|c| (c.path.clone(), c.place.clone()));
        rewrite(package, &places.collect(), root)?;
        for contest in contests {
            namespace.give(&contest.resolved, contest.target.as_deref(), base + index);
            package.note_place(&contest.path, contest.place);
        }
    }
    Ok(())
}

/// Takes a relative path from the loser. If dpkg unpacks it first it has the path for a moment, and
/// its digest for ever.
fn lose(extracted: &mut Extracted, path: &[u8], [winner, loser]: [usize; 2]) -> Option<Replaced> {
    let package = extracted.packages.get_mut(loser)?;
    let position = package.shipped.iter().position(|s| s.is_of(path))?;
    let shipped = package.shipped.remove(position);
    let digest = if loser > winner {
        package.forget_digest(path)
    } else {
        None
    };
    Some(Replaced {
        winner,
        loser,
        shipped,
        position,
        digest,
    })
}

/// The winner's file takes the place of the loser's, unless one of them is a conffile.
fn remove_loser(shipped: &Shipped, contest: &Contest, root: &File) -> Result<(), InstallError> {
    let place = shipped
        .place
        .as_ref()
        .filter(|place| **place != contest.place);
    place.map_or(Ok(()), |place| {
        remove_file(root, place).map_err(|source| file_error("remove", &shown(place), source))
    })
}

/// For messages.
fn shown(place: &[u8]) -> PathBuf {
    Path::new("/").join(OsStr::from_bytes(place))
}

/// A diversion is made by a `preinst`; those of the layers below are not known here.
fn may_be_diverted(extracted: &Extracted, contest: &Contest, base: usize) -> bool {
    let diverts = |index: usize| {
        index.checked_sub(base).is_none_or(|index| {
            extracted.packages.get(index).is_some_and(|package| {
                package
                    .control
                    .file("preinst")
                    .is_some_and(|script| script.windows(11).any(|window| window == b"dpkg-divert"))
            })
        })
    };
    diverts(contest.holder) || diverts(contest.challenger)
}

/// Names the packages in their order, whichever thread was faster.
fn conflict(names: [&str; 2], contest: &Contest) -> InstallError {
    let [holder, challenger] = names;
    let (first, second) = if contest.holder < contest.challenger {
        (holder, challenger)
    } else {
        (challenger, holder)
    };
    InstallError::Conflict {
        path: format!("/{}", String::from_utf8_lossy(&contest.path)),
        first: first.to_owned(),
        second: second.to_owned(),
    }
}

/// Writes what was undecided where the diversions say: the file of the package that diverts at the
/// path itself, the other's at the diverted path. Fails where there is no diversion.
pub(super) fn divert(
    extracted: &Extracted,
    diversions: &[Diversion],
    root: &File,
) -> Result<(), InstallError> {
    for undecided in &extracted.undecided {
        let Undecided {
            contest,
            holder,
            challenger,
        } = undecided;
        let diversion = diversions
            .iter()
            .find(|diversion| diversion.is_of(&contest.path) || diversion.is_of(&contest.resolved))
            .ok_or_else(|| conflict([&holder.name, &challenger.name], contest))?;
        for party in [holder, challenger] {
            let Some(package) = party.index.and_then(|index| extracted.packages.get(index)) else {
                continue;
            };
            let place = if party.name == diversion.package {
                contest.resolved.clone()
            } else {
                diversion.beside(&contest.resolved)
            };
            let places = HashMap::from([(contest.path.clone(), place)]);
            rewrite(package, &places, root)?;
        }
    }
    Ok(())
}

/// Writes some of a package's files again, to the places given.
pub(super) fn rewrite(
    package: &Unpacked,
    places: &HashMap<Vec<u8>, Vec<u8>>,
    root: &File,
) -> Result<(), InstallError> {
    let deb = Deb {
        locked: package.locked.clone(),
        path: package.path.clone(),
    };
    let name = &package.locked.name;
    let mut writer = Writer::new(root.as_fd());
    let mut visit = |_: &Control, member: Member, content: &mut dyn std::io::Read| {
        let Some(place) = places.get(&member.path) else {
            return Ok(());
        };
        let attributes = FileAttributes::of(&member);
        let written = match &member.kind {
            Kind::File => writer.file(place, attributes, content, &mut |_| {}),
            Kind::Symlink(target) => writer.symlink(place, target, attributes),
            Kind::Hardlink(existing) => {
                let source = package.place_of(existing).unwrap_or(existing);
                writer.hardlink(place, source, attributes)
            }
            Kind::Directory => Ok(()),
        };
        written.map_err(|source| {
            Failure::Install(InstallError::File {
                operation: "write",
                path: format!("/{}", String::from_utf8_lossy(place)),
                package: name.clone(),
                source,
            })
        })
    };
    deb.read(&mut visit)
        .map(drop)
        .map_err(|failure: Failure| failure.of(name))
}
