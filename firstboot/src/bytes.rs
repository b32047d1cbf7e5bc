//! Owns bytes without an allocator: buffers that are filled, memory that is given out once, searching
//! and numbers.

use crate::sys;

/// What could not be done. What it is about stands in the node's detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A value did not fit into its room.
    TooLong,
    /// A role program does not follow its own format.
    Damaged,
    /// A value cannot be put where a template has it.
    Unfit,
    /// A file, a process or memory was refused by the kernel.
    System,
    /// No space is left on a disk.
    NoSpace,
    /// There is no metadata service.
    NoMetadata,
    /// The metadata service refuses.
    NoAccess,
    /// What the metadata service says is not what it should be.
    Strange,
    /// Tags cannot be read.
    NoTags,
    /// A tag is missing.
    NoTag,
    /// A tag's value is not one that it can have.
    WrongTag,
    /// There is nobody's credentials.
    NoProfile,
    /// AWS does not answer, or not yet.
    Unanswered,
    /// AWS refuses.
    Refused,
    /// A program failed.
    Failed,
    /// A program's time was over.
    Late,
    /// Something did not come to hold in time.
    NotInTime,
    /// What the role program says itself.
    Said,
}

impl Fault {
    /// In words, which go before what it is about.
    pub fn words(self) -> &'static [u8] {
        nth(WORDS, b'\n', self as usize)
    }
}

/// In the order of the faults.
const WORDS: &[u8] = b"too long: 
the role program is damaged: 
a value does not fit where it goes: 
cannot write or start: 
no space is left to write 
the metadata service does not answer: 
the metadata service is disabled for this instance: 
the metadata service does not say what it should: 
tags cannot be read, InstanceMetadataTags is not enabled: 
the instance has no tag 
a tag has no fitting value: 
there is no instance profile, so there are no credentials: 
AWS did not do in time what it was asked: 
AWS refuses: 
a program failed: 
a program was killed because its time was over: 
not in time: 
";

/// The result of what may fail.
pub type Result<T> = core::result::Result<T, Fault>;

/// Room of a text, in bytes: a page of a hundred instances has at most 700 KB. What is not touched
/// needs no memory.
const ROOM: usize = 1 << 20;

/// A buffer that is filled from the front. What does not fit is lost, and [`Text::whole`] says so.
#[derive(Debug, Default)]
pub struct Text {
    bytes: Option<&'static mut [u8]>,
    length: usize,
    is_lost: bool,
}

impl Text {
    fn room(&mut self) -> &mut [u8] {
        self.bytes.get_or_insert_with(|| sys::memory(ROOM))
    }

    /// Empties it.
    pub fn clear(&mut self) -> &mut Self {
        self.cut(0);
        self.is_lost = false;
        self
    }

    /// Forgets what comes after the first `length` bytes.
    pub fn cut(&mut self, length: usize) {
        self.length = length.min(self.length);
    }

    /// Adds bytes.
    pub fn push(&mut self, more: &[u8]) -> &mut Self {
        let begin = self.length;
        let end = begin + more.len();
        match self.room().get_mut(begin..end) {
            Some(room) => {
                room.copy_from_slice(more);
                self.length = end;
            }
            None => self.is_lost = true,
        }
        self
    }

    /// Adds bytes that somebody reads: a space in the place of each control character.
    pub fn push_shown(&mut self, more: &[u8]) -> &mut Self {
        for byte in more {
            self.push(&[if byte.is_ascii_control() { b' ' } else { *byte }]);
        }
        self
    }

    /// Adds a number in decimal.
    pub fn number(&mut self, number: u64) -> &mut Self {
        if number > 9 {
            self.number(number / 10);
        }
        self.push(&[b'0' + (number % 10) as u8])
    }

    /// Adds 64 bits as 16 hexadecimal digits.
    pub fn hex(&mut self, number: u64) -> &mut Self {
        for place in (0..16).rev() {
            let digit = (number >> (place * 4)) as u8 & 15;
            self.push(&[digit + if digit < 10 { b'0' } else { b'a' - 10 }]);
        }
        self
    }

    /// What is in it.
    pub fn get(&self) -> &[u8] {
        match &self.bytes {
            Some(bytes) => &bytes[..self.length],
            None => b"",
        }
    }

    /// What is in it, if nothing was lost.
    pub fn whole(&self) -> Result<&[u8]> {
        if self.is_lost {
            Err(Fault::TooLong)
        } else {
            Ok(self.get())
        }
    }

    /// Fills it with what a file holds, from its beginning.
    pub fn read_from(&mut self, file: sys::Fd) -> Result<()> {
        self.clear();
        let read = sys::read_all(file, self.room());
        self.length = read.map_err(|_errno| Fault::System)?;
        self.is_lost = self.length == ROOM;
        self.whole().map(drop)
    }
}

/// How much all that is kept may have, in bytes.
const KEPT: usize = 1 << 23;

/// Memory that is given out from the front and never taken back. What does not fit is lost, and
/// [`Arena::is_lost`] says so.
#[derive(Debug, Default)]
pub struct Arena {
    free: Option<&'static mut [u8]>,
    is_lost: bool,
}

impl Arena {
    /// Keeps a copy.
    pub fn keep(&mut self, bytes: &[u8]) -> &'static [u8] {
        let all = self.free.take().unwrap_or_else(|| sys::memory(KEPT));
        let Some((own, rest)) = all.split_at_mut_checked(bytes.len()) else {
            self.is_lost = true;
            return b"";
        };
        own.copy_from_slice(bytes);
        self.free = Some(rest);
        own
    }

    /// Whether something was lost.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }
}

