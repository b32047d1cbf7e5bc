//! Owns layer inputs and keys. A key covers every input of its layer, and the key of the layer
//! below, so equal keys mean equal trees. Must not know where layers are stored.

use serde::{Deserialize, Serialize};

use crate::definition::{Architecture, Content, Image, Recipe, Suite};
use crate::digest::sha256_hex;
use crate::lock::{Lock, LockedPackage, Target};

/// Raised whenever the code that builds layers changes what comes out for the same inputs.
pub const ENGINE: u32 = 4;

/// Everything that decides what is in a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LayerInputs {
    /// [`ENGINE`] of the program that made the layer.
    pub engine: u32,
    /// The recipe.
    pub recipe: String,
    /// Key of the layer below; `None` for the first.
    pub below: Option<String>,
    /// The Debian suite.
    pub suite: Suite,
    /// The architecture.
    pub architecture: Architecture,
    /// What times are clamped to.
    pub source_date_epoch: i64,
    /// One line per .deb: name, version, architecture, SHA-256, and `auto` for a dependency.
    pub packages: Vec<String>,
    /// One line per answer.
    pub debconf: Vec<String>,
    /// One line per directory, file, link and apt source: everything that ends up in the layer.
    pub files: Vec<String>,
    /// One line per command.
    pub commands: Vec<String>,
    /// One line per unit.
    pub units: Vec<String>,
}

/// The identity of a layer: SHA-256 of its inputs, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerKey(String);

impl LayerKey {
    /// The key in full.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough of the key to name a directory: 128 bits.
    pub fn short(&self) -> &str {
        self.0.get(..32).unwrap_or(&self.0)
    }
}

/// Gives repositories whose key was accepted when the lock was made that key, so that the image can
/// verify them later on as this program did.
pub fn with_accepted_keys(image: &mut Image, lock: &Lock) {
    for repository in image
        .recipes
        .iter_mut()
        .flat_map(|recipe| &mut recipe.repositories)
    {
        let accepted = lock.repositories.iter().find_map(|locked| {
            let key = locked.accepted_key.as_ref()?;
            (locked.archive == repository.archive).then_some((locked, key))
        });
        if let Some((locked, key)) = accepted {
            let origin = format!("accepted for {}", locked.archive);
            repository.key.vendored = Some(Content::new(origin, key.clone().into_bytes()));
            repository.key.fingerprints = vec![locked.signed_by.clone()];
        }
    }
}

/// The inputs of every layer of an image, lowest first.
pub fn layer_inputs(image: &Image, target: &Target, source_date_epoch: i64) -> Vec<LayerInputs> {
    let mut layers: Vec<LayerInputs> = Vec::new();
    for recipe in &image.recipes {
        let below = layers.last().map(|layer| layer.key().as_str().to_owned());
        let packages = target
            .packages
            .iter()
            .filter(|package| package.recipe == recipe.name);
        layers.push(LayerInputs {
            engine: ENGINE,
            recipe: recipe.name.clone(),
            below,
            suite: image.suite,
            architecture: target.architecture,
            source_date_epoch,
            packages: packages.map(package_line).collect(),
            debconf: recipe
                .debconf
                .iter()
                .map(|d| format!("{} {} {} {}", d.owner, d.question, d.kind, d.value))
                .collect(),
            files: file_lines(recipe),
            commands: recipe
                .commands
                .iter()
                .map(|c| format!("{:?}", c.argv))
                .collect(),
            units: unit_lines(recipe),
        });
    }
    layers
}

fn package_line(package: &LockedPackage) -> String {
    let LockedPackage {
        name,
        version,
        architecture,
        sha256,
        requested,
        ..
    } = package;
    let auto = if *requested { "" } else { " auto" };
    format!("{name} {version} {architecture} {sha256}{auto}")
}

fn file_lines(recipe: &Recipe) -> Vec<String> {
    let directories = recipe.directories.iter().map(|d| {
        format!(
            "directory {} {:04o} {}:{}",
            d.path, d.mode, d.owner, d.group
        )
    });
    let files = recipe.files.iter().map(|f| {
        let when = if f.before_packages {
            " before-packages"
        } else {
            ""
        };
        format!(
            "file {} {:04o} {}:{} {}{when}",
            f.path, f.mode, f.owner, f.group, f.content.sha256
        )
    });
    let links = recipe
        .links
        .iter()
        .map(|l| format!("link {} {}", l.path, l.target));
    let sources = recipe
        .repositories
        .iter()
        .filter(|r| r.keep_in_image)
        .map(|r| {
            let key = r
                .key
                .vendored
                .as_ref()
                .map_or("", |key| key.sha256.as_str());
            format!(
                "source {} {} {} {} {key} {}",
                r.archive,
                r.url,
                r.suites.join(" "),
                r.components.join(" "),
                r.key.fingerprints.join(" ")
            )
        });
    directories
        .chain(files)
        .chain(links)
        .chain(sources)
        .collect()
}

fn unit_lines(recipe: &Recipe) -> Vec<String> {
    let units = &recipe.units;
    let line = |verb: &'static str| move |unit: &String| format!("{verb} {unit}");
    (units.enable.iter().map(line("enable")))
        .chain(units.disable.iter().map(line("disable")))
        .chain(units.mask.iter().map(line("mask")))
        .collect()
}

