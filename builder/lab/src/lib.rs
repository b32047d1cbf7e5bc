//! Owns the simulated parts of EC2 that run on one machine. Must not share code with the client it
//! checks, so it never depends on `vmimage-cloud`, and must not print.

pub mod aws;
pub mod imds;
