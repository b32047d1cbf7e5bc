//! Owns deadlines and pauses between tries. Deadlines count from boot, so that a clock that
//! chrony steps changes none.

use crate::sys::{self, Clock};

/// The pause after the first try, in milliseconds.
const FIRST_PAUSE_MS: u64 = 100;

/// The longest pause before AWS, which all nodes ask, is asked again, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 5_000;

/// Milliseconds since boot.
pub fn now_ms() -> u64 {
    sys::now_ms(Clock::Boot)
}

/// Tries until a deadline, with pauses that double and are never the same on two machines.
#[derive(Clone, Copy, Debug)]
pub struct Tries {
    until_ms: u64,
    pause_ms: u64,
}

impl Tries {
    /// For so many seconds from now.
    pub fn for_secs(seconds: u64) -> Self {
        Self {
            until_ms: now_ms() + seconds * 1_000,
            pause_ms: FIRST_PAUSE_MS,
        }
    }

    /// Milliseconds that are left.
    pub fn left_ms(&self) -> u64 {
        self.until_ms.saturating_sub(now_ms())
    }

    /// Pauses before the next try: at random up to the pause's length (full jitter). False when the
    /// time is over.
    pub fn again(&mut self) -> bool {
        self.again_within(LONGEST_PAUSE_MS)
    }

    /// The same with another longest pause, in milliseconds.
    pub fn again_within(&mut self, longest_ms: u64) -> bool {
        let left = self.left_ms();
        if left == 0 {
            return false;
        }
        let pause = 20 + sys::random() % self.pause_ms;
        sys::pause(pause.min(left));
        self.pause_ms = (self.pause_ms * 2).min(longest_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Tries;

    #[test]
    fn tries_end() {
        assert!(!Tries::for_secs(0).again());
        let mut tries = Tries::for_secs(60);
        assert!(tries.again() && tries.left_ms() > 50_000);
    }
}
