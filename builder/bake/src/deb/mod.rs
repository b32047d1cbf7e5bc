//! Owns reading .deb files: the ar archive, its members, and the control paragraph. Must not write
//! a tree.

mod archive;
mod compression;
mod control;
mod copy;
mod error;
#[cfg(test)]
pub(crate) mod handmade;
mod hashing;
pub mod paragraph;
pub mod relation;

pub use archive::{Deb, Kind, Member, Visit};
pub use control::{Conffile, Control, ControlFile, Directive, TriggerDirective};
pub use error::DebError;

#[cfg(test)]
mod tests;
