//! Owns what is decided before anything is done: definitions and their checks, locks, layer keys and
//! bake plans. Every function is pure: no file, clock, network or environment is read here.
//! `builder` reads the files into [`Sources`] and `bake` executes the plans.

pub mod address;
pub mod bake;
pub mod definition;
pub mod diagnostic;
pub mod digest;
pub mod event;
pub mod fleet;
pub mod layer;
pub mod lock;
pub mod role;
pub mod sources;
pub mod userinfo;

pub use diagnostic::Diagnostic;
pub use sources::Sources;
