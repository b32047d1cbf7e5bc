//! Owns what the host says about requests for what is not simulated: each operation once, and again
//! when it was asked for ten times as often. Pure: must not print.

use std::collections::BTreeMap;

use crate::wire::Notice;

/// Whoever asks for more different things is not read any more.
const MOST: usize = 1_000;

/// How often the count of an operation is told: each time it has grown tenfold.
const GROWTH: u64 = 10;

/// What was asked for so far.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// By service, operation and region: how often, and from which count on it is told again.
    asked: BTreeMap<(String, String, String), (u64, u64)>,
}

impl Notices {
    /// Counts, and gives the lines that are to be said now.
    pub(super) fn count(&mut self, notices: Vec<Notice>) -> Vec<String> {
        let lines = notices.into_iter().filter_map(|notice| self.one(notice));
        lines.collect()
    }

    fn one(&mut self, notice: Notice) -> Option<String> {
        let Notice {
            service,
            action,
            region,
            times,
        } = notice;
        let said = format!("not simulated: {service} {action} in {region}");
        let key = (service, action, region);
        if self.asked.len() >= MOST && !self.asked.contains_key(&key) {
            return None;
        }
        let (total, again) = self.asked.entry(key).or_insert((0, 1));
        *total = total.saturating_add(times);
        if *total < *again {
            return None;
        }
        while *again <= *total {
            *again = again.saturating_mul(GROWTH);
        }
        Some(match *total {
            1 => said,
            total => format!("{said}, asked for {total} times so far"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Notices};
    use crate::wire::Notice;

    fn asked(action: &str, times: u64) -> Vec<Notice> {
        vec![Notice {
            service: "rds".to_owned(),
            action: action.to_owned(),
            region: "eu-west-1".to_owned(),
            times,
        }]
    }

    #[test]
    fn an_operation_is_told_once_and_when_its_count_has_grown() {
        let mut notices = Notices::default();
        let mut said = Vec::new();
        for _ in 0..1_000 {
            said.extend(notices.count(asked("X", 1)));
        }
        let expected = [
            "not simulated: rds X in eu-west-1",
            "not simulated: rds X in eu-west-1, asked for 10 times so far",
            "not simulated: rds X in eu-west-1, asked for 100 times so far",
            "not simulated: rds X in eu-west-1, asked for 1000 times so far",
        ];
        assert_eq!(said, expected);
        let other = "not simulated: rds Y in eu-west-1, asked for 37 times so far";
        assert_eq!(notices.count(asked("Y", 37)), [other]);
        assert_eq!(notices.count(asked("Y", 62)), [""; 0]);
    }

    #[test]
    fn there_is_an_end_to_it() {
        let mut notices = Notices::default();
        for number in 0..2 * MOST {
            notices.count(asked(&number.to_string(), 1));
        }
        assert_eq!(notices.asked.len(), MOST);
    }
}
