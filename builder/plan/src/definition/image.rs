//! Owns image definitions (`images/NAME.toml`).

use serde::Serialize;

use super::{Architecture, Recipe, Suite};

/// A checked image with everything its recipes bring, resolved for its suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// The definition's path, `images/NAME.toml`.
    pub path: String,
    /// The image's name, also the stem of its files.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// What Debian it is.
    pub suite: Suite,
    /// What it can be baked for.
    pub architectures: Vec<Architecture>,
    /// Its recipes, in the order in which they are applied.
    pub recipes: Vec<Recipe>,
    /// How its disk is laid out.
    pub disk: Disk,
    /// How it boots.
    pub boot: Boot,
}

/// How a disk is laid out: GPT, an EFI system partition, then the root partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Size of the EFI system partition in MiB.
    pub esp_mib: u64,
    /// Size of the root file system in MiB; `None` makes it as large as the tree plus `root_free_mib`.
    pub root_mib: Option<u64>,
    /// Free space that the root file system must have in MiB. The root grows on first boot, so this
    /// is what the first boot itself needs.
    pub root_free_mib: u64,
}

/// How an image boots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Boot {
    /// Console devices, the main one last, for example `tty0`, `ttyS0,115200`.
    pub consoles: Vec<String>,
    /// Further kernel arguments.
    pub kernel_arguments: Vec<String>,
    /// How long systemd-boot shows its menu.
    pub timeout_secs: u32,
}