impl LayerInputs {
    /// The layer's key.
    pub fn key(&self) -> LayerKey {
        LayerKey(digest(self))
    }

    /// Why this layer is not the `earlier` one, in words; empty when it is the same.
    pub fn differences(&self, earlier: &Self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.engine != earlier.engine {
            reasons.push("vmimage itself builds layers differently now".to_owned());
        }
        if (self.suite, self.architecture) != (earlier.suite, earlier.architecture) {
            reasons.push("the suite or the architecture changed".to_owned());
        }
        if self.source_date_epoch != earlier.source_date_epoch {
            reasons.push("the lock's source-date-epoch changed".to_owned());
        }
        for (noun, new, old) in [
            ("package", &self.packages, &earlier.packages),
            ("debconf answer", &self.debconf, &earlier.debconf),
            ("file", &self.files, &earlier.files),
            ("command", &self.commands, &earlier.commands),
            ("unit", &self.units, &earlier.units),
        ] {
            compare(noun, new, old, &mut reasons);
        }
        if self.below != earlier.below {
            reasons.push("the layer below was rebuilt".to_owned());
        }
        reasons
    }
}

/// Says which lines came, went or, having the same first two words, changed.
fn compare(noun: &str, new: &[String], old: &[String], reasons: &mut Vec<String>) {
    let subject = |line: &str| match noun {
        "package" => first_words(line, 1),
        "command" => line.to_owned(),
        _ => first_words(line, 2),
    };
    let added: Vec<&String> = new.iter().filter(|line| !old.contains(line)).collect();
    let removed: Vec<&String> = old.iter().filter(|line| !new.contains(line)).collect();
    for line in &added {
        let verb = if removed.iter().any(|r| subject(r) == subject(line)) {
            "changed"
        } else {
            "added"
        };
        reasons.push(format!("{noun} {verb}: {}", subject(line)));
    }
    for line in removed
        .iter()
        .filter(|r| !added.iter().any(|a| subject(a) == subject(r)))
    {
        reasons.push(format!("{noun} removed: {}", subject(line)));
    }
    if added.is_empty() && removed.is_empty() && new != old {
        reasons.push(format!("{noun}s are in another order"));
    }
}

fn first_words(line: &str, count: usize) -> String {
    line.split(' ').take(count).collect::<Vec<_>>().join(" ")
}

/// SHA-256 of a value's JSON, in hexadecimal. Struct fields keep their order, so the same value
/// gives the same bytes.
pub(crate) fn digest<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_vec(value).expect("plain structs of strings and numbers serialize");
    sha256_hex(&json)
}

#[cfg(test)]
mod tests {
    use super::{ENGINE, LayerInputs};
    use crate::definition::{Architecture, Suite};

    fn layer() -> LayerInputs {
        LayerInputs {
            engine: ENGINE,
            recipe: "web".to_owned(),
            below: Some("k0".to_owned()),
            suite: Suite::Trixie,
            architecture: Architecture::X86_64,
            source_date_epoch: 1_700_000_000,
            packages: vec!["a 1 amd64 aa".to_owned(), "b 2 all bb auto".to_owned()],
            debconf: vec!["postfix postfix/mailname string x".to_owned()],
            files: vec!["file /etc/a 0644 root:root 11".to_owned()],
            commands: vec!["[\"true\"]".to_owned()],
            units: vec!["enable a.service".to_owned()],
        }
    }

    fn check(change: impl Fn(&mut LayerInputs), expected: &[&str]) {
        let (old, mut new) = (layer(), layer());
        change(&mut new);
        assert_eq!(new.differences(&old), expected);
        assert_ne!(new.key(), old.key(), "the key must cover the change");
    }

    #[test]
    fn every_input_changes_the_key_and_is_explained() {
        assert_eq!(layer().differences(&layer()), Vec::<String>::new());
        assert_eq!(layer().key(), layer().key());
        check(
            |l| l.engine += 1,
            &["vmimage itself builds layers differently now"],
        );
        check(
            |l| l.suite = Suite::Bookworm,
            &["the suite or the architecture changed"],
        );
        check(
            |l| l.architecture = Architecture::Arm64,
            &["the suite or the architecture changed"],
        );
        check(
            |l| l.source_date_epoch += 1,
            &["the lock's source-date-epoch changed"],
        );
        check(
            |l| l.packages[0] = "a 2 amd64 ac".to_owned(),
            &["package changed: a"],
        );
        check(
            |l| l.packages.push("c 1 all cc".to_owned()),
            &["package added: c"],
        );
        check(|l| drop(l.packages.pop()), &["package removed: b"]);
        check(
            |l| l.packages.swap(0, 1),
            &["packages are in another order"],
        );
        check(
            |l| l.debconf.clear(),
            &["debconf answer removed: postfix postfix/mailname"],
        );
        check(
            |l| l.files[0] = "file /etc/a 0600 root:root 11".to_owned(),
            &["file changed: file /etc/a"],
        );
        check(
            |l| l.commands.push("[\"false\"]".to_owned()),
            &["command added: [\"false\"]"],
        );
        check(
            |l| l.units[0] = "mask a.service".to_owned(),
            &[
                "unit added: mask a.service",
                "unit removed: enable a.service",
            ],
        );
        check(
            |l| l.below = Some("k1".to_owned()),
            &["the layer below was rebuilt"],
        );
    }
}
