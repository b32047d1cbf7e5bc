//! Owns sealing: removing identities and secrets from a tree, and proving it.
