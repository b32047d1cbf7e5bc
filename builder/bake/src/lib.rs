//! Owns the bake: locks, packages, layers, sealing, disks and boot tests. Must not decide policy
//! (`vmimage-plan` does), must not print, and must not know AWS.

pub mod boot_test;
pub mod deb;
pub mod disk;
pub mod execute;
pub mod fetch;
pub mod inspect;
pub mod install;
pub mod layers;
pub mod manifest;
pub mod resolve;
pub mod sandbox;
pub mod sbom;
pub mod seal;
mod space;
mod sparse;
pub mod tree;
