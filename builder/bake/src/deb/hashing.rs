//! Owns hashing a file while it is read.

use std::fs::File;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// Hashes what is read.
pub(super) struct Hashing {
    file: File,
    digest: Sha256,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if let Some(read) = buffer.get(..count) {
            self.digest.update(read);
        }
        Ok(count)
    }
}

impl Hashing {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            digest: Sha256::new(),
        }
    }

    /// The SHA-256 of what was read, in hexadecimal.
    pub(super) fn finish(self) -> String {
        hex::encode(self.digest.finalize())
    }
}
