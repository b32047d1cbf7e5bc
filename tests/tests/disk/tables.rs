//! Partition tables of finished disks, as they are and cut off.

use std::fs;
use std::path::Path;

use vmimage_bake::disk::{DiskReport, Qcow2Disk, read_partition_table};

use super::{display, run};

/// Both ways in which a disk is stored have the same table, and one that ends early is refused.
pub(crate) fn check(report: &DiskReport, disk: &Path, out: &Path) {
    let qcow2 = out.join("disk.qcow2");
    let open = |path: &Path| fs::File::open(path).unwrap();
    let mut stored = Qcow2Disk::open(open(&qcow2), &qcow2).unwrap();
    let table = read_partition_table(&mut stored, &qcow2).unwrap();
    assert_eq!(table, report.partitions);
    let cut = out.join("cut.raw");
    run("cp", &["--sparse=always", display(disk), display(&cut)]);
    run("truncate", &["--size=100M", display(&cut)]);
    let error = read_partition_table(&mut open(&cut), &cut).unwrap_err();
    let root = &report.partitions[1];
    assert_eq!(
        error.to_string(),
        format!(
            "the disk `{}` ends before its partitions do: it has 104857600 bytes, partition 2 \
             `root-x86-64` ends at byte {}",
            cut.display(),
            root.offset + root.size
        )
    );
    // As other programs write qcow2, whose clusters lie in another order.
    for compat in ["compat=0.10", "compat=1.1"] {
        let other = out.join("other.qcow2");
        let arguments = [
            "convert",
            "-O",
            "qcow2",
            "-o",
            compat,
            display(disk),
            display(&other),
        ];
        run("qemu-img", &arguments);
        let mut stored = Qcow2Disk::open(open(&other), &other).unwrap();
        assert_eq!(
            read_partition_table(&mut stored, &other).unwrap(),
            report.partitions
        );
    }
}
