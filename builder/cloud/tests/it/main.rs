//! Tests of executing fleet plans against an account in memory.
//!
//! - `account`: the account, with a failure before or after any step
//! - `crash`: whatever step fails, the next run ends as if nothing had
//! - `isolation`: what a failure, a problem or an interrupt leaves out

mod account;
mod crash;
mod isolation;
