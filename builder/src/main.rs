//! Owns the `vmimage` program's entry.
fn main() {}
