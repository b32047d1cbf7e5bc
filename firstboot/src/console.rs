//! Owns what an operator reads: one line per event on standard output, which systemd shows on the
//! console and keeps in the journal.

use crate::sys;

/// A line that is written, whole, when it goes out of scope.
#[derive(Debug)]
pub struct Line {
    bytes: [u8; 1024],
    length: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Line {
    /// Begins a line.
    pub fn new() -> Self {
        let mut line = Self {
            bytes: [0; 1024],
            length: 0,
        };
        line.text(b"vmimage: ");
        line
    }

    /// Adds text; what could move the cursor is shown as `?`.
    pub fn text(&mut self, text: &[u8]) -> &mut Self {
        for byte in text {
            // One place stays for the end of the line.
            if self.length + 1 < self.bytes.len() {
                self.bytes[self.length] = if byte.is_ascii_control() { b'?' } else { *byte };
                self.length += 1;
            }
        }
        self
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        if number > 9 {
            self.number(number / 10);
        }
        self.text(&[b'0' + (number % 10) as u8])
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bytes[self.length] = b'\n';
        // Without a console there is nobody to tell.
        let _unread = sys::write_all(1, &self.bytes[..=self.length]);
    }
}
