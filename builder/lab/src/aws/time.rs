//! Owns saying a time of the simulation as AWS does. Must not read a clock.

use std::time::Duration;

use jiff::Timestamp;

/// When the simulation's time starts, unless the lab says otherwise: 2026-01-01, midnight in UTC.
const START_SECOND: i64 = 1_767_225_600;

/// What time it is when no time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    millisecond: i64,
}

impl Default for Epoch {
    fn default() -> Self {
        Self {
            millisecond: START_SECOND * 1000,
        }
    }
}

impl Epoch {
    /// The epoch that lies `since_1970` after 1970.
    pub(crate) fn at(since_1970: Duration) -> Self {
        let millisecond = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
        Self { millisecond }
    }

    /// `2026-01-01T00:00:00.000Z`.
    pub(crate) fn text(self, now: Duration) -> String {
        let passed = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let time = Timestamp::from_millisecond(self.millisecond.saturating_add(passed))
            .unwrap_or(Timestamp::MAX);
        time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    }

    /// `2026-01-01T00:00:00Z`, as in the causes of scaling activities.
    pub(crate) fn to_the_second(self, now: Duration) -> String {
        let mut text = self.text(now);
        text.truncate("2026-01-01T00:00:00".len());
        text.push('Z');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_aws_says_them() {
        let epoch = Epoch::default();
        let now = Duration::from_millis(86_400_000 + 3_004);
        assert_eq!(epoch.text(now), "2026-01-02T00:00:03.004Z");
        assert_eq!(epoch.to_the_second(now), "2026-01-02T00:00:03Z");
        let other = Epoch::at(Duration::from_secs(1));
        assert_eq!(other.text(Duration::ZERO), "1970-01-01T00:00:01.000Z");
        // Absurd durations end at the end of time instead of a panic.
        assert!(other.text(Duration::MAX).starts_with("9999-12-"));
    }
}
