//! Owns reading role programs, whose format is in [`crate::program`]. Must not trust them: a damaged
//! one ends with [`Fault::Damaged`].

use crate::bytes::{Fault, Hash, Result};
use crate::program::op;

/// What is left of a program.
#[derive(Clone, Copy, Debug)]
pub struct Reader(pub &'static [u8]);

impl Reader {
    /// A number of one byte.
    pub fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.0.split_first().ok_or(Fault::Damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    /// A number of two bytes.
    pub fn short(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    /// Text in template encoding.
    pub fn text(&mut self) -> Result<&'static [u8]> {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(Fault::Damaged)?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    /// So many bytes as their count says.
    pub fn counted(&mut self) -> Result<&'static [u8]> {
        let count = usize::from(self.byte()?);
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Fault::Damaged)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Several texts.
    pub fn list(&mut self) -> Result<List> {
        let count = self.byte()?;
        let begin = *self;
        for _ in 0..count {
            self.text()?;
        }
        Ok(List {
            count,
            texts: begin,
        })
    }
}

/// Several texts.
#[derive(Clone, Copy, Debug)]
pub struct List {
    count: u8,
    texts: Reader,
}

impl List {
    /// None.
    pub const EMPTY: Self = Self {
        count: 0,
        texts: Reader(b""),
    };

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Iterator for List {
    type Item = &'static [u8];

    fn next(&mut self) -> Option<&'static [u8]> {
        self.count = self.count.checked_sub(1)?;
        self.texts.text().ok()
    }
}

/// What stands before the steps.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// The role that the launch template is for.
    pub role: &'static [u8],
    /// The lifecycle hook at launch.
    pub hook: &'static [u8],
    /// The role's Auto Scaling group, without a slot.
    pub group: &'static [u8],
    /// The region of the cluster's state.
    pub primary: &'static [u8],
    /// All regions of the fleet.
    pub regions: List,
    /// How many steps follow.
    pub steps: u16,
}

impl Header {
    /// Reads it.
    pub fn read(from: &mut Reader) -> Result<Self> {
        Ok(Self {
            role: from.text()?,
            hook: from.text()?,
            group: from.text()?,
            primary: from.text()?,
            regions: from.list()?,
            steps: from.short()?,
        })
    }
}

/// One step. What the fields hold depends on `op`; see [`crate::program`] for their order.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it does.
    pub op: u8,
    /// How it is done.
    pub flags: u8,
    /// The first fact that it sets.
    pub out: u8,
    /// The list for whose items it is repeated.
    pub each: u8,
    /// How long it may take, in seconds.
    pub deadline_secs: u16,
    /// What must hold.
    pub when: &'static [u8],
    /// What the console shows.
    pub title: &'static [u8],
    /// Mode, scope or whether texts are compared.
    pub number: u16,
    /// Its texts, in order.
    pub texts: [&'static [u8]; 3],
    /// Its lists, in order.
    pub lists: [List; 2],
    /// What must hold for this node to claim.
    pub may_claim: &'static [u8],
    /// Tells its text from that of other steps.
    pub hash: Hash,
}

/// The fields of an operation: `b` a number of one byte, `h` of two, `s` a text, `l` a list, `c`
/// conditions.
fn fields(operation: u8) -> Result<&'static [u8]> {
    Ok(match operation {
        op::WRITE => b"hsss",
        op::RUN => b"lsl",
        op::WAIT => b"lss",
        op::CLAIM => b"ssc",
        op::SECRETS | op::START => b"l",
        op::PEERS | op::SET => b"bss",
        op::VOLUME => b"ss",
        op::REPORT => b"s",
        _ => return Err(Fault::Damaged),
    })
}

impl Step {
    /// Reads the next one.
    pub fn read(from: &mut Reader) -> Result<Self> {
        let begin = from.0;
        let mut step = Self {
            op: from.byte()?,
            flags: from.byte()?,
            out: from.byte()?,
            each: from.byte()?,
            deadline_secs: from.short()?,
            when: from.counted()?,
            title: from.text()?,
            number: 0,
            texts: [b""; 3],
            lists: [List::EMPTY; 2],
            may_claim: b"",
            hash: Hash::new(),
        };
        let (mut texts, mut lists) = (step.texts.iter_mut(), step.lists.iter_mut());
        for field in fields(step.op)? {
            match field {
                b'b' => step.number = from.byte()?.into(),
                b'h' => step.number = from.short()?,
                b'c' => step.may_claim = from.counted()?,
                b's' => {
                    let text = from.text()?;
                    texts.next().into_iter().for_each(|place| *place = text);
                }
                _ => {
                    let list = from.list()?;
                    lists.next().into_iter().for_each(|place| *place = list);
                }
            }
        }
        step.hash.add(&begin[..begin.len() - from.0.len()]);
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use super::{Header, Reader, Step};

    const HEADER: &[u8] = b"web\0hook\0c-web\0us-east-1\0\x02a\0b\0\x01\0";
    const RUN: &[u8] =
        b"\x02\x05\x20\x21\x2c\x01\x02\x20\xa1title\0\x02prog\0\x01\x20\x01\0in\0\x01test\0";

    #[test]
    fn a_program_is_read_as_it_was_written() {
        let mut reader = Reader(HEADER);
        let header = Header::read(&mut reader).unwrap();
        assert_eq!(
            (header.role, header.hook, header.group),
            (&b"web"[..], &b"hook"[..], &b"c-web"[..])
        );
        assert_eq!(
            (header.primary, header.steps, reader.0.len()),
            (&b"us-east-1"[..], 1, 0)
        );
        assert_eq!(header.regions.collect::<Vec<_>>(), [b"a", b"b"]);
        let mut reader = Reader(RUN);
        let step = Step::read(&mut reader).unwrap();
        assert_eq!(
            (step.op, step.flags, step.out, step.each, step.deadline_secs),
            (2, 5, 32, 33, 300)
        );
        assert_eq!(
            (step.when, step.title, step.texts[0]),
            (&b"\x20\xa1"[..], &b"title"[..], &b"in"[..])
        );
        assert_eq!(
            step.lists[0].collect::<Vec<_>>(),
            [&b"prog"[..], b"\x01\x20\x01"]
        );
        assert_eq!(step.lists[1].collect::<Vec<_>>(), [b"test"]);
        assert!(reader.0.is_empty());
    }

    #[test]
    fn a_damaged_program_is_refused_wherever_it_ends() {
        for (bytes, read) in [
            (
                HEADER,
                (|reader| Header::read(reader).is_ok()) as fn(&mut Reader) -> bool,
            ),
            (RUN, |reader| Step::read(reader).is_ok()),
        ] {
            for length in 0..bytes.len() {
                assert!(!read(&mut Reader(&bytes[..length])), "{length}");
            }
        }
        assert!(
            Step::read(&mut Reader(b"\x0b\0\0\0\0\0\0t\0")).is_err(),
            "no such operation"
        );
    }
}
