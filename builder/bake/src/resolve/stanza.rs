//! Owns what one stanza of an index says of a package: bytes, of which only what a lock needs must be
//! text.

use vmimage_plan::lock::pool_path;

use crate::fetch::Digest;

/// One version of a package as an index describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stanza {
    /// The place of its suite in the sources.
    pub(crate) suite: usize,
    text: Vec<u8>,
    /// `Filename`, as a lock has it.
    pub(crate) path: String,
    /// `SHA256`, or else `SHA512`.
    pub(crate) digest: Digest,
    /// `Size`.
    pub(crate) size: u64,
}

/// Reads lines as apt does: a field's name goes on to the next colon, over the ends of lines too, so
/// that a line without one takes the field that follows with it.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    swallowing: bool,
}

impl Fields {
    /// Whether the next colon still belongs to a line that is no field.
    pub(crate) fn is_swallowing(&self) -> bool {
        self.swallowing
    }

    /// The name and value of a line that begins a field.
    pub(crate) fn read<'a>(&mut self, line: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let colon = line.iter().position(|byte| *byte == b':');
        if self.swallowing {
            self.swallowing = colon.is_none();
            return None;
        }
        if line.first().is_none_or(u8::is_ascii_whitespace) {
            return None;
        }
        let Some(colon) = colon else {
            self.swallowing = true;
            return None;
        };
        let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        Some((name.trim_ascii_end(), value.trim_ascii()))
    }
}

impl Stanza {
    /// Reads a stanza; the error says what is wrong with it and follows its name.
    pub(crate) fn parse(suite: usize, text: Vec<u8>) -> Result<Self, String> {
        let field = |key: &str| {
            // As for apt, the last one counts.
            let mut fields = Fields::default();
            lines(&text)
                .filter_map(|line| fields.read(line))
                .filter(|(name, _)| name.eq_ignore_ascii_case(key.as_bytes()))
                .last()
                .map(|(_, value)| value)
                .filter(|value| !value.is_empty())
        };
        let ascii = |key: &str| field(key).and_then(|value| std::str::from_utf8(value).ok());
        let path = field("Filename").ok_or("has no `Filename`")?;
        let Ok(path) = std::str::from_utf8(path) else {
            return Err(format!(
                "has the `Filename` `{}`, which is not UTF-8 and cannot be in a lock",
                String::from_utf8_lossy(path)
            ));
        };
        let path = pool_path(path)
            .map_err(|why| format!("has a `Filename` that {why}: `{}`", path.escape_debug()))?
            .into_owned();
        let size = ascii("Size").and_then(|size| size.parse().ok());
        let size = size.ok_or("has no `Size` that is a number")?;
        let digest = ascii("SHA256")
            .and_then(Digest::sha256)
            .or_else(|| ascii("SHA512").and_then(Digest::sha512))
            .ok_or("has no SHA-256 and no SHA-512, and weaker hashes prove nothing")?;
        Ok(Self {
            suite,
            text,
            path,
            digest,
            size,
        })
    }

    /// Whether another archive's stanza is about the same file, as far as both tell.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        let same_kind = self.digest.algorithm() == other.digest.algorithm();
        self.size == other.size && (!same_kind || self.digest == other.digest)
    }

    /// What dpkg's status file says of the package once it is installed.
    pub(crate) fn as_installed(&self) -> Vec<u8> {
        let mut status = Vec::with_capacity(self.text.len() + 40);
        let (mut fields, mut kept) = (Fields::default(), true);
        for line in lines(&self.text) {
            if let Some((name, _)) = fields.read(line) {
                kept = !name.eq_ignore_ascii_case(b"status");
            }
            if kept {
                status.extend_from_slice(line);
            }
        }
        if !status.ends_with(b"\n") {
            status.push(b'\n');
        }
        status.extend_from_slice(b"Status: install ok installed\n\n");
        status
    }
}

/// The lines with their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::Stanza;

    const SHA256: &str = "AB01cd23AB01cd23AB01cd23AB01cd23AB01cd23AB01cd23AB01cd23AB01cd23";

    fn parse(text: &str) -> Result<(String, u64, String), String> {
        let stanza = Stanza::parse(0, text.as_bytes().to_vec())?;
        let digest = format!("{} {}", stanza.digest.algorithm(), stanza.digest.hex());
        Ok((stanza.path, stanza.size, digest))
    }

    #[test]
    fn what_a_lock_needs_is_read_or_its_lack_is_named() {
        let (sha256, sha512) = (SHA256.to_lowercase(), SHA256.to_lowercase().repeat(2));
        assert_eq!(
            parse(&format!(
                "filename:./pool//a b.deb\nSIZE : 5\nSHA256: x\nsha256: {SHA256}\n"
            )),
            Ok(("pool/a b.deb".to_owned(), 5, format!("SHA-256 {sha256}")))
        );
        assert_eq!(
            parse(&format!(
                "SHA512: {SHA256}{SHA256}\r\nFilename: a\r\nSize: 5\r\n"
            )),
            Ok(("a".to_owned(), 5, format!("SHA-512 {sha512}")))
        );
        let refused = |text: &str| parse(text).unwrap_err();
        assert_eq!(refused("Size: 5\nFilename: \n"), "has no `Filename`");
        assert_eq!(
            refused("Filename: a/../../b\n"),
            "has a `Filename` that leaves its archive: `a/../../b`"
        );
        assert_eq!(
            refused("Filename: a\nSize: x5\n"),
            "has no `Size` that is a number"
        );
        assert_eq!(
            refused("Filename: a\nSize: 5\nMD5sum: 0123\nSHA256: 0123\n"),
            "has no SHA-256 and no SHA-512, and weaker hashes prove nothing"
        );
        let latin1 = Stanza::parse(0, b"Filename: pool/\xe9.deb\n".to_vec()).unwrap_err();
        assert_eq!(
            latin1,
            "has the `Filename` `pool/\u{fffd}.deb`, which is not UTF-8 and cannot be in a lock"
        );
    }

    #[test]
    fn every_byte_but_the_status_is_as_it_was_once_it_is_installed() {
        let tail = format!("Filename: a\nSize: 5\nSHA256: {SHA256}");
        let text = [
            &b"Description: Jos\xe9\n more\nStatus: deinstall\n ok\nPackage: a\n"[..],
            tail.as_bytes(),
        ]
        .concat();
        let expected = [
            &b"Description: Jos\xe9\n more\nPackage: a\n"[..],
            tail.as_bytes(),
            b"\nStatus: install ok installed\n\n",
        ]
        .concat();
        assert_eq!(Stanza::parse(0, text).unwrap().as_installed(), expected);
    }
}
