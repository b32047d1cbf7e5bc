//! Archives as they are out there: what apt takes is taken, what it chooses is chosen, and nothing that
//! is secret in their URLs is shown. Needs the host's apt, not root and no network.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod apt;
mod archive;
mod as_apt;
mod chance;
mod images;
mod named;
mod secrets;
mod server;
