//! Owns the reading of role programs, for people and tests: strict, so that what it takes encodes to
//! the same bytes.

use firstboot::program::{NOT, mark, op};

use super::{Action, Program, Step, Text};

/// Why bytes are no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end too soon.
    #[error("the program ends at byte {at}, in the middle of something")]
    Short {
        /// How many there are.
        at: usize,
    },
    /// There are more.
    #[error("the program goes on after its last step, at byte {at}")]
    Long {
        /// Where it should end.
        at: usize,
    },
    /// A number that means nothing there.
    #[error("the byte {byte} at {at} is not {what}")]
    Unknown {
        /// The number.
        byte: u8,
        /// Where.
        at: usize,
        /// What should be there.
        what: &'static str,
    },
}

/// Reads a program.
pub fn decode(bytes: &[u8]) -> Result<Program, DecodeError> {
    let mut from = Decoder { bytes, at: 0 };
    let mut program = Program {
        role: from.text()?,
        hook: from.text()?,
        group: from.text()?,
        primary: from.text()?,
        regions: from.list()?,
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

    fn number(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    /// The error that the byte just read is.
    fn unknown(&self, byte: u8, what: &'static str) -> DecodeError {
        let at = self.at.saturating_sub(1);
        DecodeError::Unknown { byte, at, what }
    }

    fn text(&mut self) -> Result<Text, DecodeError> {
        let start = self.at;
        let mut open = 0_usize;
        loop {
            let byte = self.byte()?;
            match byte {
                0 if open == 0 => break,
                0 => return Err(self.unknown(byte, "the end of a block")),
                mark::FACT | mark::FIELD => {
                    self.operand()?;
                    self.operand()?;
                }
                mark::EACH | mark::IF => {
                    self.operand()?;
                    open += 1;
                }
                mark::END => {
                    open = open
                        .checked_sub(1)
                        .ok_or_else(|| self.unknown(byte, "in a block"))?;
                }
                _ => {}
            }
        }
        let text = self.bytes.get(start..self.at - 1).unwrap_or_default();
        Ok(Text(text.to_vec()))
    }

    fn operand(&mut self) -> Result<(), DecodeError> {
        match self.byte()? {
            0 => Err(self.unknown(0, "what a mark in a text is about")),
            _ => Ok(()),
        }
    }

    fn list(&mut self) -> Result<Vec<Text>, DecodeError> {
        (0..self.byte()?).map(|_| self.text()).collect()
    }

    fn conditions(&mut self) -> Result<Vec<u8>, DecodeError> {
        let count = self.byte()?;
        let mut conditions = Vec::new();
        for _ in 0..count {
            let byte = self.byte()?;
            if byte & !NOT == 0 {
                return Err(self.unknown(byte, "a condition"));
            }
            conditions.push(byte);
        }
        Ok(conditions)
    }

    fn step(&mut self) -> Result<Step, DecodeError> {
        let op = self.byte()?;
        if !(op::WRITE..=op::SET).contains(&op) {
            return Err(self.unknown(op, "what a step does"));
        }
        Ok(Step {
            flags: self.byte()?,
            sets: self.byte()?,
            each: self.byte()?,
            deadline_secs: self.number()?,
            when: self.conditions()?,
            title: self.text()?,
            action: self.action(op)?,
        })
    }

    fn action(&mut self, op: u8) -> Result<Action, DecodeError> {
        Ok(match op {
            op::WRITE => Action::Write {
                mode: self.number()?,
                owner: self.text()?,
                path: self.text()?,
                content: self.text()?,
            },
            op::RUN => Action::Run {
                argv: self.list()?,
                stdin: self.text()?,
                unless: self.list()?,
            },
            op::WAIT => Action::Wait {
                argv: self.list()?,
                stdin: self.text()?,
                expect: self.text()?,
            },
            op::CLAIM => Action::Claim {
                key: self.text()?,
                token: self.text()?,
                may_claim: self.conditions()?,
            },
            op::SECRETS => Action::Secrets {
                names: self.list()?,
            },
            op::PEERS => Action::Peers {
                scope: self.byte()?,
                role: self.text()?,
                at_least: self.text()?,
            },
            op::VOLUME => Action::Volume {
                mount: self.text()?,
                filesystem: self.text()?,
            },
            op::START => Action::Start {
                units: self.list()?,
            },
            op::REPORT => Action::Report {
                members: self.text()?,
            },
            _ => Action::Set {
                compare: self.truth()?,
                text: self.text()?,
                equals: self.text()?,
            },
        })
    }

    fn truth(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.unknown(other, "0 or 1")),
        }
    }
}
