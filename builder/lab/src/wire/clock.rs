//! Owns the time of a running simulation: the real one for the lab, one that tests move by hand. The
//! only file of this crate that reads the system's clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment, as the simulation and as its clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since the start of the simulation.
    pub now: Duration,
    /// What the clocks of clients show, since 1970: signatures carry it.
    pub wall: Duration,
}

/// Tells the time.
#[derive(Clone, Debug)]
pub struct Clock {
    epoch: Duration,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Real {
        start: Instant,
        ahead: Arc<Mutex<Duration>>,
    },
    Virtual(Arc<Mutex<Duration>>),
}

impl Clock {
    /// The simulation's time passes as real time does, from now on.
    pub fn real() -> Self {
        Self {
            epoch: since_1970(),
            source: Source::Real {
                start: Instant::now(),
                ahead: Arc::default(),
            },
        }
    }

    /// The simulation's time stands still until [`Clock::advance`]; clients' clocks are real.
    pub fn virtual_time() -> Self {
        Self {
            epoch: since_1970(),
            source: Source::Virtual(Arc::new(Mutex::new(Duration::ZERO))),
        }
    }

    /// When the simulation started, since 1970.
    pub fn epoch(&self) -> Duration {
        self.epoch
    }

    /// This moment.
    pub fn moment(&self) -> Moment {
        match &self.source {
            Source::Real { start, ahead } => {
                let now = start.elapsed();
                let ahead = *ahead.lock().unwrap_or_else(PoisonError::into_inner);
                Moment {
                    now,
                    wall: self.epoch.saturating_add(now).saturating_add(ahead),
                }
            }
            Source::Virtual(time) => Moment {
                now: *time.lock().unwrap_or_else(PoisonError::into_inner),
                wall: since_1970(),
            },
        }
    }

    /// Puts AWS's clock so far ahead of its clients'; all clones of this clock see it. Real time passes
    /// as before.
    pub fn put_ahead(&self, by: Duration) {
        if let Source::Real { ahead, .. } = &self.source {
            *ahead.lock().unwrap_or_else(PoisonError::into_inner) = by;
        }
    }

    /// Lets virtual time pass; all clones of this clock see it. Real time passes by itself.
    pub fn advance(&self, by: Duration) {
        if let Source::Virtual(time) = &self.source {
            let mut time = time.lock().unwrap_or_else(PoisonError::into_inner);
            *time = time.saturating_add(by);
        }
    }
}

fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
}
