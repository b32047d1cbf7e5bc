//! Owns recipe definitions (`recipes/NAME/recipe.toml`): the bake half, and where the boot half is.

use serde::Serialize;

use super::BootStep;
use crate::digest::sha256_hex;

/// A checked recipe, resolved for one suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recipe {
    /// Its folder below `recipes/`.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Where its packages may come from, beside the repositories of the recipes before it.
    pub repositories: Vec<Repository>,
    /// The packages it asks for, as apt names them (`name` or `name:arch` or `name/suite`).
    pub packages: Vec<String>,
    /// Answers given to debconf before its packages are configured.
    pub debconf: Vec<Debconf>,
    /// Directories made after its packages are configured.
    pub directories: Vec<Directory>,
    /// Files written, before or after its packages.
    pub files: Vec<File>,
    /// Symbolic links made after its packages are configured.
    pub links: Vec<Link>,
    /// Commands run in the tree at the end, in order.
    pub commands: Vec<Command>,
    /// Units to enable, disable and mask, after the commands.
    pub units: Units,
    /// What is removed from the finished image, and why.
    pub seals: Vec<Seal>,
    /// What must hold in the finished image.
    pub checks: Vec<Check>,
    /// The boot half. It is not baked, so no layer and no fingerprint of an image depends on it.
    pub boot_steps: Vec<BootStep>,
}

/// An apt repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repository {
    /// The archive's name: what `--mirror NAME=URL` and the lock call it.
    pub archive: String,
    /// Where the archive is found when no mirror is given.
    pub url: String,
    /// Suites, with `{suite}` replaced.
    pub suites: Vec<String>,
    /// Components.
    pub components: Vec<String>,
    /// The key its Release files are signed with.
    pub key: RepositoryKey,
    /// Whether the image keeps this repository in `/etc/apt/sources.list.d/`.
    pub keep_in_image: bool,
}

/// What signs a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepositoryKey {
    /// Fingerprints in upper-case hexadecimal; one of them must have signed. Empty: nobody pinned one.
    pub fingerprints: Vec<String>,
    /// The vendored key (OpenPGP, armored or not), with its path in the project.
    pub vendored: Option<Content>,
    /// Where the vendor publishes it.
    pub url: Option<String>,
}

/// Bytes that came from a file of the project or from the definition itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Content {
    /// The project's file, or the definition that holds the text.
    pub origin: String,
    /// The bytes.
    #[serde(skip)]
    pub bytes: Vec<u8>,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
}

impl Content {
    /// Bytes with their digest.
    pub fn new(origin: impl Into<String>, bytes: Vec<u8>) -> Self {
        let sha256 = sha256_hex(&bytes);
        Self {
            origin: origin.into(),
            bytes,
            sha256,
        }
    }
}

/// One preset answer, as in `debconf-set-selections`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Debconf {
    /// The package that owns the question.
    pub owner: String,
    /// The question.
    pub question: String,
    /// Its type: `string`, `boolean`, `select`, `multiselect` or `note`.
    pub kind: String,
    /// The answer.
    pub value: String,
}

/// A directory to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Directory {
    /// Absolute path in the image.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// User name.
    pub owner: String,
    /// Group name.
    pub group: String,
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct File {
    /// Absolute path in the image.
    pub path: String,
    /// What is in it.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// User name.
    pub owner: String,
    /// Group name.
    pub group: String,
    /// Whether it is there before the recipe's packages are configured.
    pub before_packages: bool,
}

/// A symbolic link to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Absolute path in the image.
    pub path: String,
    /// What it points at.
    pub target: String,
}

/// A command to run in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// Program and arguments; no shell.
    pub argv: Vec<String>,
    /// Why.
    pub reason: String,
}

/// What happens to units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Units {
    /// Enabled, as by `systemctl enable`.
    pub enable: Vec<String>,
    /// Disabled: installed, started by a role.
    pub disable: Vec<String>,
    /// Masked: must never run.
    pub mask: Vec<String>,
}

/// A row of the seal table: what must not leave the machine that baked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seal {
    /// A glob over absolute paths in the image; `*` stays within one part, `**` crosses them.
    pub path: String,
    /// What is done.
    pub action: SealAction,
    /// What goes wrong without it.
    pub reason: String,
}

/// What sealing does to what a glob matches. Each has a matching check that runs afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SealAction {
    /// Files and whole directories go. Check: nothing matches.
    Remove,
    /// Directories stay and what is in them goes. Check: they are empty.
    EmptyDirectory,
    /// Files stay with no content; made where the path has no wildcard. Check: present, empty.
    Truncate,
    /// Files get this content; made where absent. Check: the content.
    Write {
        /// The content.
        content: String,
    },
    /// Nothing is done. Check: nothing matches, or with `contains`, no match contains that text.
    Forbid {
        /// Text that must not occur.
        contains: Option<String>,
    },
}

/// Something that must hold in the finished image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What is looked at.
    pub kind: CheckKind,
    /// Why it matters.
    pub reason: String,
}

/// What a [`Check`] looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckKind {
    /// A path's state.
    Path {
        /// Absolute path in the image.
        path: String,
        /// What it must be.
        state: PathState,
    },
    /// A file that contains a text.
    Contains {
        /// Absolute path in the image.
        path: String,
        /// The text.
        text: String,
    },
    /// `systemctl is-enabled` must print this.
    Unit {
        /// The unit.
        unit: String,
        /// `enabled`, `disabled`, `masked`, `static`, ...
        state: String,
    },
    /// A command that must exit with 0 in the sealed tree, of which it may change nothing.
    Command {
        /// Program and arguments; no shell.
        argv: Vec<String>,
    },
}

/// The state that a path must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathState {
    /// Anything is there.
    Present,
    /// Nothing is there.
    Absent,
    /// A file without content or a directory without entries.
    Empty,
}
