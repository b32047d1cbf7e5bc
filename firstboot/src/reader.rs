//! Owns reading role programs, whose format is in [`crate::program`]. Must not trust them: a damaged
//! one ends with [`Fault::Damaged`].

use crate::bytes::{Fault, Hash, Result};
use crate::program::{HEADER_FIELDS, STEP_FIELDS};

/// What is left of a program.
#[derive(Clone, Copy, Debug)]
pub struct Reader(pub &'static [u8]);

impl Reader {
    /// So many bytes.
    fn take(&mut self, count: usize) -> Result<&'static [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Fault::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number of two bytes.
    fn short(&mut self) -> Result<u16> {
        let bytes = self.take(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn fields(&mut self, into: &mut [&'static [u8]]) -> Result<()> {
        for field in into {
            let length = self.short()?;
            *field = self.take(length.into())?;
        }
        Ok(())
    }
}

/// What stands before the steps.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Role, lifecycle hook, Auto Scaling group without a slot, region of the state, all regions.
    pub fields: [&'static [u8]; HEADER_FIELDS],
    /// How many steps follow.
    pub steps: u16,
}

impl Header {
    /// Reads it.
    pub fn read(from: &mut Reader) -> Result<Self> {
        let mut fields = [&b""[..]; HEADER_FIELDS];
        from.fields(&mut fields)?;
        let steps = from.short()?;
        Ok(Self { fields, steps })
    }
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Operation, flags, first fact that it sets, list for whose items it is repeated.
    pub numbers: [u8; 4],
    /// How long it may take, in seconds.
    pub deadline_secs: u16,
    /// When, title and what the operation has.
    pub fields: [&'static [u8]; STEP_FIELDS],
    /// Tells its text from that of other steps.
    pub hash: Hash,
}

impl Step {
    /// Reads the next one.
    pub fn read(from: &mut Reader) -> Result<Self> {
        let begin = from.0;
        let numbers = from.take(4)?;
        let numbers = [numbers[0], numbers[1], numbers[2], numbers[3]];
        let deadline_secs = from.short()?;
        let mut fields = [&b""[..]; STEP_FIELDS];
        from.fields(&mut fields)?;
        let mut hash = Hash::new();
        hash.add(&begin[..begin.len() - from.0.len()]);
        Ok(Self {
            numbers,
            deadline_secs,
            fields,
            hash,
        })
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.numbers[1] & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Header, Reader, Step};

    const HEADER: &[u8] = b"\x03\0web\x01\0h\x01\0g\x01\0p\x03\0a\nb\x01\x02";
    const STEP: &[u8] = b"\x02\x05\x20\x21\x2c\x01\x01\0\x20\x05\0title\x02\0x\0\0\0\0\0\0\0\0\0";

    #[test]
    fn a_program_is_read_as_it_was_written() {
        let mut reader = Reader(HEADER);
        let header = Header::read(&mut reader).unwrap();
        assert_eq!(header.fields, [&b"web"[..], b"h", b"g", b"p", b"a\nb"]);
        assert_eq!((header.steps, reader.0.len()), (0x201, 0));
        let mut reader = Reader(STEP);
        let step = Step::read(&mut reader).unwrap();
        assert_eq!((step.numbers, step.deadline_secs), ([2, 5, 32, 33], 300));
        assert_eq!(
            step.fields,
            [&b"\x20"[..], b"title", b"x\0", b"", b"", b"", b""]
        );
        assert!(reader.0.is_empty() && step.has(4) && !step.has(2));
    }

    #[test]
    fn a_damaged_program_is_refused_wherever_it_ends() {
        for length in 0..HEADER.len() {
            assert!(
                Header::read(&mut Reader(&HEADER[..length])).is_err(),
                "{length}"
            );
        }
        for length in 0..STEP.len() {
            assert!(
                Step::read(&mut Reader(&STEP[..length])).is_err(),
                "{length}"
            );
        }
    }
}
