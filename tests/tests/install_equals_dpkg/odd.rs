//! Owns installing packages made by chance, by dpkg and by vmimage, and comparing what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::chance::Made;
use crate::database;
use crate::package::Package;

/// What the packages have to do with; the rest of the tree was there before.
const COMPARED: &str = "opt etc var/lib usr/share/odd usr/lib/odd usr/bin/odd-tool*";

/// Made by programs that the packages have nothing to do with, or differing by time.
const LEFT_OUT: [&str; 4] = ["var/lib/dpkg", "var/lib/apt", "etc/passwd-", "etc/group-"];

/// Installs as apt and dpkg would in the order that `configure` documents: the layer below; then what
/// depends on nothing but its .deb; then what is needed for others to be unpacked, configured; then
/// the rest.
const REFERENCE: &str = r#"
set -e
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mount --bind "$3" "$2/root/mnt"
for name in dev proc; do mount --rbind "/$name" "$2/root/$name"; done
mount -t tmpfs tmpfs "$2/root/run"
printf '#!/bin/sh\nexit 101\n' >"$2/root/usr/sbin/policy-rc.d"
chmod 755 "$2/root/usr/sbin/policy-rc.d"
cat >"$2/root/run/steps"
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
chroot "$2/root" sh -e /run/steps </dev/null
cd "$2/root"
mkdir "$4"
for path in $5; do [ ! -e "$path" ] || cp -a --parents "$path" "$4"; done
"#;

const FORCE: &str = "dpkg --force-unsafe-io,confdef,confold --no-triggers";

/// What differs between the two; empty where nothing does.
pub(crate) fn differences(base: &Path, work: &Path, place: &Path, made: &Made) -> Vec<String> {
    let debs = place.join("debs");
    for name in ["debs", "upper", "work", "root", "installed"] {
        fs::create_dir_all(place.join(name)).unwrap();
    }
    let begun = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let layers = [&made.below, &made.packages];
    let layers = layers.map(|layer| layer.iter().map(|p| p.write(&debs)).collect::<Vec<_>>());
    fs::write(place.join("list"), serde_json::to_vec(&layers).unwrap()).unwrap();
    let [theirs, ours] = ["theirs", "ours"].map(|name| place.join(name));
    let by_dpkg = run(
        Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--mount-proc"])
            .args(["sh", "-c", REFERENCE, "sh"])
            .args([base, place, &debs, &theirs])
            .arg(COMPARED),
        &steps(made),
    );
    let by_us = run(
        Command::new("unshare")
            .args([
                "--mount",
                "--uts",
                "sh",
                "-c",
                "hostname localhost && exec \"$@\"",
                "sh",
            ])
            .arg(env!("CARGO_BIN_EXE_install-tree"))
            .args([&place.join("list"), &place.join("installed"), &ours])
            .arg(work)
            .arg(COMPARED),
        "",
    );
    match (by_dpkg, by_us) {
        (Ok(()), Ok(())) => compare(&theirs, &ours, begun),
        // dpkg refuses such packages, and so do we.
        (Err(_), Err(_)) => Vec::new(),
        (Ok(()), Err(error)) => vec![format!("dpkg installs it, and we say:\n{error}")],
        (Err(error), Ok(())) => vec![format!("we install it, and dpkg says:\n{error}")],
    }
}

