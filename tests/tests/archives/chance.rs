//! Owns archives and wishes made by chance. A seed makes the same ones again.

use super::archive::{Archive, ByHash, Hash, Package, Signing, Spelling};

/// Numbers by chance (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds must not give shifted sequences.
        let mut dice = Self(seed);
        dice.0 = dice.next().rotate_left(32) ^ dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// Whether something that happens once in `times` happens.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// Some of `from`, in order; each with even chances.
    fn some<T: Clone>(&mut self, from: &[T]) -> Vec<T> {
        from.iter().filter(|_| self.once_in(2)).cloned().collect()
    }
}

/// What is asked of apt and of vmimage.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) archives: Vec<Archive>,
    pub(crate) wanted: Vec<String>,
}

const NAMES: usize = 7;
const VERSIONS: [&str; 9] = [
    "1.0",
    "1:0.5",
    "1.0~rc1",
    "1.0-1",
    "2.0",
    "0~0",
    "1.0+b1",
    "2:1.0~~",
    "1.0-1~bpo12+1",
];

impl Wish {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut archives = Vec::new();
        for number in 0..=dice.below(3) {
            let is_plain = number == 0 || dice.once_in(2);
            let mut made = archive(&mut dice);
            if is_plain {
                made = plain(made);
            }
            let packages = (0..6 + dice.below(9)).map(|_| package(&mut dice, number));
            made.packages = packages.collect();
            // One archive has a version of a package once: of two apt takes the one that it read last.
            let mut kept = std::collections::BTreeSet::new();
            made.packages
                .retain(|package| kept.insert((package.name.clone(), package.version.clone())));
            archives.push(made);
        }
        let mut base = package(&mut dice, 0);
        "base-files".clone_into(&mut base.name);
        base.path = format!("pool/base-files_{}.deb", base.architecture);
        base.relations = vec![("Essential", "yes".to_owned())];
        archives[0].packages.push(base);
        let names: Vec<String> = archives
            .iter()
            .flat_map(|archive| &archive.packages)
            .map(|package| package.name.clone())
            .collect();
        let wanted = (0..=dice.below(3)).map(|_| dice.pick(&names)).collect();
        Self { archives, wanted }
    }
}

fn name(dice: &mut Dice) -> String {
    format!("p{}", dice.below(NAMES) + 10)
}

fn package(dice: &mut Dice, archive: usize) -> Package {
    let (name, version) = (name(dice), dice.pick(&VERSIONS).to_owned());
    let architecture = dice.pick(&["all", "amd64", "amd64"]);
    let escaped = version.replace(':', "%3a");
    let folder = dice.pick(&[
        "pool/main/p",
        "./pool",
        "pool//x/./y",
        "/pool",
        "pool",
        "p\u{e9}ol a",
    ]);
    // The content is the same wherever a version comes from, but not the place.
    let path = format!("{folder}/{archive}/{name}_{escaped}_{architecture}.deb");
    let mut relations = Vec::new();
    for field in [
        "Depends",
        "Pre-Depends",
        "Recommends",
        "Suggests",
        "Conflicts",
        "Breaks",
        "Provides",
    ] {
        let rare = match field {
            "Depends" => 2,
            "Provides" | "Recommends" => 4,
            _ => 14,
        };
        if dice.once_in(rare) {
            relations.push((field, relation_list(dice, field)));
        }
    }
    if dice.once_in(4) {
        relations.push((
            "Multi-Arch",
            dice.pick(&["same", "foreign", "allowed", "no"]).to_owned(),
        ));
    }
    Package {
        name,
        version,
        architecture,
        relations,
        path,
    }
}

fn relation_list(dice: &mut Dice, field: &str) -> String {
    let list: Vec<String> = (0..=dice.below(2))
        .map(|_| {
            if field == "Provides" {
                let version = dice.pick(&["", " (= 1.0)", " (= 2:3~)"]);
                return format!("{}{version}", virtual_name(dice));
            }
            let alternatives = if field.contains("Depends") {
                dice.below(2)
            } else {
                0
            };
            let terms: Vec<String> = (0..=alternatives).map(|_| relation(dice)).collect();
            terms.join(" | ")
        })
        .collect();
    list.join(", ")
}

fn virtual_name(dice: &mut Dice) -> String {
    format!("virtual-{}", dice.below(3))
}

fn relation(dice: &mut Dice) -> String {
    let name = match dice.below(6) {
        0 => virtual_name(dice),
        1 => format!("{}:any", name(dice)),
        _ => name(dice),
    };
    let operator = dice.pick(&[
        "", "", "", "", "", "", "", "", ">=", ">=", "<=", "=", "<<", ">>",
    ]);
    if operator.is_empty() {
        name
    } else {
        format!("{name} ({operator} {})", dice.pick(&VERSIONS))
    }
}

