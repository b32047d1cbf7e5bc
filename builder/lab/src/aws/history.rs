//! Owns values that remember what they were, so that a read can show the past: EC2 is eventually
//! consistent.

use std::time::Duration;

/// Older values than this are forgotten; no fault asks for a longer lag.
const KEPT: Duration = Duration::from_mins(15);

/// A value and what it was before.
#[derive(Clone, Debug)]
pub(crate) struct History<T> {
    /// Never empty, oldest first.
    values: Vec<(Duration, T)>,
}

impl<T> History<T> {
    /// A value that exists since `now`.
    pub(crate) fn new(now: Duration, value: T) -> Self {
        Self {
            values: vec![(now, value)],
        }
    }

    /// The value as it is.
    pub(crate) fn get(&self) -> &T {
        &self.last().1
    }

    /// Since when it is that.
    pub(crate) fn since(&self) -> Duration {
        self.last().0
    }

    fn last(&self) -> &(Duration, T) {
        self.values.last().expect("a history is never empty")
    }

    /// What it was at `view`; `None` if it did not exist yet.
    pub(crate) fn at(&self, view: Duration) -> Option<&T> {
        let mut newest_first = self.values.iter().rev();
        newest_first
            .find(|(since, _)| *since <= view)
            .map(|(_, value)| value)
    }

    /// Changes it.
    pub(crate) fn set(&mut self, now: Duration, value: T) {
        match self.values.last_mut() {
            Some((since, last)) if *since == now => *last = value,
            _ => self.values.push((now, value)),
        }
        let next = self.values.get(1);
        if next.is_some_and(|(since, _)| *since + KEPT < now) {
            self.values.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_can_be_read() {
        let at = Duration::from_secs;
        let mut history = History::new(at(10), 'a');
        history.set(at(20), 'b');
        history.set(at(20), 'c');
        for (view, value) in [
            (9, None),
            (10, Some(&'a')),
            (19, Some(&'a')),
            (20, Some(&'c')),
        ] {
            assert_eq!(history.at(at(view)), value, "{view}");
        }
        assert_eq!((history.get(), history.since()), (&'c', at(20)));
    }

    #[test]
    fn the_far_past_is_forgotten() {
        let at = Duration::from_secs;
        let mut history = History::new(at(0), 0);
        for second in 1..5_000 {
            history.set(at(second), second);
        }
        assert!(history.values.len() < 1_000, "{}", history.values.len());
        assert_eq!(history.at(at(4_500)), Some(&4_500));
    }
}
