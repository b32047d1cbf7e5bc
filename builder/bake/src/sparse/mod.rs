//! Owns which parts of a file hold data, and reading files of any size in blocks. Must not keep a file
//! in memory, and must not read holes.
//!
//! Two different questions have two answers. [`data_ranges`] asks the host's file system what it
//! stores, which is quick and differs between hosts. [`zero_runs`] looks at the content, so that what
//! depends on it (the size of a root, the bytes of an archive) is the same wherever an image is baked.

use std::fs::File;
use std::io;
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// How much is read at a time.
const STEP: usize = 1 << 20;

/// The unit in which a run of zeros is measured: a block of the root file system.
const BLOCK: u64 = 4096;

/// The shortest run of zeros that is worth leaving out. Shorter ones are common in programs, and an
/// archive in which every program were sparse could be read by fewer tools.
pub(crate) const SHORTEST_RUN: u64 = 1 << 20;

/// Every run of [`SHORTEST_RUN`] covers a whole block at a multiple of this.
const SAMPLE: u64 = SHORTEST_RUN / 2;

/// The ranges of `file` that are not holes, in order. A file system without holes gives one range.
pub(crate) fn data_ranges(file: &File) -> io::Result<DataRanges<'_>> {
    let size = file.metadata()?.len();
    Ok(DataRanges { file, size, at: 0 })
}

/// See [`data_ranges`]. Asked for one at a time: a file may have millions.
#[derive(Debug)]
pub(crate) struct DataRanges<'a> {
    file: &'a File,
    size: u64,
    at: u64,
}

impl DataRanges<'_> {
    fn find(&mut self) -> io::Result<Option<Range<u64>>> {
        let Some(start) = next_data(self.file, self.at, self.size)? else {
            self.at = self.size;
            return Ok(None);
        };
        let end = seek(self.file, SeekFrom::Hole(start))?.min(self.size);
        self.at = end;
        Ok(Some(start..end))
    }
}

impl Iterator for DataRanges<'_> {
    type Item = io::Result<Range<u64>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.find().transpose()
    }
}

