//! Owns what the integration tests share: the stand-in vendor repositories and their signing key.

pub mod lab;
pub mod metadata;
pub mod project;
pub mod python;
pub mod report;
pub mod standin;
pub mod wait;
