//! Owns the compressions that members of a .deb may have.

use std::io::{self, BufRead, Read};

use liblzma::stream::{IGNORE_CHECK, Stream};

/// The largest dictionary that a member may ask for: what `xz -9` uses, and a little for liblzma
/// itself. Two threads with such members stay within the memory that the bake may use.
const MEMORY_LIMIT: u64 = 66 << 20;

/// Window sizes above this (`zstd --ultra` has larger ones) are refused, for the same reason.
const ZSTD_WINDOW_LOG: u32 = 26;

/// A reader of what `member` (for example `data.tar.xz`) holds, if it is `stem` with a known
/// compression.
pub(super) fn decompress<'a>(
    member: &str,
    stem: &str,
    input: impl BufRead + 'a,
) -> Option<io::Result<Box<dyn Read + 'a>>> {
    let compression = member.strip_prefix(stem)?;
    Some(match compression {
        "" => Ok(Box::new(input)),
        ".gz" => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(input))),
        ".xz" => xz(input),
        ".zst" => zstd(input),
        _ => return None,
    })
}

/// The checks inside an xz file are skipped: the SHA-256 of the whole .deb is stronger, and
/// computing CRC-64 as well costs a tenth of the time.
fn xz<'a>(input: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let stream = Stream::new_stream_decoder(MEMORY_LIMIT, IGNORE_CHECK)?;
    Ok(Box::new(liblzma::bufread::XzDecoder::new_stream(
        input, stream,
    )))
}

fn zstd<'a>(input: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(Box::new(decoder))
}
