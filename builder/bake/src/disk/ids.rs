//! Owns the identifiers of a disk: all of them follow from one seed, so that the same inputs give
//! the same disk. Must not take any from a clock or a random source.

use std::fmt;

use sha2::{Digest, Sha256};

/// A GUID in the order in which it is written down.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// The GUID for `label` under `seed`. It carries the version and variant bits of a custom UUID
    /// (RFC 9562, version 8), because neither a clock nor chance made it.
    pub fn derive(seed: &str, label: &str) -> Self {
        let digest = digest(seed, label);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// A GUID known from a specification.
    pub(crate) const fn from_u128(value: u128) -> Self {
        Self(value.to_be_bytes())
    }

    /// The bytes as a partition table stores them: the first three groups little-endian.
    pub(crate) fn to_disk(self) -> [u8; 16] {
        let mut bytes = self.0;
        bytes[..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        bytes
    }

    /// The GUID that a partition table stores as `bytes`.
    pub(crate) fn from_disk(bytes: [u8; 16]) -> Self {
        Self(Self(bytes).to_disk())
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The FAT volume id for `seed`.
pub(crate) fn volume_id(seed: &str) -> u32 {
    let digest = digest(seed, "esp-volume");
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

fn digest(seed: &str, label: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(seed.as_bytes());
    hasher.update(b"\0");
    hasher.update(label.as_bytes());
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::{Guid, volume_id};

    #[test]
    fn a_guid_follows_from_seed_and_label_only() {
        let root = Guid::derive("00ff", "root");
        assert_eq!(root, Guid::derive("00ff", "root"));
        assert_ne!(root, Guid::derive("00ff", "esp"));
        assert_ne!(root, Guid::derive("00fe", "root"));
        assert_eq!(&root.to_string()[14..15], "8");
        assert_ne!(volume_id("00ff"), volume_id("00fe"));
    }

    #[test]
    fn a_partition_table_stores_the_first_groups_reversed() {
        let esp = Guid::from_u128(0xc12a_7328_f81f_11d2_ba4b_00a0_c93e_c93b);
        assert_eq!(esp.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!(
            hex::encode(esp.to_disk()),
            "28732ac11ff8d211ba4b00a0c93ec93b"
        );
        assert_eq!(Guid::from_disk(esp.to_disk()), esp);
    }
}
