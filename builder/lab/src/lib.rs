//! Owns the simulated parts of EC2 that run on one machine. Must not share code with the client it
//! checks, so it never depends on `vmimage-cloud`, and must not print.

pub mod aws;
pub mod fault;
pub mod host;
pub mod imds;
pub mod network;
pub mod node;
mod random;
pub mod resolver;
mod s3;
mod ssm;
pub mod wire;
