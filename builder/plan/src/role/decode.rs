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
    /// What should be a number of at most 65535 is none.
    #[error("there is no number at byte {at}")]
    NoNumber {
        /// Where.
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
    let mut program = Program {
        role: from.field()?,
        hook: from.field()?,
        group: from.field()?,
        primary: from.field()?,
        regions: from.field()?,
        endpoint: from.field()?,
        steps: Vec::new(),
    };
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

impl Decoder<'_> {
    fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = self.bytes.get(self.at).copied();
        let byte = byte.ok_or(DecodeError::Short { at: self.at })?;
        self.at += 1;
        Ok(byte)
    }

    fn field(&mut self) -> Result<Vec<u8>, DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == 0);
        let length = length.ok_or(DecodeError::Short { at: self.at })?;
        self.at += length + 1;
        Ok(rest[..length].to_vec())
    }

    /// A decimal number as it is written: without zeros before it, and nothing for 0.
    fn number(&mut self) -> Result<u16, DecodeError> {
        let at = self.at;
        let digits = self.field()?;
        let number = match &digits[..] {
            [] => Some(0),
            [b'1'..=b'9', ..] => std::str::from_utf8(&digits)
                .ok()
                .and_then(|d| d.parse().ok()),
            _ => None,
        };
        number.ok_or(DecodeError::NoNumber { at })
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
