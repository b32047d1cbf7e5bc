//! Owns layers: the store that keeps them by key, what a recipe does to a tree beyond its packages,
//! and the freezing of a finished layer. Must not plan: what is built and reused is decided before.

mod apply;
mod freeze;
mod store;

pub use apply::{ApplyError, apply_files_before_packages, apply_recipe};
pub use freeze::freeze;
pub use store::{LayerStore, StoreError, StoredLayer, UnfinishedLayer};