fn archive(dice: &mut Dice) -> Archive {
    let suite = dice.pick(&["stable", "trixie/updates", "12~beta+1"]);
    let component = dice.pick(&["main", "main", "updates/main"]);
    let apart = dice.once_in(4);
    let mut listed = dice.some(&[".gz", ".xz", ".bz2", ".lzma", ".zst", ".br"]);
    if !dice.once_in(15) {
        listed.push("");
    }
    let mut served = dice.some(&listed);
    if served.is_empty() && !dice.once_in(4) {
        served.clone_from(&listed);
    }
    Archive {
        suite,
        component,
        packages: Vec::new(),
        fields: fields(dice, suite, component, apart),
        apart,
        listed,
        served,
        release_hashes: hashes(dice),
        stanza_hashes: hashes(dice),
        by_hash: dice.pick(&[
            ByHash::No,
            ByHash::No,
            ByHash::Only,
            ByHash::Claimed,
            ByHash::Both,
        ]),
        signing: if dice.once_in(30) {
            Signing::Nobody
        } else {
            dice.pick(&[Signing::Inline, Signing::Detached, Signing::Both])
        },
        release_spelling: spelling(dice),
        index_spelling: spelling(dice),
        reversed: dice.once_in(4),
        lacking: match dice.below(60) {
            0 => Some("Package"),
            1 => Some("Version"),
            2 => Some("Filename"),
            3 => Some("Size"),
            _ => None,
        },
        contradicts_itself: dice.once_in(40),
    }
}

/// The archive without what makes apt refuse it.
fn plain(mut archive: Archive) -> Archive {
    archive
        .fields
        .retain(|(name, _)| !matches!(*name, "Valid-Until" | "No-Support-for-Architecture-all"));
    for (name, value) in &mut archive.fields {
        match *name {
            "Architectures" => "all amd64".clone_into(value),
            "Components" => archive.component.clone_into(value),
            _ => {}
        }
    }
    if !archive.listed.contains(&"") {
        archive.listed.push("");
    }
    if archive.served.iter().all(|extension| *extension == ".br") {
        archive.served.clone_from(&archive.listed);
    }
    for hashes in [&mut archive.release_hashes, &mut archive.stanza_hashes] {
        if !hashes.contains(&Hash::Sha256) && !hashes.contains(&Hash::Sha512) {
            hashes.push(Hash::Sha512);
        }
    }
    if archive.signing == Signing::Nobody {
        archive.signing = Signing::Inline;
    }
    archive.lacking = None;
    archive.contradicts_itself = false;
    archive
}

fn hashes(dice: &mut Dice) -> Vec<Hash> {
    let mut hashes = dice.some(&[Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha512]);
    let is_weak = hashes
        .iter()
        .all(|hash| matches!(hash, Hash::Md5 | Hash::Sha1));
    if is_weak && !dice.once_in(10) {
        hashes.push(dice.pick(&[Hash::Sha256, Hash::Sha512]));
    }
    hashes
}

fn spelling(dice: &mut Dice) -> Spelling {
    dice.pick(&[
        Spelling::Plain,
        Spelling::Plain,
        Spelling::CarriageReturns,
        Spelling::Capitals,
        Spelling::SmallLetters,
        Spelling::SpaceBeforeColon,
        Spelling::LinesOfNothing,
    ])
}

fn fields(
    dice: &mut Dice,
    suite: &str,
    component: &str,
    apart: bool,
) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    let mut add = |name, value: &str| fields.push((name, value.to_owned()));
    if !dice.once_in(4) {
        add("Suite", dice.pick(&["oldstable", suite, suite]));
    }
    if !dice.once_in(4) {
        add("Codename", dice.pick(&["xenial", suite, suite]));
    }
    if !dice.once_in(12) {
        add(
            "Date",
            dice.pick(&[
                "Thu, 01 Jan 2026 00:00:00 UTC",
                "Thu, 01 Jan 2026 00:00:00 UTC",
                "Thu, 1 Jan 2026 0:00:00 +0000",
                "Thursday, 01-Jan-26 00:00:00 GMT",
                "Thu Jan  1 00:00:00 2026",
                "yesterday",
            ]),
        );
    }
    if dice.once_in(4) {
        add(
            "Valid-Until",
            dice.pick(&[
                "Fri, 01 Jan 2038 00:00:00 Z",
                "fri, 1 january 2038 00:00:00 -0000",
                "Fri Jan  1 00:00:00 2038",
                "Friday, 01-Jan-38 00:00:00 UTC",
                "",
                "Fri, 01 Jan 2038 00:00:00 utc",
                "Fri, 01 Jan 2038 00:00:00 +0100",
                "2038-01-01",
                "Fri, 01 Jan 2021 00:00:00 UTC",
            ]),
        );
    }
    if !dice.once_in(5) {
        let usual = if apart { "amd64 all" } else { "amd64" };
        add(
            "Architectures",
            dice.pick(&[usual, usual, usual, "all amd64 arm64", "arm64"]),
        );
    }
    if dice.once_in(8) {
        add(
            "No-Support-for-Architecture-all",
            dice.pick(&["Packages", "Contents"]),
        );
    }
    if !dice.once_in(5) {
        add(
            "Components",
            dice.pick(&[component, component, "updates/main", "main updates/main"]),
        );
    }
    fields
}
