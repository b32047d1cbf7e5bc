//! Owns session tokens and their expiry. Must not read a clock.

use std::collections::BTreeMap;
use std::time::Duration;

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
    random: u64,
    /// Token to the moment at which it expires.
    issued: BTreeMap<String, Duration>,
}

impl Tokens {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: seed,
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
            self.next_random(),
            self.next_random()
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

    /// `SplitMix64`: small, well spread, and the same for the same seed.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
