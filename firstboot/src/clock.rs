//! Owns deadlines, pauses between tries, and dates. Deadlines count from boot, so that a clock that
//! chrony steps changes none.

use crate::bytes::Text;
use crate::sys::{self, Clock};

/// The pause after the first try, in milliseconds.
const FIRST_PAUSE_MS: u64 = 100;

/// The longest pause, in milliseconds.
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
        let left = self.left_ms();
        if left == 0 {
            return false;
        }
        let pause = 20 + sys::random() % self.pause_ms;
        sys::pause(pause.min(left));
        self.pause_ms = (self.pause_ms * 2).min(LONGEST_PAUSE_MS);
        true
    }
}

/// Adds seconds since 1970 as in RFC 3339, in UTC.
pub fn date(seconds: u64, into: &mut Text) {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years are counted from March, so that the leap day is the last (Howard Hinnant,
    // "chrono-compatible low-level date algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    into.padded(year, 4);
    for (separator, number) in [
        (b"-", month),
        (b"-", day),
        (b"T", second / 3_600),
        (b":", second / 60 % 60),
        (b":", second % 60),
    ] {
        into.push(separator).padded(number, 2);
    }
    into.push(b"Z");
}

#[cfg(test)]
mod tests {
    use super::{Tries, date};
    use crate::bytes::Text;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let mut text = Text::new(32);
            date(seconds, &mut text);
            assert_eq!(text.get(), expected.as_bytes());
        }
    }

    #[test]
    fn tries_end() {
        assert!(!Tries::for_secs(0).again());
        let mut tries = Tries::for_secs(60);
        assert!(tries.again() && tries.left_ms() > 50_000);
    }
}
