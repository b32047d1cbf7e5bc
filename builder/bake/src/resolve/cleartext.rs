//! Owns taking apart a cleartext signed message (RFC 9580, section 7) as bytes, because a Release
//! file need not be UTF-8 and rPGP's own reader wants that. Must not judge signatures.

use super::signature::SignatureError;

const MESSAGE: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END: &[u8] = b"-----END PGP SIGNATURE-----";

/// The lines that were signed, without what signing leaves out, and the armored signatures. Nothing
/// may stand before, between or after them.
pub(crate) fn split(bytes: &[u8]) -> Result<(Vec<&[u8]>, &[u8]), SignatureError> {
    let malformed = |why: &str| SignatureError::Malformed {
        why: why.to_owned(),
    };
    let mut rest = bytes;
    if next_line(&mut rest) != Some(MESSAGE) {
        return Err(SignatureError::Unsigned);
    }
    loop {
        match next_line(&mut rest) {
            Some(b"") => break,
            Some(header) if header.starts_with(b"Hash:") => {}
            Some(_) => return Err(malformed("it has a header other than `Hash`")),
            None => return Err(malformed("it ends in its headers")),
        }
    }
    let mut lines = Vec::new();
    loop {
        let before = rest;
        match next_line(&mut rest) {
            Some(line) if line == SIGNATURE => {
                check_armor(before)?;
                return Ok((lines, before));
            }
            Some(line) => match line.strip_prefix(b"-") {
                None => lines.push(line),
                Some([b' ', escaped @ ..]) => lines.push(escaped),
                Some(_) => return Err(malformed("a line begins with a dash that is not escaped")),
            },
            None => return Err(malformed("it has no signature")),
        }
    }
}

/// The signatures must be the last thing: what follows them was not signed.
fn check_armor(armor: &[u8]) -> Result<(), SignatureError> {
    let mut rest = armor;
    while let Some(line) = next_line(&mut rest) {
        if line == END {
            return if rest.trim_ascii().is_empty() {
                Ok(())
            } else {
                Err(SignatureError::Malformed {
                    why: "something follows its signature".to_owned(),
                })
            };
        }
    }
    Err(SignatureError::Malformed {
        why: "its signature does not end".to_owned(),
    })
}

/// The next line without the white space at its end, which is not signed.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (line, after) = match end {
        Some(end) => (rest.get(..end)?, rest.get(end + 1..)?),
        None => (*rest, &[][..]),
    };
    *rest = after;
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let length = line
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(0, |last| last + 1);
    line.get(..length)
}

#[cfg(test)]
mod tests {
    use super::split;

    const ARMOR: &str = "-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n";

    #[test]
    fn the_lines_are_unescaped_and_every_byte_is_kept() {
        let message = [
            b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA512\n\nLabel: Jos\xe9 \t\r\n- - dash\n\nend\n",
            ARMOR.as_bytes(),
        ]
        .concat();
        let (lines, armor) = split(&message).unwrap();
        assert_eq!(lines, [&b"Label: Jos\xe9"[..], b"- dash", b"", b"end"]);
        assert_eq!(armor, ARMOR.as_bytes());
    }

    #[test]
    fn whatever_is_not_signed_ends_it() {
        let head = "-----BEGIN PGP SIGNED MESSAGE-----\n";
        for (message, expected) in [
            (String::new(), "it is not signed"),
            (format!("x\n{head}\nx\n{ARMOR}"), "it is not signed"),
            (
                format!("{head}Comment: x\n\nx\n{ARMOR}"),
                "its signature is malformed: it has a header other than `Hash`",
            ),
            (
                format!("{head}Hash: SHA512\n"),
                "its signature is malformed: it ends in its headers",
            ),
            (
                format!("{head}\n-x\n{ARMOR}"),
                "its signature is malformed: a line begins with a dash that is not escaped",
            ),
            (
                format!("{head}\nx\n"),
                "its signature is malformed: it has no signature",
            ),
            (
                format!("{head}\nx\n{ARMOR}Suite: x\n"),
                "its signature is malformed: something follows its signature",
            ),
            (
                format!("{head}\nx\n{}", ARMOR.replace("END", "")),
                "its signature is malformed: its signature does not end",
            ),
        ] {
            assert_eq!(split(message.as_bytes()).unwrap_err().to_string(), expected);
        }
    }
}
