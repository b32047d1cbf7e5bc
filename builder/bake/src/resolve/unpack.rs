//! Owns reading compressed indexes. What apt reads and is too rare for a library of ours is read by
//! apt's own helper.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;

/// How indexes may be compressed, the best first: all that apt reads.
pub(crate) const COMPRESSIONS: [&str; 7] = [".xz", ".zst", ".gz", ".bz2", ".lzma", ".lz4", ""];
/// What decoding an `.lzma` file may take of memory.
const LZMA_MEMORY: u64 = 256 << 20;
/// Where Debian's apt has its helper.
const HELPER: &str = "/usr/lib/apt/apt-helper";

/// The plain content of `path`, which is compressed as `extension` says. `scratch` is a name that
/// may be made and goes with its folder.
pub(crate) fn open(path: &Path, extension: &str, scratch: &Path) -> io::Result<Box<dyn Read>> {
    let file = || File::open(path).map(|file| BufReader::with_capacity(1 << 16, file));
    Ok(match extension {
        ".xz" => Box::new(XzDecoder::new_multi_decoder(file()?)),
        ".lzma" => {
            let stream = Stream::new_lzma_decoder(LZMA_MEMORY)?;
            Box::new(XzDecoder::new_stream(file()?, stream))
        }
        ".zst" => Box::new(zstd::stream::read::Decoder::with_buffer(file()?)?),
        ".gz" => Box::new(flate2::bufread::MultiGzDecoder::new(file()?)),
        "" => Box::new(file()?),
        _ => Box::new(Helped::start(path, scratch)?),
    })
}

/// A file that apt's helper unpacks. It tells the compression from the name, which the cache's file
/// does not have. Whether it came to the end, the hash of what it wrote tells.
struct Helped {
    child: Child,
    output: ChildStdout,
}

impl Helped {
    fn start(path: &Path, scratch: &Path) -> io::Result<Self> {
        std::os::unix::fs::symlink(path, scratch)?;
        let mut child = Command::new(HELPER)
            .arg("cat-file")
            .arg(scratch)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        match child.stdout.take() {
            Some(output) => Ok(Self { child, output }),
            None => Err(io::Error::other("it has no output")),
        }
    }
}

impl Read for Helped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.output.read(buffer)
    }
}

impl Drop for Helped {
    fn drop(&mut self) {
        // One that has ended cannot be killed, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
