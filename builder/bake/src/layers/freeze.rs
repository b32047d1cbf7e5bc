//! Owns freezing a finished layer: no time in it is later than the lock's. Must run on the layer's
//! own directory, not through the overlay, where touching a file would copy it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

/// Clamps the modification and access times of everything below `directory` to `epoch`.
pub fn freeze(directory: &Path, epoch: i64) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            freeze(&entry.path(), epoch)?;
        } else {
            clamp(&entry.path(), epoch)?;
        }
    }
    clamp(directory, epoch)
}

fn clamp(path: &Path, epoch: i64) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    let later = |seconds: i64, nanos: i64| seconds > epoch || (seconds == epoch && nanos > 0);
    if !later(metadata.mtime(), metadata.mtime_nsec()) {
        return Ok(());
    }
    let time = Timespec {
        tv_sec: epoch,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::freeze;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::time::{Duration, SystemTime};

    #[test]
    fn later_times_are_clamped_and_earlier_ones_kept() {
        let root = tempfile::tempdir().expect("temporary directory");
        let path = |name: &str| root.path().join(name);
        fs::create_dir(path("d")).expect("mkdir");
        fs::write(path("d/new"), "x").expect("write");
        symlink("nowhere", path("d/link")).expect("link");
        let old = fs::File::create(path("d/old")).expect("create");
        old.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1000))
            .expect("set time");
        freeze(root.path(), 1_000_000).expect("freeze");
        let mtime = |name: &str| fs::symlink_metadata(path(name)).expect("stat").mtime();
        assert_eq!(
            [mtime("d"), mtime("d/new"), mtime("d/link"), mtime("d/old")],
            [1_000_000, 1_000_000, 1_000_000, 1000]
        );
    }
}
