//! Owns what an operator reads: one line per event on standard output, which systemd shows on the
//! console and keeps in its journal.

use crate::sys;

/// The longest line, in bytes.
const LONGEST: usize = 1024;

/// Writes a line; what could move the cursor is shown as `?`.
pub fn say(text: &[u8]) {
    let mut line = [0; LONGEST];
    let begin = b"vmimage: ";
    line[..begin.len()].copy_from_slice(begin);
    let mut length = begin.len();
    for byte in text {
        // One place stays for the end of the line.
        if length + 1 < LONGEST {
            line[length] = if byte.is_ascii_control() { b'?' } else { *byte };
            length += 1;
        }
    }
    line[length] = b'\n';
    // Without a console there is nobody to tell.
    let _unread = sys::write_all(1, &line[..=length]);
}
