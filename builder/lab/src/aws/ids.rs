//! Owns making identifiers: the same seed makes the same ones in the same order.

use std::fmt::Write;

/// A source of identifiers. `SplitMix64`: small, no state but a counter, every seed is good.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    state: u64,
}

impl Ids {
    /// The identifiers of `name` (a region) under `seed`.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let mut ids = Self { state: seed };
        for byte in name.bytes() {
            ids.state = ids.number() ^ u64::from(byte);
        }
        ids
    }

    /// The next number, uniform over all 64 bits.
    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// `i-0123456789abcdef0`: the kind and seventeen digits, the first of them 0 as most are.
    pub(crate) fn resource(&mut self, kind: &str) -> String {
        format!("{kind}-0{:016x}", self.number())
    }

    /// Sixteen digits, as load balancing uses them in ARNs.
    pub(crate) fn short(&mut self) -> String {
        format!("{:016x}", self.number())
    }

    /// A UUID of version 4.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.number(), self.number());
        let mut text = String::with_capacity(36);
        write!(
            text,
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            (low >> 48) & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
        .expect("a String takes any text");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything() {
        let make = |seed, region| {
            let mut ids = Ids::new(seed, region);
            (ids.resource("i"), ids.uuid(), ids.short())
        };
        assert_eq!(make(1, "eu-west-1"), make(1, "eu-west-1"));
        assert_ne!(make(1, "eu-west-1"), make(2, "eu-west-1"));
        assert_ne!(make(1, "eu-west-1"), make(1, "eu-west-2"));
    }

    #[test]
    fn identifiers_have_the_length_of_aws() {
        let mut ids = Ids::new(7, "x");
        assert_eq!(ids.resource("vol").len(), "vol-".len() + 17);
        assert_eq!(ids.short().len(), 16);
        let uuid = ids.uuid();
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"));
    }
}
