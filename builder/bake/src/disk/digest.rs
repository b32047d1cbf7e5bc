//! Owns the digests of finished files, in parallel.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::num::NonZero;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use sha2::{Digest, Sha256};

use super::error::DiskError;
use crate::sparse::read_bytes;

/// What a finished file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDigest {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The bytes that it takes on disk.
    pub allocated: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Digests `files` on all processors and returns the results in the same order.
pub fn digest_files(files: &[&Path]) -> Result<Vec<FileDigest>, DiskError> {
    let queue: Mutex<VecDeque<usize>> = Mutex::new((0..files.len()).collect());
    let next = || {
        queue
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .pop_front()
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut results: Vec<(usize, Result<FileDigest, DiskError>)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(files.len()))
            .map(|_| {
                scope.spawn(|| {
                    std::iter::from_fn(next)
                        .map(|index| (index, digest_file(files[index])))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Digests one file. Holes are not read.
pub fn digest_file(path: &Path) -> Result<FileDigest, DiskError> {
    let fail = || DiskError::io("read", path);
    let file = File::open(path).map_err(fail())?;
    let metadata = file.metadata().map_err(fail())?;
    let sha256 = hash(&file, metadata.size()).map_err(fail())?;
    Ok(FileDigest {
        path: path.to_owned(),
        size: metadata.size(),
        allocated: metadata.blocks() * 512,
        sha256,
    })
}

fn hash(file: &File, size: u64) -> io::Result<String> {
    let mut hasher = Sha256::new();
    read_bytes(file, size, &mut |bytes| hasher.update(bytes))?;
    Ok(hex::encode(hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::{digest_files, hash};
    use std::fs;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_sparse_file_has_the_digest_of_its_content() {
        let sparse = tempfile::tempfile().unwrap();
        sparse.set_len(5_000_000).unwrap();
        sparse.write_all_at(b"content", 2_500_000).unwrap();
        let full = tempfile::tempfile().unwrap();
        full.write_all_at(&vec![0; 5_000_000], 0).unwrap();
        full.write_all_at(b"content", 2_500_000).unwrap();
        let digest = hash(&sparse, 5_000_000).unwrap();
        assert_eq!(digest, hash(&full, 5_000_000).unwrap());
        assert_ne!(digest, hash(&sparse, 4_999_999).unwrap());
    }

    #[test]
    fn digests_come_in_the_order_of_the_files() {
        let directory = tempfile::tempdir().unwrap();
        let (abc, empty) = (directory.path().join("abc"), directory.path().join("empty"));
        fs::write(&abc, "abc").unwrap();
        fs::write(&empty, "").unwrap();
        let digests = digest_files(&[&abc, &empty, &abc]).unwrap();
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let of_empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let sums: Vec<&str> = digests
            .iter()
            .map(|digest| digest.sha256.as_str())
            .collect();
        assert_eq!(sums, [of_abc, of_empty, of_abc]);
        assert_eq!(digests[0].size, 3);
        let missing = directory.path().join("missing");
        let error = digest_files(&[&abc, &missing]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot read `{}`", missing.display())
        );
    }
}
