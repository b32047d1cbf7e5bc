//! Owns what whoever runs the simulation should know: what clients asked for that is not simulated.
//! Must not tell anybody.

/// Nobody reads more of them than that.
const MOST: usize = 1_000;

/// Longer names are cut: clients choose them.
const LONGEST: usize = 128;

/// Clients asked for an operation that is not simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The service, as the signature names it.
    pub service: String,
    /// The operation.
    pub action: String,
    /// The region that it was asked of.
    pub region: String,
    /// How often since the notices were last taken.
    pub times: u64,
}

/// Notices in the order of their first request.
#[derive(Debug, Default)]
pub(super) struct Notices(Vec<Notice>);

impl Notices {
    /// Counts one request.
    pub(super) fn add(&mut self, service: &str, action: &str, region: &str) {
        let [service, action, region] = [service, action, region].map(readable);
        let known = self.0.iter_mut().find(|known| {
            (&known.service, &known.action, &known.region) == (&service, &action, &region)
        });
        if let Some(known) = known {
            known.times = known.times.saturating_add(1);
        } else if self.0.len() < MOST {
            self.0.push(Notice {
                service,
                action,
                region,
                times: 1,
            });
        }
    }

    /// What there is since the last call.
    pub(super) fn take(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.0)
    }
}

/// On one line, and not endless.
fn readable(name: &str) -> String {
    let shown = name.chars().filter(|character| !character.is_control());
    shown.take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, MOST, Notices};

    #[test]
    fn requests_are_counted_and_their_names_kept_readable() {
        let mut notices = Notices::default();
        for action in ["A", "B\nforged line", "A", &"x".repeat(1_000)] {
            notices.add("rds", action, "eu-west-1");
        }
        notices.add("rds", "A", "us-east-1");
        let taken = notices.take();
        let told: Vec<(&str, &str, u64)> = taken
            .iter()
            .map(|one| (one.action.as_str(), one.region.as_str(), one.times))
            .collect();
        let long = "x".repeat(LONGEST);
        let expected = [
            ("A", "eu-west-1", 2),
            ("Bforged line", "eu-west-1", 1),
            (&long, "eu-west-1", 1),
            ("A", "us-east-1", 1),
        ];
        assert_eq!(told, expected);
        for number in 0..2 * MOST {
            notices.add("rds", &number.to_string(), "eu-west-1");
        }
        assert_eq!((notices.take().len(), notices.take().len()), (MOST, 0));
    }
}
