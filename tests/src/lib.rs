//! Owns what the integration tests share: the stand-in vendor repositories and their signing key.

pub mod project;
pub mod report;
pub mod standin;
