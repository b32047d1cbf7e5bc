//! Owns what a node knows: facts by number, conditions on them, lists of peers, and templates that
//! are filled in with them, each value quoted for where it goes. Must not find anything out.

use crate::bytes::{Arena, Fault, Result, Text, cut, nth, parse_number};
use crate::program::{FIELDS, NOT, mark, quote};

/// Facts by number.
#[derive(Debug)]
pub struct Facts {
    values: [Option<&'static [u8]>; 128],
    room: Arena,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            values: [None; 128],
            room: Arena::default(),
        }
    }
}

impl Facts {
    /// A fact; empty if it is not known.
    pub fn get(&self, number: u8) -> &'static [u8] {
        self.values[usize::from(number & !NOT)].unwrap_or_default()
    }

    /// Sets a fact; number 0 is nobody's.
    pub fn set(&mut self, number: u8, value: &[u8]) {
        let kept = self.keep(value);
        if number != 0 {
            self.values[usize::from(number & !NOT)] = Some(kept);
        }
    }

    /// Keeps a copy of a text.
    pub fn keep(&mut self, text: &[u8]) -> &'static [u8] {
        self.room.keep(text)
    }

    /// That there was room for everything.
    pub fn whole(&self) -> Result<()> {
        if self.room.is_lost() {
            Err(Fault::TooLong)
        } else {
            Ok(())
        }
    }

    /// Whether a fact, or with [`NOT`] its contrary, holds: it is known and not `no`.
    pub fn holds(&self, condition: u8) -> bool {
        let value = self.get(condition);
        (value.is_empty() || value == b"no") == (condition & NOT != 0)
    }

    /// Whether all conditions hold.
    pub fn all_hold(&self, conditions: &[u8]) -> bool {
        conditions.iter().all(|one| self.holds(*one))
    }

    /// Fills in a template. `item` is the current one of a list.
    pub fn expand(&self, template: &'static [u8], item: &[u8], into: &mut Text) -> Result<()> {
        let mut rest = template;
        self.fill(&mut rest, item, true, into)?;
        if rest.is_empty() {
            into.whole().map(drop)
        } else {
            Err(Fault::Damaged)
        }
    }

    /// Fills in until the end of the template or of the current block.
    fn fill(
        &self,
        rest: &mut &'static [u8],
        item: &[u8],
        is_shown: bool,
        into: &mut Text,
    ) -> Result<()> {
        while let [first, tail @ ..] = *rest {
            *rest = tail;
            match *first {
                mark::FACT => {
                    let [number, how] = take(rest)?;
                    if is_shown {
                        put(self.get(number), how, into)?;
                    }
                }
                mark::FIELD => {
                    let [number, how] = take(rest)?;
                    if is_shown {
                        put(field(item, number), how, into)?;
                    }
                }
                mark::IF => {
                    let [condition] = take(rest)?;
                    self.fill(rest, item, is_shown && self.holds(condition), into)?;
                }
                mark::EACH => {
                    let [list] = take(rest)?;
                    let body = *rest;
                    // Once without effect, to find the end.
                    self.fill(rest, b"", false, into)?;
                    let mut items = self.get(list);
                    while is_shown && !items.is_empty() {
                        let mut again = body;
                        self.fill(&mut again, cut(&mut items, b'\n'), true, into)?;
                    }
                }
                mark::END => break,
                byte => {
                    if is_shown {
                        into.push(&[byte]);
                    }
                }
            }
        }
        Ok(())
    }
}

fn take<const N: usize>(rest: &mut &'static [u8]) -> Result<[u8; N]> {
    let (taken, tail) = rest.split_first_chunk().ok_or(Fault::Damaged)?;
    *rest = tail;
    Ok(*taken)
}

/// A field of an item: one of its words, of which the last field is the first.
pub fn field(item: &[u8], number: u8) -> &[u8] {
    nth(item, b' ', usize::from(number) % FIELDS.len())
}

/// Adds a value, quoted.
pub fn put(value: &[u8], how: u8, into: &mut Text) -> Result<()> {
    match how {
        // Nothing in a value may begin another line, or be invisible.
        _ if how != quote::RAW && value.contains(&0) => return Err(Fault::Unfit),
        quote::PLAIN if value.iter().any(u8::is_ascii_control) => return Err(Fault::Unfit),
        quote::NUMBER if parse_number(value).is_none() => return Err(Fault::Unfit),
        quote::PLAIN | quote::NUMBER | quote::RAW => {
            into.push(value);
        }
        quote::PEM40 => {
            let begin = value.get(..40).ok_or(Fault::Unfit)?;
            if !begin
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
            {
                return Err(Fault::Unfit);
            }
            into.push(begin);
        }
        // What encloses the value comes first, then what a backslash goes before in it.
        quote::SQL => enclosed(value, b"'\\", into),
        quote::SHELL => enclosed(value, b"\"\\$`", into),
        quote::JSON => enclosed(value, b"\"\\\n", into),
        _ => return Err(Fault::Damaged),
    }
    Ok(())
}

/// Control characters that JSON forbids and nobody needs become spaces.
fn enclosed(value: &[u8], escaped: &[u8], into: &mut Text) {
    let mark = &escaped[..1];
    let is_json = escaped.ends_with(b"\n");
    into.push(mark);
    for byte in value {
        let mut byte = *byte;
        if escaped.contains(&byte) {
            into.push(b"\\");
            if byte == b'\n' {
                byte = b'n';
            }
        } else if is_json && byte.is_ascii_control() {
            byte = b' ';
        }
        into.push(&[byte]);
    }
    into.push(mark);
}

#[cfg(test)]
mod tests;
