//! Owns reading the wall clock. Nothing else may.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now; the start of 1970 where the clock is set to before it.
pub(crate) fn now() -> jiff::Timestamp {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .unwrap_or_default()
}
