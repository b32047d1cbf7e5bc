//! Real nodes of the small image, in a lab: the network between them, what they are told, what is done
//! to them, and what is left when the lab is killed. Needs root.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test may panic as the test itself may"
)]

mod harness;
mod killed;
mod life;
mod network;
mod volumes;
