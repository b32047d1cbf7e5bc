//! Owns writing a .deb once more without compression, while it is read: dpkg then need not spend the
//! time that reading it has taken already.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// How much is written at once.
const WRITE_SIZE: usize = 128 << 10;

/// A .deb that is being written.
pub(super) struct UncompressedCopy {
    output: BufWriter<File>,
    /// Where the data member's header is, which has its size.
    header: u64,
    size: u64,
}

impl UncompressedCopy {
    /// Writes everything before the data member's content.
    pub(super) fn begin(path: &Path, control_tar: &[u8]) -> io::Result<Self> {
        let mut output = BufWriter::with_capacity(WRITE_SIZE, File::create(path)?);
        output.write_all(b"!<arch>\n")?;
        for (name, content) in [
            ("debian-binary", b"2.0\n".as_slice()),
            ("control.tar", control_tar),
        ] {
            output.write_all(&header(name, content.len() as u64))?;
            output.write_all(content)?;
            pad(&mut output, content.len() as u64)?;
        }
        let place = output.stream_position()?;
        output.write_all(&header("data.tar", 0))?;
        Ok(Self {
            output,
            header: place,
            size: 0,
        })
    }

    /// Writes what is known when the content has been.
    pub(super) fn finish(mut self) -> io::Result<()> {
        pad(&mut self.output, self.size)?;
        self.output.seek(SeekFrom::Start(self.header))?;
        self.output.write_all(&header("data.tar", self.size))?;
        self.output.flush()
    }
}

impl Write for UncompressedCopy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// The 60 bytes before a member of an ar archive: name, time, owner, group, mode, size.
fn header(name: &str, size: u64) -> Vec<u8> {
    format!(
        "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n",
        0, 0, 0, "100644"
    )
    .into_bytes()
}

/// Members begin at even places.
fn pad(output: &mut impl Write, size: u64) -> io::Result<()> {
    if size.is_multiple_of(2) {
        Ok(())
    } else {
        output.write_all(b"\n")
    }
}

/// Reads, and writes what was read.
pub(super) struct Copying<'a, R> {
    pub(super) input: R,
    pub(super) copy: &'a mut dyn Write,
}

impl<R: Read> Read for Copying<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.copy
            .write_all(buffer.get(..count).unwrap_or_default())
            .map_err(|error| {
                let text = format!("what was read cannot be written: {error}");
                io::Error::new(error.kind(), text)
            })?;
        Ok(count)
    }
}
