//! Owns the layer store: overlay trees by key, and the executor that builds them.
