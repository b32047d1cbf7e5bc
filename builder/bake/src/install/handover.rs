//! Owns the packages that dpkg itself unpacks, because what that does depends on the moment: a `preinst`
//! sees and changes the tree before the package's files are there, and makes users, diversions and
//! overrides that count for them. They are read beside the others, verified and freed from their
//! compression, so that dpkg only has to write them.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::contest::{Party, rewrite};
use super::directories::{remove_unneeded_directories, set_by_first};
use super::error::{Failure, InstallError};
use super::extract::{Brought, Extracted, Unpacked, Work, file_error, lock};
use super::namespace::{Attributes, Claim, Namespace, Owner};
use super::shipped::Shipped;
use super::unpack::{remove_file, split};
use crate::deb::{Control, Deb, Kind, Member};

/// Beside a layer's `files`, until the layer is configured.
const DIRECTORY: &str = "for-dpkg";

/// A path that will be the package's.
#[derive(Clone, Debug)]
pub(super) struct LaterClaim {
    path: Vec<u8>,
    kind: Kind,
    attributes: Attributes,
}

/// Where the .debs for dpkg are, for the layer with these `files`.
pub(super) fn directory(files: &Path) -> PathBuf {
    files.with_file_name(DIRECTORY)
}

/// Makes the directory where any package needs it.
pub(super) fn make_directory(
    files: &Path,
    left_to_dpkg: &BTreeSet<usize>,
) -> Result<PathBuf, InstallError> {
    let directory = directory(files);
    if !left_to_dpkg.is_empty() {
        fs::create_dir_all(&directory).map_err(|source| file_error("make", &directory, source))?;
    }
    Ok(directory)
}

/// Removes the directory when the layer is configured.
pub(super) fn remove_directory(files: &Path) -> Result<(), InstallError> {
    let directory = directory(files);
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(file_error("remove", &directory, error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Leaves packages to dpkg that were unpacked already: takes what they brought away again.
pub(super) fn hand_over(
    extracted: &mut Extracted,
    indexes: &BTreeSet<usize>,
) -> Result<(), InstallError> {
    if indexes.is_empty() {
        return Ok(());
    }
    let files = extracted.files.clone();
    let root = File::open(&files).map_err(|source| file_error("open", &files, source))?;
    let remove = |shipped: &Shipped| match &shipped.place {
        Some(place) if !shipped.is_directory() => remove_file(&root, place)
            .map_err(|source| file_error("remove", &files.join(OsStr::from_bytes(place)), source)),
        Some(_) | None => Ok(()),
    };
    for index in indexes {
        let Some(package) = extracted.packages.get_mut(*index) else {
            continue;
        };
        package.left_to_dpkg = Some(package.path.clone());
        for shipped in package.shipped.drain(..) {
            remove(&shipped)?;
        }
    }
    give_back(extracted, indexes, &root)?;
    let before = std::mem::take(&mut extracted.directories);
    remove_unneeded_directories(extracted, &before, &root)?;
    set_by_first(extracted, &root)
        .map_err(|source| file_error("set attributes in", &files, source))?;
    let is_left = |party: &Party| party.index.is_some_and(|index| indexes.contains(&index));
    let undecided = &extracted.undecided;
    // Who did not get a contested path has not written it: dpkg does, for both.
    let also: BTreeSet<usize> = undecided
        .iter()
        .filter(|undecided| is_left(&undecided.holder))
        .filter_map(|undecided| undecided.challenger.index)
        .filter(|index| !indexes.contains(index))
        .collect();
    extracted
        .undecided
        .retain(|undecided| !is_left(&undecided.holder) && !is_left(&undecided.challenger));
    hand_over(extracted, &also)
}

/// What the packages took from others by `Replaces` they will take when dpkg unpacks them.
fn give_back(
    extracted: &mut Extracted,
    indexes: &BTreeSet<usize>,
    root: &File,
) -> Result<(), InstallError> {
    extracted
        .losses
        .retain(|loss| !indexes.contains(&loss.winner));
    for replaced in std::mem::take(&mut extracted.replaced) {
        if !indexes.contains(&replaced.winner) {
            extracted.replaced.push(replaced);
            continue;
        }
        let Some(package) = extracted.packages.get_mut(replaced.loser) else {
            continue;
        };
        if package.left_to_dpkg.is_some() {
            continue;
        }
        if let Some(place) = &replaced.shipped.place {
            let path = replaced.shipped.path.get(1..).unwrap_or_default().to_vec();
            rewrite(package, &HashMap::from([(path, place.clone())]), root)?;
        }
        package.take_back(replaced);
    }
    Ok(())
}

/// Reads a package to its end.
pub(super) fn read(
    work: &Work<'_>,
    owner: usize,
    deb: &Deb,
    copies: &Path,
) -> Result<Brought, InstallError> {
    let name = deb.locked.name.as_str();
    let copy = copies.join(format!("{owner}.deb"));
    let mut claims = Vec::new();
    let mut visit = |_: &Control, member: Member, _: &mut dyn Read| {
        claims.push(LaterClaim {
            attributes: Attributes::of(&member),
            path: member.path,
            kind: member.kind,
        });
        Ok(())
    };
    let control = deb
        .read_copying(Some(&copy), &mut visit)
        .map_err(|failure: Failure| failure.of(name))?;
    lock(&work.namespace).set_owner(owner, Owner::of(&control));
    Ok(Brought {
        unpacked: Unpacked {
            locked: deb.locked.clone(),
            path: deb.path.clone(),
            control,
            shipped: Vec::new(),
            owners: BTreeSet::new(),
            md5sums: None,
            left_to_dpkg: Some(copy),
            for_dpkg: claims.iter().map(|claim| claim.path.clone()).collect(),
            is_looked_for: false,
        },
        contests: Vec::new(),
        claims,
    })
}

/// Claims what the package will have when dpkg has unpacked it, after all those that dpkg does not
/// unpack. Whether it may have what another one has is for dpkg to say.
pub(super) fn claim(namespace: &mut Namespace, owner: usize, claims: &[LaterClaim]) {
    for claim in claims.iter().filter(|claim| !claim.path.is_empty()) {
        if claim.kind == Kind::Directory {
            let place = namespace.resolve(&claim.path);
            if namespace.attributes(&place).is_none() {
                // What is no directory there stays, and dpkg tells whose it is.
                let _ = namespace.claim_directory(&place, claim.attributes, owner);
            }
            continue;
        }
        let (parent, name) = split(&claim.path);
        let mut place = namespace.resolve(parent);
        if !place.is_empty() {
            place.push(b'/');
        }
        place.extend_from_slice(name);
        let target = match &claim.kind {
            Kind::Symlink(target) => Some(target.as_slice()),
            Kind::Directory | Kind::File | Kind::Hardlink(_) => None,
        };
        let Claim::Held(holder) = namespace.claim(&place, target, owner) else {
            continue;
        };
        let owners = [holder, owner].map(|index| namespace.owner(index));
        if let [Some(holder), Some(challenger)] = owners
            && challenger.replaces(holder)
        {
            namespace.give(&place, target, owner);
        }
    }
}
