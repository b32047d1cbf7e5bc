//! Owns installing packages into a layer: parallel unpacking, dpkg's records, configuration. Must not
//! mount anything, nor know how layers are stored.
//!
//! [`extract`] needs nothing but the .debs and may run while the layer below is still being
//! configured.

mod below;
mod config;
mod configure;
mod contest;
mod deferred;
mod directories;
mod diversions;
mod dpkg;
mod error;
mod extract;
mod filter;
mod filtered;
mod handover;
mod looked_for;
mod marks;
mod namespace;
mod order;
mod own_files;
mod package;
mod reconcile;
mod records;
mod shipped;
mod triggers;
mod unpack;

#[cfg(test)]
mod tests;

pub use configure::{Answers, Configured, configure};
pub use error::InstallError;
pub use extract::{Extracted, Unpacked, extract};
pub use namespace::Namespace;
pub use reconcile::{FileBefore, reconcile};

/// How far the work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// How much is done, in `unit`s.
    pub done: u64,
    /// Out of how much.
    pub total: u64,
    /// `bytes` or `packages`.
    pub unit: &'static str,
    /// The package being worked on.
    pub doing: &'a str,
}

/// Who is told how far unpacking is; called from several threads.
pub type Observer<'a> = &'a (dyn Fn(Progress<'_>) + Sync);