/// Where the first data from `at` on lies; `None` when there is nothing but a hole.
fn next_data(file: &File, at: u64, size: u64) -> io::Result<Option<u64>> {
    if at >= size {
        return Ok(None);
    }
    match seek(file, SeekFrom::Data(at)) {
        Ok(start) => Ok((start < size).then_some(start)),
        Err(Errno::NXIO) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// A piece of a file, in order.
#[derive(Debug)]
pub(crate) enum Part<'a> {
    /// Its bytes.
    Data(&'a [u8]),
    /// So many zeros, which were not read.
    Hole(u64),
}

/// Gives the first `size` bytes of `file` to `take`, piece by piece, until it breaks off.
pub(crate) fn read_parts(
    file: &File,
    size: u64,
    take: &mut dyn FnMut(Part<'_>) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut at = 0;
    for range in data_ranges(file)? {
        let range = range?;
        let (start, end) = (range.start.min(size), range.end.min(size));
        if start > at && take(Part::Hole(start - at)).is_break() {
            return Ok(());
        }
        at = start;
        while at < end {
            let length = step(end - at);
            if buffer.len() < length {
                buffer.resize(length, 0);
            }
            file.read_exact_at(&mut buffer[..length], at)?;
            if take(Part::Data(&buffer[..length])).is_break() {
                return Ok(());
            }
            at += length as u64;
        }
    }
    if size > at {
        // It is the last piece, so it does not matter whether it is broken off.
        let _ = take(Part::Hole(size - at));
    }
    Ok(())
}

/// Gives the first `size` bytes of `file` to `update`, as a hash wants them: with the zeros of holes.
pub(crate) fn read_bytes(file: &File, size: u64, update: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut zeros = Vec::new();
    read_parts(file, size, &mut |part| {
        match part {
            Part::Data(bytes) => update(bytes),
            Part::Hole(mut left) => {
                zeros.resize(zeros.len().max(step(left)), 0);
                while left > 0 {
                    let length = step(left);
                    update(&zeros[..length]);
                    left -= length as u64;
                }
            }
        }
        ControlFlow::Continue(())
    })
}

fn step(left: u64) -> usize {
    usize::try_from(left).map_or(STEP, |left| left.min(STEP))
}

/// Whether `file` has `text` somewhere in it.
pub(crate) fn contains(file: &File, text: &[u8]) -> io::Result<bool> {
    let mut search = Search::new(text);
    let size = file.metadata()?.len();
    read_parts(file, size, &mut |part| search.look_at(&part))?;
    Ok(search.found)
}

/// A search that keeps the end of each piece, where the text may begin that goes on in the next.
struct Search<'a> {
    text: &'a [u8],
    end: Vec<u8>,
    found: bool,
}

impl<'a> Search<'a> {
    const fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            end: Vec::new(),
            found: false,
        }
    }

    fn look_at(&mut self, part: &Part<'_>) -> ControlFlow<()> {
        match part {
            Part::Data(bytes) => self.look_in(bytes),
            Part::Hole(length) => {
                // As many zeros as the text is long do for a longer hole: what is found in them, or
                // with what lies before or behind, would also be found in all of them.
                let wanted = self.text.len();
                let length = usize::try_from(*length).map_or(wanted, |length| length.min(wanted));
                self.look_in(&vec![0; length]);
            }
        }
        if self.found {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn look_in(&mut self, bytes: &[u8]) {
        let Some(overlap) = self.text.len().checked_sub(1) else {
            return;
        };
        let has = |bytes: &[u8]| memchr::memmem::find(bytes, self.text).is_some();
        self.end.extend(&bytes[..bytes.len().min(overlap)]);
        self.found = self.found || has(&self.end) || has(bytes);
        let rest = &bytes[bytes.len().min(overlap)..];
        self.end
            .extend(&rest[rest.len() - rest.len().min(overlap)..]);
        self.end.drain(..self.end.len().saturating_sub(overlap));
    }
}

/// The runs of at least [`SHORTEST_RUN`] zeros in the first `size` bytes of `file`, in order, each
/// beginning at a multiple of [`BLOCK`] and ending at one or with the file. Whether the host stores
/// them as holes makes no difference.
pub(crate) fn zero_runs(file: &File, size: u64) -> io::Result<Vec<Range<u64>>> {
    let mut runs = Vec::new();
    let mut at = 0;
    loop {
        let sample = u64::next_multiple_of(at, SAMPLE);
        if sample >= size {
            return Ok(runs);
        }
        let end = zeros_end(file, sample, size)?;
        if end == sample {
            at = sample + 1;
            continue;
        }
        let mut start = sample;
        while start > at && zeros_end(file, start - BLOCK, start)? == start {
            start -= BLOCK;
        }
        if end - start >= SHORTEST_RUN {
            runs.push(start..end);
        }
        // The block at `end` is not zero, so no run goes on there.
        at = end;
    }
}

/// Where the blocks of zeros that begin at `start` end, at most at `limit`.
fn zeros_end(file: &File, start: u64, limit: u64) -> io::Result<u64> {
    let mut block = [0; 4096];
    let mut at = start;
    while at < limit {
        let Some(data) = next_data(file, at, limit)? else {
            return Ok(limit);
        };
        // A host with smaller blocks than ours may have data in the middle of one.
        at = at.max(data / BLOCK * BLOCK);
        let length = usize::try_from((limit - at).min(BLOCK)).map_err(io::Error::other)?;
        file.read_exact_at(&mut block[..length], at)?;
        if block[..length].iter().any(|byte| *byte != 0) {
            return Ok(at);
        }
        at += length as u64;
    }
    Ok(at)
}

#[cfg(test)]
mod tests;
