//! The same packages installed by mmdebstrap (apt and dpkg) and by vmimage give the same tree and the
//! same dpkg database. Needs root, apt, mmdebstrap and Debian's archive.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod chance;
mod database;
mod odd;
mod package;
mod tree;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use vmimage_plan::lock::LockedPackage;
use vmimage_tests::project::is_full_run;

use chance::Made;
use package::{Kind, Member, Package};

/// Small, but with every kind of maintainer script: users, triggers, debconf, ucf, alternatives,
/// overrides of attributes, units, bytecode, conffiles, Pre-Depends, modules of Apache and PHP.
const PACKAGES: [&str; 17] = [
    "apache2",
    "ca-certificates",
    "chrony",
    "cron",
    "dbus",
    "less",
    "libglib2.0-0t64",
    "libxml-sax-perl",
    "logrotate",
    "php8.4-cli",
    "php8.4-fpm",
    "php8.4-mbstring",
    "python3-idna",
    "quota",
    "rsync",
    "sudo",
    "systemd-sysv",
];

/// Packages made by chance are tried with the seeds from 1 to this; a full run tries more.
const SEEDS: u64 = 4;
const SEEDS_OF_A_FULL_RUN: u64 = 60;

/// The trees that all tests begin with.
struct Trees {
    place: PathBuf,
    reference: PathBuf,
    ours: PathBuf,
    begun: SystemTime,
}

fn trees() -> &'static Trees {
    static TREES: OnceLock<Trees> = OnceLock::new();
    TREES.get_or_init(|| {
        // One place for all runs, because nothing drops what a static holds.
        let place = PathBuf::from("/var/tmp/vmimage-install-equals-dpkg");
        fs::create_dir_all(&place).unwrap();
        fs::remove_dir_all(&place).unwrap();
        fs::create_dir_all(&place).unwrap();
        let begun = SystemTime::now();
        let reference = bootstrap(&place);
        let ours = install(&place);
        Trees {
            place,
            reference,
            ours,
            begun,
        }
    })
}

#[test]
fn packages_made_by_chance_end_up_as_dpkg_leaves_them() {
    let trees = trees();
    let seeds = if is_full_run() {
        SEEDS_OF_A_FULL_RUN
    } else {
        SEEDS
    };
    for seed in 1..=seeds {
        let differences = installed_both_ways(trees, &chance::make(seed, 40));
        assert!(
            differences.is_empty(),
            "seed {seed}; dpkg, then ours:\n{}",
            differences.join("\n")
        );
    }
}

/// As Webmin's modules are: a `preinst` that takes its package's folder for a sign that it is installed,
/// and another package that has something in that folder.
#[test]
fn a_preinst_does_not_find_what_is_unpacked_after_its_package() {
    let member = |path: &str, kind| Member::new(path.as_bytes(), kind, 0o755);
    let package = |name: &str, file: &str| Package {
        name: name.to_owned(),
        version: "1.0".to_owned(),
        architecture: "all",
        members: vec![
            member("usr", Kind::Directory),
            member("usr/share", Kind::Directory),
            member("usr/share/odd-module", Kind::Directory),
            member(file, Kind::File(name.as_bytes().to_vec())),
        ],
        late: true,
        ..Package::default()
    };
    let mut module = package("odd-module", "usr/share/odd-module/module");
    module.control_file("preinst", "[ ! -d /usr/share/odd-module ]\n");
    let made = Made {
        below: Vec::new(),
        packages: vec![module, package("odd-addon", "usr/share/odd-module/addon")],
    };
    assert_eq!(installed_both_ways(trees(), &made), Vec::<String>::new());
}

#[test]
fn scripts_meet_services_as_in_any_chroot() {
    let mut package = Package {
        name: "odd-services".to_owned(),
        version: "1.0".to_owned(),
        architecture: "all",
        ..Package::default()
    };
    let unit = b"[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
    for path in [
        "usr",
        "usr/lib",
        "usr/lib/systemd",
        "usr/lib/systemd/system",
    ] {
        let folder = Member::new(path.as_bytes(), Kind::Directory, 0o755);
        package.members.push(folder);
    }
    for name in ["one", "two"] {
        let path = format!("usr/lib/systemd/system/odd-{name}.service");
        let file = Kind::File(unit.to_vec());
        package
            .members
            .push(Member::new(path.as_bytes(), file, 0o644));
    }
    package.control_file("postinst", SERVICES);
    let made = Made {
        below: Vec::new(),
        packages: vec![package],
    };
    let trees = trees();
    assert_eq!(installed_both_ways(trees, &made), Vec::<String>::new());
    let seen = trees.place.join("odd/ours/var/lib/odd-seen/services");
    let seen = fs::read_to_string(seen).unwrap();
    for line in [
        "0 systemctl daemon-reload",
        "0 systemctl restart odd-one.service",
        "0 systemctl enable odd-one.service",
        "0 systemctl mask odd-two.service",
        "0 telinit u",
        "0 ischroot",
    ] {
        assert!(seen.lines().any(|known| known == line), "{line}:\n{seen}");
    }
}

