//! Owns making packages by chance: everything that dpkg decides while it unpacks, in packages that have
//! to do with each other. The same seed gives the same packages.

use crate::package::{Kind, Member, Package};

/// Directories that packages share. The last one is Latin-1.
const DIRECTORIES: [&[u8]; 7] = [
    b"opt/odd",
    b"opt/odd/a b",
    b"opt/odd/deep/er",
    b"etc/odd",
    b"usr/share/odd",
    b"lib/odd",
    b"opt/odd/\xe9t\xe9",
];

const MODES: [u32; 8] = [0o644, 0o600, 0o755, 0o4755, 0o2755, 0o1644, 0o400, 0o666];

/// Names and numbers: right, wrong, of nobody, and only a number. `odd` has number 1234 in the tree.
const OWNERS: [(&str, u64); 7] = [
    ("root", 0),
    ("root", 1000),
    ("daemon", 1),
    ("odd", 1234),
    ("odd", 77),
    ("stranger", 4321),
    ("", 4322),
];

/// What every script notes: which files and packages it sees.
const LOOK: &str = "{ echo \"$0 $*\" | sed 's/.*dpkg.info.//;s/.*tmp.ci.//'
find /opt/odd /etc/odd /usr/share/odd /usr/lib/odd -printf '%p %y %m %U:%G %l\\n' | sort
dpkg-query -W -f '${Package} ${Version} ${Status}\\n' 'odd-*' | sort
} >>/var/lib/odd-seen/$DPKG_MAINTSCRIPT_PACKAGE-$DPKG_MAINTSCRIPT_NAME 2>/dev/null || true
";

/// The packages of the layer below, and those that come upon them.
pub(crate) struct Made {
    pub(crate) below: Vec<Package>,
    pub(crate) packages: Vec<Package>,
}

struct Chance(u64);

