//! Owns the definitions: images, recipes and the fleet, as written (private) and as resolved.
//! A resolved value has no option that has a default, and only exists when its checks passed.

mod boot;
pub mod defaults;
pub(crate) mod document;
mod fleet;
mod glob;
mod image;
mod project;
mod recipe;
mod resolve;
mod secrets;
mod similar;
mod syntax;
mod template;
mod written;

pub use boot::{BootAction, BootStep, Stage};
pub use fleet::{Fleet, FleetRole, Health, HttpsProbe, Region, StateLocation};
pub use glob::{GlobError, parse_glob};
pub use image::{Boot, Disk, Image};
pub use project::{FLEET_FILE, check_project, image_file, image_files, image_name};
pub use recipe::{
    Check, CheckKind, Command, Content, Debconf, Directory, File, Link, PathState, Recipe,
    Repository, RepositoryKey, Seal, SealAction, Units,
};

pub use resolve::{load_fleet, load_image};
pub(crate) use template::internal_template;
pub use template::{Condition, Piece, Quote, Template};

use serde::{Deserialize, Serialize};

/// A Debian suite that images can be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// Debian 13.
    Trixie,
    /// Debian 12.
    Bookworm,
}

impl Suite {
    /// Every suite, newest first.
    pub const ALL: [Self; 2] = [Self::Trixie, Self::Bookworm];

    /// The suite's code name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trixie => "trixie",
            Self::Bookworm => "bookworm",
        }
    }
}

/// A processor architecture, in EC2's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Architecture {
    /// Intel and AMD, 64 bits.
    #[serde(rename = "x86_64")]
    X86_64,
    /// Graviton.
    #[serde(rename = "arm64")]
    Arm64,
}

impl Architecture {
    /// EC2's name for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// Debian's name for it.
    pub const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}
