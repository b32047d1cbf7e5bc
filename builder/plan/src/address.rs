//! Owns ranges of IPv4 addresses: their text, and whether two have addresses in common.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A range of addresses as a VPC has it, for example `172.31.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange {
    base: u32,
    prefix: u8,
}

/// What is no range of IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a range of IPv4 addresses like 10.0.0.0/16")]
pub struct NoRange;

/// Every range that RFC 1918 keeps for private networks: what a node lets in where nobody has looked at
/// the fleet's VPCs.
pub const PRIVATE_RANGES: [AddressRange; 3] = [
    AddressRange {
        base: 0x0a00_0000,
        prefix: 8,
    },
    AddressRange {
        base: 0xac10_0000,
        prefix: 12,
    },
    AddressRange {
        base: 0xc0a8_0000,
        prefix: 16,
    },
];

impl AddressRange {
    /// Whether some address is in both.
    pub fn overlaps(self, other: Self) -> bool {
        let shorter = self.prefix.min(other.prefix);
        (self.base ^ other.base) & mask(shorter) == 0
    }
}

/// The bits of an address that a prefix of this length fixes.
fn mask(prefix: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(prefix))
        .unwrap_or_default()
}

impl FromStr for AddressRange {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        let (base, prefix) = text.split_once('/').ok_or(NoRange)?;
        let base: Ipv4Addr = base.parse().or(Err(NoRange))?;
        let prefix: u8 = prefix.parse().or(Err(NoRange))?;
        // Without host bits: MariaDB takes no account with such a range.
        if prefix > 32 || base.to_bits() & !mask(prefix) != 0 {
            return Err(NoRange);
        }
        let base = base.to_bits();
        Ok(Self { base, prefix })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.base), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressRange, PRIVATE_RANGES};

    #[test]
    fn ranges_are_read_and_told_alike() {
        for text in ["172.31.0.0/16", "0.0.0.0/0", "10.1.2.3/32", "100.64.0.0/10"] {
            let range: AddressRange = text.parse().unwrap();
            assert_eq!(range.to_string(), text);
        }
        let wrong = [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.1/16",
            "fd00::/8",
            "10.0/16",
            "10.0.0.0/-1",
            "10.0.0.0/16 ",
        ];
        for text in wrong {
            assert!(text.parse::<AddressRange>().is_err(), "{text}");
        }
        let private = PRIVATE_RANGES.map(|range| range.to_string());
        assert_eq!(private, ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]);
    }

    #[test]
    fn ranges_overlap_when_one_holds_the_other() {
        let overlap = |one: &str, other: &str| {
            let (one, other): (AddressRange, AddressRange) =
                (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(one.overlaps(other), other.overlaps(one));
            one.overlaps(other)
        };
        assert!(overlap("172.31.0.0/16", "172.31.0.0/16"));
        assert!(overlap("10.0.0.0/8", "10.2.0.0/16"));
        assert!(overlap("0.0.0.0/0", "192.168.1.1/32"));
        assert!(!overlap("10.1.0.0/16", "10.2.0.0/16"));
        assert!(!overlap("10.1.2.3/32", "10.1.2.4/32"));
    }
}