/// What packages' scripts ask of a machine that may not be running: each with its answer.
const SERVICES: &str = r#"mkdir -p /var/lib/odd-seen
while read -r command; do
    output=$($command 2>&1) && code=0 || code=$?
    printf '%s %s\n%s\n' "$code" "$command" "$output" >>/var/lib/odd-seen/services
done <<'END'
systemctl daemon-reload
systemctl enable odd-one.service
systemctl restart odd-one.service
systemctl try-reload-or-restart odd-one.service
systemctl start odd-one.service
systemctl stop odd-one.service
systemctl is-active odd-one.service
systemctl is-enabled odd-one.service
systemctl mask odd-two.service
systemctl disable odd-two.service
systemctl preset odd-one.service
deb-systemd-invoke restart odd-one.service
deb-systemd-helper enable odd-one.service
invoke-rc.d odd-one restart
service odd-one restart
telinit u
udevadm trigger
udevadm control --reload
udevadm settle
systemd-tmpfiles --create odd.conf
initctl reload
ischroot
END
"#;

/// Installs with dpkg and with vmimage, upon the same tree; returns what differs.
fn installed_both_ways(trees: &Trees, made: &Made) -> Vec<String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let place = trees.place.join("odd");
    fs::create_dir_all(&place).unwrap();
    fs::remove_dir_all(&place).unwrap();
    fs::create_dir_all(&place).unwrap();
    odd::differences(&trees.ours, &trees.place.join("work"), &place, made)
}

#[test]
fn packages_end_up_as_apt_and_dpkg_leave_them() {
    let Trees {
        reference,
        ours,
        begun,
        ..
    } = trees();
    let differences = [
        tree::differences(reference, ours, *begun),
        database::differences(reference, ours),
    ]
    .concat();
    assert!(
        differences.is_empty(),
        "reference, then ours:\n{}",
        differences.join("\n")
    );
    for check in ["--audit", "--verify"] {
        let output = Command::new("chroot")
            .arg(ours)
            .args(["dpkg", check])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            (output.status.code(), said.as_str()),
            (Some(0), ""),
            "dpkg {check}"
        );
    }
}

/// Makes the reference; keeps its .debs in `debs` and the names of what a system starts with in
/// `essential`.
fn bootstrap(place: &Path) -> PathBuf {
    let tree = place.join("reference");
    let shown = place.display();
    fs::create_dir(place.join("debs")).unwrap();
    let output = Command::new("mmdebstrap")
        .args(["--variant=essential", "--mode=root", "--format=directory"])
        .args(["--skip=download/empty", "--skip=essential/unlink", "--skip=cleanup/apt/cache"])
        .arg("--setup-hook=mkdir -p \"$1/var/cache/apt/archives\"")
        .arg(format!("--essential-hook=ls \"$1/var/lib/dpkg/info\" >{shown}/essential"))
        .arg(format!("--customize-hook=cp \"$1\"/var/cache/apt/archives/*.deb {shown}/debs"))
        .arg(format!("--include={}", PACKAGES.join(",")))
        .arg("trixie")
        .arg(&tree)
        .arg("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    tree
}

fn install(place: &Path) -> PathBuf {
    let essential: BTreeSet<String> = fs::read_to_string(place.join("essential"))
        .unwrap()
        .lines()
        .filter_map(|name| name.strip_suffix(".list"))
        .map(|name| name.split(':').next().unwrap_or(name).to_owned())
        .collect();
    let mut debs: Vec<PathBuf> = fs::read_dir(place.join("debs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    debs.sort();
    let (first, second): (Vec<LockedPackage>, Vec<LockedPackage>) = debs
        .iter()
        .map(|deb| locked(deb))
        .partition(|package| essential.contains(&package.name));
    assert!(
        first.len() > 40 && second.len() > 40,
        "{} {}",
        first.len(),
        second.len()
    );
    let list = place.join("list");
    fs::write(&list, serde_json::to_vec(&[first, second]).unwrap()).unwrap();
    let tree = place.join("ours");
    let output = Command::new("unshare")
        .args([
            "--mount",
            "--uts",
            "sh",
            "-c",
            "hostname localhost && exec \"$0\" \"$@\"",
        ])
        .arg(env!("CARGO_BIN_EXE_install-tree"))
        .args([&list, &place.join("work"), &tree])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    tree
}

fn locked(deb: &Path) -> LockedPackage {
    let bytes = fs::read(deb).unwrap();
    let format = "${Package}\n${Version}\n${Architecture}";
    let output = Command::new("dpkg-deb")
        .arg(format!("--showformat={format}"))
        .arg("-W")
        .arg(deb)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut fields = text.lines().map(str::to_owned);
    let mut field = || fields.next().unwrap();
    let name = field();
    LockedPackage {
        requested: PACKAGES.contains(&name.as_str()),
        name,
        version: field(),
        architecture: field(),
        sha256: hex::encode(Sha256::digest(&bytes)),
        size: bytes.len() as u64,
        archive: "debian".to_owned(),
        path: deb.display().to_string(),
        recipe: "base".to_owned(),
    }
}
