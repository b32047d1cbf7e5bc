//! Tests of the crate's public functions on whole projects.
//!
//! - `boot`: boot halves of recipes
//! - `capacity`: zones without an instance type or without room, and the ranges of addresses
//! - `definitions`: what good images and fleets resolve to, and the problems of bad ones
//! - `recipes`: the problems of bad recipes
//! - `lock`: locks as text, refused locks, stale locks
//! - `fleet`: scenarios of fleet plans, in `tests/fleet/`
//! - `garbage`: arbitrary bytes in any file
//! - `project`: the project that the others start from

mod boot;
mod capacity;
mod definitions;
mod fleet;
mod garbage;
mod lock;
mod project;
mod recipes;
