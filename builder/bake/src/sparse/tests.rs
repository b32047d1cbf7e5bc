//! Tests of reading files with holes: what is there, what is found, and where zeros are.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::{SHORTEST_RUN, STEP, contains, data_ranges, read_bytes, zero_runs};

fn sparse(size: u64, pieces: &[(u64, &[u8])]) -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(size).unwrap();
    for (at, bytes) in pieces {
        file.write_all_at(bytes, *at).unwrap();
    }
    file
}

/// The same content without a hole.
fn full(size: usize, pieces: &[(u64, &[u8])]) -> File {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&vec![0; size], 0).unwrap();
    for (at, bytes) in pieces {
        file.write_all_at(bytes, *at).unwrap();
    }
    file
}

#[test]
fn holes_are_skipped() {
    let empty = sparse(8 << 20, &[]);
    assert_eq!(data_ranges(&empty).unwrap().count(), 0);
    let file = sparse(8 << 20, &[(1 << 20, &[1; 4096]), (4 << 20, &[2; 10])]);
    let ranges: Vec<Range<u64>> = data_ranges(&file).unwrap().map(Result::unwrap).collect();
    assert!(ranges.iter().any(|range| range.contains(&(1 << 20))));
    assert!(ranges.iter().any(|range| range.contains(&(4 << 20))));
    assert!(!ranges.iter().any(|range| range.contains(&(7 << 20))));
    assert!(ranges.is_sorted_by_key(|range| range.start));
}

#[test]
fn every_byte_is_given_once() {
    let pieces: [(u64, &[u8]); 2] = [(2_500_000, b"content"), (4_999_999, b"!")];
    for file in [sparse(5_000_000, &pieces), full(5_000_000, &pieces)] {
        let mut bytes: Vec<u8> = Vec::new();
        read_bytes(&file, 5_000_000, &mut |part| bytes.extend(part)).unwrap();
        assert_eq!(bytes.len(), 5_000_000);
        assert_eq!(&bytes[2_499_999..2_500_008], b"\0content\0");
        assert_eq!(bytes[4_999_998..], [0, b'!']);
    }
}

#[test]
fn text_is_found_wherever_it_lies() {
    let step = STEP as u64;
    // Around the border between two reads, at both ends, and over the border of a hole.
    for at in (step - 12)..(step + 2) {
        let file = full(3 * STEP, &[(at, b"PRIVATE KEY")]);
        assert!(contains(&file, b"PRIVATE KEY").unwrap(), "{at}");
        assert!(!contains(&file, b"PRIVATE KEYS").unwrap(), "{at}");
    }
    let file = sparse(
        64 << 30,
        &[(40 << 30, b"PRIVATE KEY"), ((64 << 30) - 3, b"end")],
    );
    for (text, found) in [
        (&b"PRIVATE KEY"[..], true),
        (b"KEY\0\0\0", true),
        (b"\0PRIVATE", true),
        (b"end", true),
        (b"\0\0\0\0\0\0\0\0\0\0\0\0", true),
        (b"PRIVATE\0KEY", false),
        (b"end\0", false),
        (b"", false),
    ] {
        assert_eq!(contains(&file, text).unwrap(), found, "{text:?}");
    }
    let short_hole = sparse(3 * 4096, &[(0, &[b'a'; 4096]), (8192, &[b'b'; 4096])]);
    let between = [&b"a"[..], &[0; 4096], b"b"].concat();
    assert!(contains(&short_hole, &between).unwrap());
    assert!(!contains(&short_hole, &between[2..].repeat(2)).unwrap());
}

/// A size, pieces of data with where they lie, and starts and ends of the runs.
type Row<'a> = (u64, &'a [(u64, &'a [u8])], &'a [(u64, u64)]);

#[test]
fn long_runs_of_zeros_are_found_whether_they_are_holes_or_not() {
    let table: [Row; 7] = [
        (0, &[], &[]),
        (SHORTEST_RUN - 1, &[], &[]),
        (SHORTEST_RUN, &[], &[(0, SHORTEST_RUN)]),
        (5 << 20, &[(0, b"x")], &[(4096, 5 << 20)]),
        // The odd end belongs to the run.
        ((5 << 20) + 17, &[(0, b"x")], &[(4096, (5 << 20) + 17)]),
        ((5 << 20) + 17, &[((5 << 20) + 16, b"x")], &[(0, 5 << 20)]),
        // 1 MiB less a block, 1 MiB, and a run that begins just behind a sample.
        (
            6 << 20,
            &[
                (0, &[1; 4096]),
                (1 << 20, &[1; 4096]),
                ((2 << 20) + 4096, &[1; 2 * 4096]),
                ((3 << 20) + (512 << 10), &[1; 1]),
            ],
            &[
                ((1 << 20) + 4096, (2 << 20) + 4096),
                ((2 << 20) + 3 * 4096, (3 << 20) + (512 << 10)),
                ((3 << 20) + (516 << 10), 6 << 20),
            ],
        ),
    ];
    for (size, pieces, expected) in table {
        let length = usize::try_from(size).unwrap();
        for file in [sparse(size, pieces), full(length, pieces)] {
            let runs = zero_runs(&file, size).unwrap();
            let found: Vec<_> = runs.iter().map(|run| (run.start, run.end)).collect();
            assert_eq!(found, expected, "{size}");
        }
    }
}

#[test]
fn a_huge_hole_costs_nothing() {
    let size = 8 << 40;
    let file = sparse(size, &[(4 << 40, b"x")]);
    let runs = zero_runs(&file, size).unwrap();
    assert_eq!(runs, [0..4 << 40, (4 << 40) + 4096..size]);
}
