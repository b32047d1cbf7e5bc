//! Owns waiting in tests for what others bring about.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within `patience`, with `what` was waited for.
#[track_caller]
pub fn wait_until(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(patience, what, || {
        condition().then_some(()).ok_or("not yet")
    });
}

/// Waits until `condition` does not say any more what is in its way.
///
/// # Panics
/// When something is in its way for longer than `patience`.
#[track_caller]
pub fn wait_for<E: Display>(
    patience: Duration,
    what: &str,
    mut condition: impl FnMut() -> Result<(), E>,
) {
    let started = Instant::now();
    while let Err(problem) = condition() {
        assert!(
            started.elapsed() < patience,
            "waited in vain until {what}: {problem}"
        );
        thread::park_timeout(PAUSE);
    }
}
