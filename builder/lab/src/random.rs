//! Owns the one source of chance in the lab: a seeded generator, so that a run can be repeated.

/// `SplitMix64`: small, well spread, and the same for the same seed. Never for real secrets.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True `in_million` times of a million, on average.
    pub(crate) fn chance(&mut self, in_million: u32) -> bool {
        self.next() % 1_000_000 < u64::from(in_million)
    }

    /// So many characters of `alphabet`, whose length must not be zero.
    pub(crate) fn text(&mut self, length: usize, alphabet: &[u8]) -> String {
        let size = alphabet.len().max(1) as u64;
        let pick = |value: u64| {
            let index = usize::try_from(value % size).unwrap_or(0);
            char::from(alphabet.get(index).copied().unwrap_or(b'A'))
        };
        (0..length).map(|_| pick(self.next())).collect()
    }
}
