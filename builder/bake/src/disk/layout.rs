//! Owns where things lie on a disk, and its partition table. Must not write into partitions.

use std::fs::File;
use std::path::Path;

use gptman::{GPT, GPTPartitionEntry};
use serde::{Deserialize, Serialize};
use vmimage_plan::definition::Architecture;

use super::error::DiskError;
use super::ids::Guid;

/// One MiB: everything starts at a multiple of it.
pub const MIB: u64 = 1 << 20;

/// Bytes in a sector; the disks of EC2 and QEMU have this size.
pub(crate) const SECTOR: u64 = 512;

/// Where the EFI system partition starts.
pub(crate) const ESP_OFFSET: u64 = MIB;

/// The type of an EFI system partition (UEFI 2.10, table 5.7).
const ESP_TYPE: Guid = Guid::from_u128(0xc12a_7328_f81f_11d2_ba4b_00a0_c93e_c93b);

/// The types of root partitions, by which systemd-repart finds what to grow (Discoverable
/// Partitions Specification).
const ROOT_TYPE_X86_64: Guid = Guid::from_u128(0x4f68_bce3_e8cd_4db1_96e7_fbca_f984_b709);
const ROOT_TYPE_ARM64: Guid = Guid::from_u128(0xb921_b045_1df0_41c3_af44_4c6f_280d_3fae);

/// "Grow the file system to the size of its partition" (Discoverable Partitions Specification).
const GROW_FILE_SYSTEM: u64 = 1 << 59;

/// Where the partitions of a disk lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) esp_mib: u64,
    pub(crate) root_mib: u64,
}

impl Layout {
    pub(crate) const fn esp_bytes(self) -> u64 {
        self.esp_mib * MIB
    }

    pub(crate) const fn root_offset(self) -> u64 {
        ESP_OFFSET + self.esp_bytes()
    }

    pub(crate) const fn root_bytes(self) -> u64 {
        self.root_mib * MIB
    }

    /// The disk ends with one MiB for the second copy of the partition table.
    pub(crate) const fn disk_bytes(self) -> u64 {
        self.root_offset() + self.root_bytes() + MIB
    }
}

/// One entry of a partition table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Partition {
    /// Its number, from 1.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Its type's GUID, lower case.
    pub type_guid: String,
    /// Its own GUID, lower case: what `PARTUUID=` names.
    pub guid: String,
    /// Where it starts, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub size: u64,
    /// The attribute bits.
    pub attributes: u64,
}

/// The GUIDs of a disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guids {
    pub(crate) disk: Guid,
    pub(crate) esp: Guid,
    pub(crate) root: Guid,
}

impl Guids {
    pub(crate) fn derive(seed: &str) -> Self {
        Self {
            disk: Guid::derive(seed, "disk"),
            esp: Guid::derive(seed, "esp"),
            root: Guid::derive(seed, "root"),
        }
    }
}

/// Writes the partition table into `disk`, which already has its full size.
pub(crate) fn write_partition_table(
    disk: &mut File,
    path: &Path,
    layout: Layout,
    architecture: Architecture,
    guids: Guids,
) -> Result<(), DiskError> {
    let fail = |source| DiskError::PartitionTable {
        path: path.display().to_string(),
        source,
    };
    let mut table = GPT::new_from(disk, SECTOR, guids.disk.to_disk()).map_err(fail)?;
    table[1] = entry(
        ESP_TYPE,
        guids.esp,
        (ESP_OFFSET, layout.esp_bytes()),
        0,
        "esp",
    );
    let (root_type, name) = match architecture {
        Architecture::X86_64 => (ROOT_TYPE_X86_64, "root-x86-64"),
        Architecture::Arm64 => (ROOT_TYPE_ARM64, "root-arm64"),
    };
    table[2] = entry(
        root_type,
        guids.root,
        (layout.root_offset(), layout.root_bytes()),
        GROW_FILE_SYSTEM,
        name,
    );
    GPT::write_protective_mbr_into(disk, SECTOR).map_err(fail)?;
    table.write_into(disk).map_err(fail)?;
    Ok(())
}

fn entry(
    kind: Guid,
    guid: Guid,
    (offset, size): (u64, u64),
    attributes: u64,
    name: &str,
) -> GPTPartitionEntry {
    GPTPartitionEntry {
        partition_type_guid: kind.to_disk(),
        unique_partition_guid: guid.to_disk(),
        starting_lba: offset / SECTOR,
        ending_lba: (offset + size) / SECTOR - 1,
        attribute_bits: attributes,
        partition_name: name.into(),
    }
}
