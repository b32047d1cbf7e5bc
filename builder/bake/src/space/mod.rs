//! Owns asking how much room a file system has. Must not judge whether it is enough: whoever asks
//! knows what for.

use std::io;
use std::path::Path;

use rustix::fs::statvfs;

/// Bytes free for an ordinary user in the file system of `path`.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
