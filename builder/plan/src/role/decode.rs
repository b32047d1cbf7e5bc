//! Owns the reading of role programs, for people and tests: strict, so that what it takes encodes to
//! the same bytes.

use firstboot::program::op;

use super::{Program, Step};

/// Why bytes are no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end too soon.
    #[error("the program ends at byte {at}, in the middle of something")]
    Short {
        /// Where what is cut off begins.
        at: usize,
    },
    /// There are more.
    #[error("the program goes on after its last step, at byte {at}")]
    Long {
        /// Where it should end.
        at: usize,
    },
    /// A number that is no operation.
    #[error("the byte {byte} at {at} is not what a step does")]
    Unknown {
        /// The number.
        byte: u8,
        /// Where.
        at: usize,
    },
}

/// Reads a program.
pub fn decode(bytes: &[u8]) -> Result<Program, DecodeError> {
    let mut from = Decoder { bytes, at: 0 };
    let mut program = Program::default();
    for field in &mut program.header {
        *field = from.field()?;
    }
    for _ in 0..from.number()? {
        program.steps.push(from.step()?);
    }
    if from.at < bytes.len() {
        return Err(DecodeError::Long { at: from.at });
    }
    Ok(program)
}

struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let taken = self.bytes.get(self.at..self.at + count);
        let taken = taken.ok_or(DecodeError::Short { at: self.at })?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    fn field(&mut self) -> Result<Vec<u8>, DecodeError> {
        let length = self.number()?;
        Ok(self.take(length.into())?.to_vec())
    }

    fn step(&mut self) -> Result<Step, DecodeError> {
        let at = self.at;
        let byte = self.byte()?;
        if !(op::WRITE..=op::FAIL).contains(&byte) {
            return Err(DecodeError::Unknown { byte, at });
        }
        let mut step = Step {
            op: byte,
            flags: self.byte()?,
            sets: self.byte()?,
            each: self.byte()?,
            deadline_secs: self.number()?,
            when: self.field()?,
            title: self.field()?,
            ..Step::default()
        };
        for field in &mut step.fields {
            *field = self.field()?;
        }
        Ok(step)
    }
}
