//! Owns how many nodes start at once. Must not know what starting means.

use std::sync::{Condvar, Mutex, PoisonError};

/// Lets a number of nodes start at a time: more of them would only slow each other down.
#[derive(Debug)]
pub(super) struct Gate {
    free: Mutex<usize>,
    freed: Condvar,
}

/// The permission to start; dropping it lets the next one start.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    gate: &'a Gate,
}

impl Gate {
    pub(super) fn new(at_most: usize) -> Self {
        Self {
            free: Mutex::new(at_most.max(1)),
            freed: Condvar::new(),
        }
    }

    /// Waits for its turn; `None` when it is not wanted any more, see [`Gate::look_again`].
    pub(super) fn pass(&self, unwanted: impl Fn() -> bool) -> Option<Permit<'_>> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .freed
            .wait_while(free, |free| *free == 0 && !unwanted())
            .unwrap_or_else(PoisonError::into_inner);
        if unwanted() {
            // Another may have been passed over for this one.
            self.freed.notify_one();
            return None;
        }
        *free -= 1;
        Some(Permit { gate: self })
    }

    /// Makes all who wait look whether they are still wanted.
    pub(super) fn look_again(&self) {
        // Under the lock, or somebody who is about to wait would miss it.
        let _free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        self.freed.notify_all();
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self
            .gate
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner) += 1;
        self.gate.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::Gate;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[test]
    fn no_more_than_the_limit_are_inside() {
        let gate = Gate::new(2);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let permit = gate.pass(|| false);
                    let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
        assert_eq!(inside.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn who_is_not_wanted_any_more_stops_waiting() {
        let gate = Gate::new(1);
        let permit = gate.pass(|| false);
        let unwanted = AtomicUsize::new(0);
        thread::scope(|scope| {
            let waiting =
                scope.spawn(|| gate.pass(|| unwanted.load(Ordering::SeqCst) == 1).is_none());
            unwanted.store(1, Ordering::SeqCst);
            gate.look_again();
            assert!(waiting.join().unwrap());
        });
        drop(permit);
        assert!(gate.pass(|| false).is_some());
    }
}
