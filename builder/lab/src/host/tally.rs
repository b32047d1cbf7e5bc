//! Owns what a row of checks says of a target. Pure: must not ask, wait or report.

use crate::aws::{TargetAnswer, TargetFailure};

/// Counts the checks of one target.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    healthy: u64,
    unhealthy: u64,
    verdict: Option<TargetAnswer>,
    /// Passed, or failed, so often in a row.
    passed: u64,
    failed: u64,
}

impl Tally {
    /// With the thresholds of a target group.
    pub(super) fn new(healthy: u64, unhealthy: u64) -> Self {
        Self {
            healthy,
            unhealthy,
            verdict: None,
            passed: 0,
            failed: 0,
        }
    }

    /// Counts one check; gives what is known of the target then. As on AWS, one check that passes makes
    /// a new target healthy; only one that has been unhealthy has to pass several.
    pub(super) fn count(&mut self, check: Result<(), TargetFailure>) -> Option<TargetAnswer> {
        match check {
            Ok(()) => {
                (self.passed, self.failed) = (self.passed.saturating_add(1), 0);
                let enough = match self.verdict {
                    None | Some(TargetAnswer::Healthy) => 1,
                    Some(TargetAnswer::Unhealthy(_)) => self.healthy,
                };
                if self.passed >= enough {
                    self.verdict = Some(TargetAnswer::Healthy);
                }
            }
            Err(failure) => {
                (self.passed, self.failed) = (0, self.failed.saturating_add(1));
                let is_unhealthy = matches!(self.verdict, Some(TargetAnswer::Unhealthy(_)));
                if is_unhealthy || self.failed >= self.unhealthy {
                    self.verdict = Some(TargetAnswer::Unhealthy(failure));
                }
            }
        }
        self.verdict
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use crate::aws::{TargetAnswer, TargetFailure};

    /// `+` passes, `-` fails, `t` times out; `H`, `U` and `T` are what is said then, `.` is nothing.
    fn said(checks: &str, healthy: u64, unhealthy: u64) -> String {
        let mut tally = Tally::new(healthy, unhealthy);
        let count = |check| {
            let check = match check {
                '+' => Ok(()),
                't' => Err(TargetFailure::Timeout),
                _ => Err(TargetFailure::Refused),
            };
            match tally.count(check) {
                None => '.',
                Some(TargetAnswer::Healthy) => 'H',
                Some(TargetAnswer::Unhealthy(TargetFailure::Timeout)) => 'T',
                Some(TargetAnswer::Unhealthy(_)) => 'U',
            }
        };
        checks.chars().map(count).collect()
    }

    #[test]
    fn thresholds_count_checks_in_a_row() {
        let table = [
            // A new target: one that passes is enough.
            ("+", 5, 2, "H"),
            ("--", 5, 2, ".U"),
            ("-+", 5, 2, ".H"),
            ("---", 2, 3, "..U"),
            // A healthy one stays so until enough fail in a row.
            ("+-+-+", 2, 2, "HHHHH"),
            ("+--", 2, 2, "HHU"),
            // An unhealthy one has to pass as often as the group says.
            ("--++++", 3, 2, ".UUUHH"),
            ("--+-++", 2, 2, ".UUUUH"),
            // The last failure is told.
            ("--t", 2, 2, ".UT"),
            ("--+t+-", 3, 2, ".UUTTU"),
        ];
        for (checks, healthy, unhealthy, expected) in table {
            assert_eq!(said(checks, healthy, unhealthy), expected, "{checks}");
        }
    }
}