impl Chance {
    /// Sebastiano Vigna's splitmix64: as good as needed, and four lines.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn one_in(&mut self, limit: usize) -> bool {
        self.below(limit) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

pub(crate) fn make(seed: u64, count: usize) -> Made {
    let mut chance = Chance(seed);
    let below = below(&mut chance);
    let mut packages: Vec<Package> = Vec::new();
    for index in 0..count {
        let package = one(&mut chance, index, &packages, below.filters);
        packages.push(package);
    }
    Made {
        below: vec![below.package],
        packages,
    }
}

/// The package of the layer below, and whether it brings path filters.
struct Below {
    package: Package,
    filters: bool,
}

/// Brings what the others meet: a user, filters, links made by a script, files of an administrator.
fn below(chance: &mut Chance) -> Below {
    let mut package = Package {
        name: "odd-below".to_owned(),
        version: "1.0".to_owned(),
        architecture: "all",
        ..Package::default()
    };
    for path in [
        "opt",
        "opt/odd",
        "opt/odd/real",
        "etc",
        "etc/odd",
        "usr",
        "usr/bin",
    ] {
        let mut member = Member::new(path.as_bytes(), Kind::Directory, 0o755);
        if path == "etc/odd" {
            member.mode = 0o2750;
        }
        package.members.push(member);
    }
    let tool = Kind::File(b"below\n".to_vec());
    package
        .members
        .push(Member::new(b"usr/bin/odd-tool", tool, 0o755));
    package.control_file(
        "postinst",
        "mkdir -p /var/lib/odd-seen
echo 'odd:x:1234:1234::/:/bin/false' >>/etc/passwd
echo 'odd:x:1234:' >>/etc/group
ln -sfn real /opt/odd/link
rm -rf /opt/odd/hidden; mkdir -p /opt/odd/hidden
echo admin >/etc/odd/conf-0; echo admin >/etc/odd/conf-1; chmod 600 /etc/odd/conf-1
ln -s conf-0 /etc/odd/conf-2
",
    );
    let filters: [&str; 4] = [
        "",
        "path-exclude=/usr/share/odd/*\npath-include=/usr/share/odd/*-1*\n",
        "path-exclude=*/deep/*\npath-exclude /opt/odd/a b/[!p]*\n",
        "path-exclude=/opt/odd/*\npath-include=/opt/odd/*/*-?\npath-exclude=/etc/odd/conf-[3-5]\n",
    ];
    let text = chance.of(&filters);
    if !text.is_empty() {
        let mut folders = vec!["etc/dpkg", "etc/dpkg/dpkg.cfg.d"];
        for folder in folders.drain(..) {
            let member = Member::new(folder.as_bytes(), Kind::Directory, 0o755);
            package.members.push(member);
        }
        let file = Kind::File(text.as_bytes().to_vec());
        package
            .members
            .push(Member::new(b"etc/dpkg/dpkg.cfg.d/50-odd", file, 0o644));
    }
    Below {
        package,
        filters: !text.is_empty(),
    }
}

fn one(chance: &mut Chance, index: usize, before: &[Package], filters: bool) -> Package {
    let architecture = chance.of(&["all", "amd64"]);
    let mut package = Package {
        name: format!("odd-{index:02}"),
        version: chance
            .of(&["1.0", "2:1.0-1", "1.0~rc1+b2", "0:0.1"])
            .to_owned(),
        architecture,
        ..Package::default()
    };
    if architecture == "amd64" && chance.one_in(2) {
        package.fields.extend(b"Multi-Arch: same\n");
    }
    if chance.one_in(4) {
        package
            .fields
            .extend(b"Maintainer: J\xf6rg <j@example.test>\n");
    }
    files(chance, index, &mut package, filters);
    if chance.one_in(3) && index > 0 && index.is_multiple_of(2) {
        replace(chance, &mut package, &before[index / 2]);
    }
    scripts(chance, index, &mut package);
    if chance.one_in(6) && index > 0 {
        package.pre_depends = Some(before[index / 2].name.clone());
    }
    package.late |= package.pre_depends.is_some();
    package
}

fn files(chance: &mut Chance, index: usize, package: &mut Package, filters: bool) {
    let mut files: Vec<Vec<u8>> = Vec::new();
    for number in 0..=chance.below(6) {
        let directory = chance.of(&DIRECTORIES);
        add_directories(chance, package, directory);
        let path = [directory, format!("/p{index}-{number}").as_bytes()].concat();
        let kind = match chance.below(6) {
            // Filters may leave out what it is a name of: then dpkg refuses the package.
            0 if !files.is_empty() && !filters => {
                Kind::Hardlink(files[chance.below(files.len())].clone())
            }
            1 => Kind::Link(
                chance
                    .of(&[b"p0-0".as_slice(), b"/opt/odd/a b", b"..", b"nowhere"])
                    .to_vec(),
            ),
            2 if chance.one_in(2) => Kind::Directory,
            _ => Kind::File(vec![b'x'; chance.below(3000)]),
        };
        if matches!(kind, Kind::File(_)) {
            files.push(path.clone());
        }
        let mut member = Member::new(&path, kind, chance.of(&MODES));
        own(chance, package, &mut member);
        package.members.push(member);
    }
    if chance.one_in(3) {
        let path = format!("etc/odd/conf-{index}");
        add_directories(chance, package, b"etc/odd");
        let content = chance.of(&["vendor\n", "admin\n"]);
        let file = Kind::File(content.as_bytes().to_vec());
        package
            .members
            .push(Member::new(path.as_bytes(), file, 0o640));
        package.control_file("conffiles", &format!("/{path}\n"));
    }
    // Directories that a script has made something else of, or has made anew.
    for (directory, late) in [
        (b"opt/odd/link".as_slice(), true),
        (b"opt/odd/hidden", false),
    ] {
        if chance.one_in(6) {
            add_directories(chance, package, directory);
            let path = [directory, format!("/q{index}").as_bytes()].concat();
            let file = Kind::File(b"through\n".to_vec());
            package.members.push(Member::new(&path, file, 0o644));
            package.late |= late;
        }
    }
}

fn own(chance: &mut Chance, package: &mut Package, member: &mut Member) {
    if !chance.one_in(3) {
        return;
    }
    for owner in [&mut member.user, &mut member.group] {
        let (name, number) = chance.of(&OWNERS);
        *owner = (name.to_owned(), number);
        // The tree has another number for the name.
        package.late |= matches!((name, number), ("root", 1000) | ("odd", 77));
    }
}

fn add_directories(chance: &mut Chance, package: &mut Package, directory: &[u8]) {
    let ends = directory
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/');
    let ends: Vec<usize> = ends.map(|(end, _)| end).chain([directory.len()]).collect();
    for end in ends {
        let path = &directory[..end];
        if package.members.iter().any(|member| member.path == path) {
            continue;
        }
        let system = path.split(|byte| *byte == b'/').all(|part| part != b"odd");
        let mode = if system {
            0o755
        } else {
            chance.of(&[0o755, 0o700, 0o2775])
        };
        package
            .members
            .push(Member::new(path, Kind::Directory, mode));
    }
}

/// Ships a file of another package, which it may.
fn replace(chance: &mut Chance, package: &mut Package, other: &Package) {
    let own = format!(
        "/p{}-",
        other
            .name
            .trim_start_matches("odd-")
            .trim_start_matches('0')
    );
    let is_own = |path: &[u8]| path.windows(own.len()).any(|part| part == own.as_bytes());
    let theirs = other.members.iter().find(|member| {
        let is_file = matches!(member.kind, Kind::File(_));
        is_file && is_own(&member.path) && !member.path.starts_with(b"etc")
    });
    let Some(theirs) = theirs else {
        return;
    };
    let parent = theirs.path.iter().rposition(|byte| *byte == b'/').unwrap();
    add_directories(chance, package, &theirs.path[..parent]);
    let file = Kind::File(b"of another\n".to_vec());
    package.members.push(Member::new(&theirs.path, file, 0o644));
    let name = &other.name;
    package
        .fields
        .extend(format!("Replaces: {name}\n").into_bytes());
}

fn scripts(chance: &mut Chance, index: usize, package: &mut Package) {
    if chance.one_in(3) {
        package.late = true;
        package.control_file("preinst", LOOK);
        let own = package
            .members
            .iter()
            .find(|member| matches!(member.kind, Kind::File(_)));
        let own = own.map(|member| String::from_utf8_lossy(&member.path).into_owned());
        match (chance.below(6), own) {
            (0, _) => {
                let name = format!("user{index}");
                package.control_file(
                    "preinst",
                    &format!(
                        "echo '{name}:x:3{index:02}:3{index:02}::/:/bin/false' >>/etc/passwd\n"
                    ),
                );
                if let Some(member) = package.members.last_mut() {
                    member.user = (name, 99);
                }
            }
            (1, Some(own)) if own.is_ascii() => package.control_file(
                "preinst",
                &format!("dpkg-statoverride --add root daemon 0640 '/{own}'\n"),
            ),
            (2, Some(own)) if own.is_ascii() => package.control_file(
                "preinst",
                &format!("mkdir -p \"$(dirname '/{own}')\"; echo before >'/{own}'\n"),
            ),
            (3, _) if index == 7 || index == 11 => divert(package),
            _ => {}
        }
    }
    if chance.one_in(3) {
        package.control_file("postinst", LOOK);
    }
    if chance.one_in(4) {
        let line = chance.of(&[
            "interest-noawait /usr/share/odd\n",
            "interest odd-named\n",
            "activate-noawait odd-named\n",
            "activate odd-named\n",
        ]);
        package.control_file("triggers", line);
    }
    if chance.one_in(5) {
        package.control_file("md5sums", "");
    }
}

fn divert(package: &mut Package) {
    let name = package.name.clone();
    package.control_file(
        "preinst",
        &format!(
            "dpkg-divert --package {name} --add --rename --divert /usr/bin/odd-tool.{name} \
             /usr/bin/odd-tool || true\n"
        ),
    );
    for path in ["usr", "usr/bin"] {
        if !package
            .members
            .iter()
            .any(|member| member.path == path.as_bytes())
        {
            let directory = Member::new(path.as_bytes(), Kind::Directory, 0o755);
            package.members.push(directory);
        }
    }
    let file = Kind::File(name.into_bytes());
    package
        .members
        .push(Member::new(b"usr/bin/odd-tool", file, 0o755));
}
