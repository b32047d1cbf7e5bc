//! Owns a file's content as an archive holds it: without its long runs of zeros, in GNU tar's sparse
//! format 1.0 (<https://www.gnu.org/software/tar/manual/html_node/PAX-1.html>), which GNU tar, bsdtar,
//! Go and Python read. A file without such runs is archived as it is.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::rootfs::Records;
use crate::sparse::{SHORTEST_RUN, zero_runs};

/// A record of tar is a multiple of this.
const RECORD: usize = 512;

/// A file's content, to be read as an archive holds it.
#[derive(Debug)]
pub(super) struct Content {
    file: File,
    size: u64,
    /// The map that stands before a sparse file's data; empty for others.
    map: io::Cursor<Vec<u8>>,
    /// What is left of the data, the last first.
    data: Vec<Range<u64>>,
    is_sparse: bool,
}

impl Content {
    pub(super) fn open(path: &Path, size: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        let zeros = if size < SHORTEST_RUN {
            Vec::new()
        } else {
            zero_runs(&file, size)?
        };
        let mut data = between(&zeros, size);
        let map = if zeros.is_empty() {
            Vec::new()
        } else {
            sparse_map(&data, size)
        };
        data.reverse();
        Ok(Self {
            file,
            size,
            map: io::Cursor::new(map),
            data,
            is_sparse: !zeros.is_empty(),
        })
    }

    pub(super) const fn is_sparse(&self) -> bool {
        self.is_sparse
    }

    /// How many bytes the archive holds of it.
    pub(super) fn archived_size(&self) -> u64 {
        let data: u64 = self.data.iter().map(|range| range.end - range.start).sum();
        self.map.get_ref().len() as u64 + data
    }

    /// What says that it is sparse, and its real name.
    pub(super) fn sparse_records(&self, name: &Path) -> Records {
        vec![
            ("GNU.sparse.major".to_owned(), b"1".to_vec()),
            ("GNU.sparse.minor".to_owned(), b"0".to_vec()),
            (
                "GNU.sparse.name".to_owned(),
                name.as_os_str().as_bytes().to_vec(),
            ),
            (
                "GNU.sparse.realsize".to_owned(),
                self.size.to_string().into_bytes(),
            ),
        ]
    }
}

/// The name that a program without knowledge of sparse files gives to one, as in GNU tar.
pub(super) fn placeholder(name: &Path) -> PathBuf {
    let directory = name.parent().unwrap_or(name).join("GNUSparseFile.0");
    directory.join(name.file_name().unwrap_or_default())
}

/// What of `0..size` lies between the runs.
fn between(zeros: &[Range<u64>], size: u64) -> Vec<Range<u64>> {
    let starts = std::iter::once(0).chain(zeros.iter().map(|run| run.end));
    let ends = zeros
        .iter()
        .map(|run| run.start)
        .chain(std::iter::once(size));
    starts
        .zip(ends)
        .map(|(start, end)| start..end)
        .filter(|range| !range.is_empty())
        .collect()
}

fn sparse_map(data: &[Range<u64>], size: u64) -> Vec<u8> {
    let mut pieces: Vec<(u64, u64)> = data
        .iter()
        .map(|range| (range.start, range.end - range.start))
        .collect();
    if data.last().is_none_or(|last| last.end < size) {
        // A piece without data says where the zeros at the end of the file end.
        pieces.push((size, 0));
    }
    let mut map = format!("{}\n", pieces.len()).into_bytes();
    for (offset, length) in pieces {
        map.extend(format!("{offset}\n{length}\n").into_bytes());
    }
    map.resize(map.len().next_multiple_of(RECORD), 0);
    map
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let of_map = self.map.read(buffer)?;
        if of_map > 0 {
            return Ok(of_map);
        }
        let Some(range) = self.data.last_mut() else {
            return Ok(0);
        };
        self.file.seek(SeekFrom::Start(range.start))?;
        let left = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        let read = self.file.read(&mut buffer[..length])?;
        if read == 0 && length > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        range.start += read as u64;
        if range.is_empty() {
            self.data.pop();
        }
        Ok(read)
    }
}
