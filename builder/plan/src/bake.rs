//! Owns bake plans: what a bake will do, complete and printable.
