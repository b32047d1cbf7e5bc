//! Owns taking a lock. Must not wait for anything else.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a thread has panicked: every change under these locks is whole at any moment.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