fn steps(made: &Made) -> String {
    let needed = |package: &Package| {
        let name = Some(&package.name);
        made.packages
            .iter()
            .any(|other| other.pre_depends.as_ref() == name)
    };
    let pick = |choose: &dyn Fn(&Package) -> bool| {
        let chosen = made.packages.iter().filter(|package| choose(package));
        chosen
            .map(|package| package.name.clone())
            .collect::<Vec<_>>()
    };
    let unpack = |names: Vec<String>| {
        let debs: Vec<String> = names
            .iter()
            .map(|name| format!("/mnt/{name}.deb"))
            .collect();
        let debs = debs.join(" ");
        if debs.is_empty() {
            String::new()
        } else {
            format!("{FORCE} --unpack {debs}\n")
        }
    };
    let configure = |names: Vec<String>| match names.as_slice() {
        [] => String::new(),
        names => format!("{FORCE} --configure {}\n", names.join(" ")),
    };
    [
        unpack(
            made.below
                .iter()
                .map(|package| package.name.clone())
                .collect(),
        ),
        "dpkg --configure --pending\n".to_owned(),
        unpack(pick(&|package| !package.late)),
        unpack(pick(&|package| {
            package.late && needed(package) && package.pre_depends.is_none()
        })),
        configure(pick(&|package| {
            needed(package) && package.pre_depends.is_none()
        })),
        unpack(pick(&|package| {
            package.late && needed(package) && package.pre_depends.is_some()
        })),
        configure(pick(&|package| {
            needed(package) && package.pre_depends.is_some()
        })),
        unpack(pick(&|package| package.late && !needed(package))),
        configure(pick(&|package| !needed(package))),
        "dpkg --force-unsafe-io,confdef,confold --configure --pending\n".to_owned(),
    ]
    .concat()
}

fn run(command: &mut Command, input: &str) -> Result<(), String> {
    let file = tempfile::tempfile().unwrap();
    let mut writer = &file;
    std::io::Write::write_all(&mut writer, input.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut writer).unwrap();
    let output = command.stdin(file).output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).into_owned())
}

fn compare(theirs: &Path, ours: &Path, begun: u64) -> Vec<String> {
    let absent = "absent".to_owned();
    let [left, right] = [theirs, ours].map(|tree| {
        let mut found = BTreeMap::new();
        scan(tree, tree, begun, &mut found);
        found.extend(database::records(tree));
        found
    });
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    names
        .into_iter()
        .map(|name| {
            (
                name,
                [&left, &right].map(|side| side.get(name).unwrap_or(&absent)),
            )
        })
        .filter(|(_, [left, right])| left != right)
        .map(|(name, sides)| format!("{name}\n{}", different_lines(sides)))
        .collect()
}

/// The lines that only one side has.
fn different_lines([left, right]: [&String; 2]) -> String {
    let only = |here: &str, there: &str, mark: &str| {
        let known: BTreeSet<&str> = there.lines().collect();
        let mut text = String::new();
        for line in here.lines().filter(|line| !known.contains(line)) {
            text.extend(["  ", mark, " ", line, "\n"]);
        }
        text
    };
    let lines = only(left, right, "-") + &only(right, left, "+");
    if lines.is_empty() {
        "  in another order\n".to_owned()
    } else {
        lines
    }
}

fn scan(root: &Path, directory: &Path, begun: u64, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let relative = path.strip_prefix(root).unwrap();
        if LEFT_OUT
            .iter()
            .any(|left_out| relative == Path::new(left_out))
        {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).unwrap();
        let what = if metadata.is_symlink() {
            format!("-> {}", fs::read_link(&path).unwrap().display())
        } else if metadata.is_dir() {
            scan(root, &path, begun, found);
            String::new()
        } else {
            let bytes = fs::read(&path).unwrap();
            let time = u64::try_from(metadata.mtime()).unwrap();
            let time = if time < begun { time } else { 0 };
            let shown = if relative.starts_with("var/lib/odd-seen") {
                let lines = bytes.split(|byte| *byte == b'\n');
                lines
                    .map(|line| line.escape_ascii().to_string() + "\n")
                    .collect()
            } else {
                hex::encode(Sha256::digest(&bytes))
            };
            format!("{time} {} names {shown}", metadata.nlink())
        };
        let (mode, uid, gid) = (metadata.mode(), metadata.uid(), metadata.gid());
        let name = relative.as_os_str().as_bytes().escape_ascii().to_string();
        found.insert(name, format!("{mode:o} {uid}:{gid} {what}"));
    }
}
