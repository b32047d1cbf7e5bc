//! Owns waiting for what the kernel tells nobody about. Must not be used where an event can be had.

use std::time::{Duration, Instant};

/// Between two looks: short against what is waited for, long against the cost of a look.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks again and again until `condition` holds; returns whether it did in time.
pub(crate) fn poll_until(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::park_timeout(PAUSE);
    }
}