/// Where `needle` begins; nothing begins nowhere.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = needle.first()?;
    // Comparing as a whole at every byte would be most of the engine's time.
    (0..haystack.len()).find(|at| haystack[*at] == *first && haystack[*at..].starts_with(needle))
}

/// What comes before and after the first `separator`; all and nothing without one.
pub fn split<'b>(bytes: &'b [u8], separator: &[u8]) -> (&'b [u8], &'b [u8]) {
    match find(bytes, separator) {
        Some(at) => (&bytes[..at], &bytes[at + separator.len()..]),
        None => (bytes, b""),
    }
}

/// Takes what comes before the first `separator`, and the separator; all without one.
pub fn cut<'b>(rest: &mut &'b [u8], separator: u8) -> &'b [u8] {
    let (first, tail) = split(rest, &[separator]);
    *rest = tail;
    first
}

/// The piece of that number, counted from 0; empty if there are fewer.
pub fn nth(mut rest: &[u8], separator: u8, number: usize) -> &[u8] {
    for _ in 0..number {
        cut(&mut rest, separator);
    }
    cut(&mut rest, separator)
}

/// The last line that says anything.
pub fn last_line(text: &[u8]) -> &[u8] {
    let mut rest = text.trim_ascii();
    let mut last = rest;
    while !rest.is_empty() {
        last = cut(&mut rest, b'\n');
    }
    last
}

/// What lies between the first `open` and the next `close`.
pub fn between<'b>(bytes: &'b [u8], open: &[u8], close: &[u8]) -> Option<&'b [u8]> {
    let begin = find(bytes, open)? + open.len();
    let rest = &bytes[begin..];
    Some(&rest[..find(rest, close)?])
}

/// A decimal number of 32 bits, which the address of a node is too.
pub fn parse_number(digits: &[u8]) -> Option<u32> {
    let mut number = 0_u32;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number.checked_mul(10)?.checked_add((digit - b'0').into())?;
    }
    (!digits.is_empty()).then_some(number)
}

/// Whether a value is not empty, has at most 255 bytes and consists of ASCII letters, digits and
/// `extra`, the first a letter or digit.
pub fn is_word(value: &[u8], extra: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || extra.contains(byte);
    value.first().is_some_and(u8::is_ascii_alphanumeric)
        && value.len() <= 255
        && value.iter().all(fits)
}

/// FNV-1a in 64 bits: tells steps apart, protects nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hash(pub u64);

impl Hash {
    /// Of nothing yet.
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Takes bytes in.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Arena, Fault, Hash, Text, between, cut, find, is_word, last_line, parse_number, split,
    };

    #[test]
    fn a_buffer_says_when_something_was_lost() {
        let mut text = Text::default();
        assert_eq!(text.get(), b"");
        text.push(b"a").number(0).number(120).push(b"-");
        assert_eq!(text.whole(), Ok(&b"a0120-"[..]));
        text.push(&vec![b'x'; (1 << 20) - 5]);
        assert_eq!(
            (text.whole(), text.get()),
            (Err(Fault::TooLong), &b"a0120-"[..])
        );
        text.clear().hex(0x0123_4567_89ab_cdef);
        assert_eq!(text.whole(), Ok(&b"0123456789abcdef"[..]));
    }

    #[test]
    fn memory_is_given_out_once() {
        let mut arena = Arena::default();
        let (one, two) = (arena.keep(b"abcd"), arena.keep(b"efgh"));
        assert_eq!(
            (one, two, arena.is_lost()),
            (&b"abcd"[..], &b"efgh"[..], false)
        );
        assert_eq!(
            (arena.keep(&vec![0; (1 << 23) - 7]), arena.is_lost()),
            (&b""[..], true)
        );
    }

    #[test]
    fn every_fault_has_its_words() {
        assert_eq!(Fault::TooLong.words(), b"too long: ");
        assert_eq!(Fault::NotInTime.words(), b"not in time: ");
        assert_eq!(Fault::Said.words(), b"");
    }

    #[test]
    fn bytes_are_found_and_split() {
        assert_eq!(
            (find(b"abcabc", b"ca"), find(b"ab", b"abc")),
            (Some(2), None)
        );
        assert_eq!(split(b"a=b=c", b"="), (&b"a"[..], &b"b=c"[..]));
        assert_eq!(split(b"abc", b"="), (&b"abc"[..], &b""[..]));
        let mut rest = &b"a b"[..];
        assert_eq!(
            (
                cut(&mut rest, b' '),
                cut(&mut rest, b' '),
                cut(&mut rest, b' ')
            ),
            (&b"a"[..], &b"b"[..], &b""[..])
        );
        assert_eq!(
            (last_line(b"a\nb \n\n"), last_line(b" ")),
            (&b"b"[..], &b""[..])
        );
        assert_eq!(
            between(b"<a>1</a><a>2</a>", b"<a>", b"</a>"),
            Some(&b"1"[..])
        );
        assert_eq!(between(b"<a>1", b"<a>", b"</a>"), None);
        assert_eq!(parse_number(b"007"), Some(7));
        assert_eq!(parse_number(b"4294967295"), Some(u32::MAX));
        for wrong in [&b""[..], b"-1", b"1 ", b"4294967296", b"99999999999"] {
            assert_eq!(parse_number(wrong), None);
        }
        assert!(is_word(b"eu-west-1", b"-") && !is_word(b"-x", b"-") && !is_word(b"", b"-"));
        assert!(
            !is_word(b"a'b", b"-") && is_word(&[b'a'; 255], b"") && !is_word(&[b'a'; 256], b"")
        );
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // Vectors of the authors (http://www.isthe.com/chongo/src/fnv/test_fnv.c).
        let of = |bytes| {
            let mut hash = Hash::new();
            hash.add(bytes);
            hash.0
        };
        assert_eq!(of(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(of(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
