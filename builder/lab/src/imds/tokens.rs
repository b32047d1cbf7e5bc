//! Owns session tokens and their expiry. Must not read a clock.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::random::Random;

/// The longest life of a token that EC2 gives.
pub(crate) const MAX_TTL_SECS: u32 = 21_600;

/// More than a test needs; a node that asks in a loop must not grow the process for ever.
const MAX_TOKENS: usize = 4_096;

/// What a token is worth at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenState {
    /// Never issued here, or forgotten after it expired.
    Unknown,
    /// Its time is over.
    Expired,
    /// Usable.
    Valid {
        /// For how long.
        secs_left: u64,
    },
}

/// The tokens issued so far.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    random: Random,
    /// Token to the moment at which it expires.
    issued: BTreeMap<String, Duration>,
}

impl Tokens {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            issued: BTreeMap::new(),
        }
    }

    pub(crate) fn issue(&mut self, ttl_secs: u32, now: Duration) -> String {
        if self.issued.len() >= MAX_TOKENS {
            self.issued.retain(|_, expires| *expires > now);
        }
        if self.issued.len() >= MAX_TOKENS {
            let soonest = self
                .issued
                .iter()
                .min_by_key(|(_, at)| **at)
                .map(|(token, _)| token.clone());
            if let Some(soonest) = soonest {
                self.issued.remove(&soonest);
            }
        }
        let token = format!(
            "AQAAA{:016x}{:016x}==",
            self.random.next(),
            self.random.next()
        );
        self.issued.insert(
            token.clone(),
            now.saturating_add(Duration::from_secs(ttl_secs.into())),
        );
        token
    }

    pub(crate) fn state(&self, token: &str, now: Duration) -> TokenState {
        match self.issued.get(token) {
            None => TokenState::Unknown,
            Some(expires) if *expires <= now => TokenState::Expired,
            Some(expires) => {
                let left = expires.saturating_sub(now);
                TokenState::Valid {
                    secs_left: left.as_secs() + u64::from(left.subsec_nanos() > 0),
                }
            }
        }
    }
}
