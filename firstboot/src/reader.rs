//! Owns reading role programs, whose format is in [`crate::program`]. Must not trust them: what a
//! damaged one lacks is empty, and no operation has number 0.

use crate::bytes::{Hash, cut, parse_number};
use crate::program::{HEADER_FIELDS, STEP_FIELDS};

/// What is left of a program.
pub type Reader = &'static [u8];

/// What stands before the steps: role, lifecycle hook, Auto Scaling group, region of the state, all
/// regions, where AWS is, how many steps there are.
pub type Header = [&'static [u8]; HEADER_FIELDS];

fn fields<const N: usize>(from: &mut Reader) -> [&'static [u8]; N] {
    let mut fields = [&b""[..]; N];
    for field in &mut fields {
        *field = cut(from, 0);
    }
    fields
}

/// Reads the header.
pub fn header(from: &mut Reader) -> Header {
    fields(from)
}

/// One step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    /// Operation, flags, first fact that it sets, list for whose items it is repeated.
    pub numbers: [u8; 4],
    /// Deadline, when, title and what the operation has.
    pub fields: [&'static [u8]; STEP_FIELDS],
    /// Tells its text from that of other steps.
    pub hash: Hash,
}

impl Step {
    /// Reads the next one.
    pub fn read(from: &mut Reader) -> Self {
        let begin = *from;
        let mut numbers = [0; 4];
        if let Some((first, rest)) = begin.split_first_chunk() {
            (numbers, *from) = (*first, rest);
        }
        let fields = fields(from);
        let mut hash = Hash::new();
        hash.add(&begin[..begin.len() - from.len()]);
        Self {
            numbers,
            fields,
            hash,
        }
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.numbers[1] & flag != 0
    }

    /// How long it may take, in seconds.
    pub fn deadline_secs(&self) -> u64 {
        parse_number(self.fields[0]).unwrap_or(0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, header};

    const HEADER: &[u8] = b"web\0h\0g\0p\0a\nb\0\x0012\0";
    const STEP: &[u8] = b"\x02\x05\x20\x21300\0\x20\0title\0x\x7f\0\0\0\0\0rest";

    #[test]
    fn a_program_is_read_as_it_was_written() {
        let mut reader = HEADER;
        assert_eq!(
            header(&mut reader),
            [&b"web"[..], b"h", b"g", b"p", b"a\nb", b"", b"12"]
        );
        assert_eq!(reader, b"");
        let mut reader = STEP;
        let step = Step::read(&mut reader);
        assert_eq!(
            (step.numbers, step.deadline_secs(), reader),
            ([2, 5, 32, 33], 300, &b"rest"[..])
        );
        assert_eq!(
            step.fields,
            [&b"300"[..], b"\x20", b"title", b"x\x7f", b"", b"", b"", b""]
        );
        assert!(step.has(4) && !step.has(2));
    }

    #[test]
    fn what_a_damaged_program_lacks_is_empty() {
        for length in 0..STEP.len() {
            let mut reader = &STEP[..length];
            let step = Step::read(&mut reader);
            assert!(length >= 4 || step.numbers[0] == 0, "{length}");
        }
    }
}
