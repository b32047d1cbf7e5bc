//! Owns which parts of a sparse file hold data.

use std::fs::File;
use std::io;
use std::ops::Range;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// The ranges of `file` that are not holes, in order. A file system without holes gives one range.
pub(crate) fn data_ranges(file: &File) -> io::Result<Vec<Range<u64>>> {
    let size = file.metadata()?.len();
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            // There is nothing but a hole from here on.
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let end = seek(file, SeekFrom::Hole(start))?;
        ranges.push(start..end.min(size));
        at = end;
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::data_ranges;
    use std::os::unix::fs::FileExt;

    #[test]
    fn holes_are_skipped() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8 << 20).unwrap();
        assert_eq!(data_ranges(&file).unwrap(), []);
        file.write_all_at(&[1; 4096], 1 << 20).unwrap();
        file.write_all_at(&[2; 10], 4 << 20).unwrap();
        let ranges = data_ranges(&file).unwrap();
        assert!(ranges.iter().any(|range| range.contains(&(1 << 20))));
        assert!(ranges.iter().any(|range| range.contains(&(4 << 20))));
        assert!(!ranges.iter().any(|range| range.contains(&(7 << 20))));
        assert!(ranges.is_sorted_by_key(|range| range.start));
    }
}
