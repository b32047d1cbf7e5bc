//! Owns the recognition of secrets that stand where only names of secrets may. It finds what is
//! certain by its shape; it cannot know a password by its look.

/// What kind of secret `bytes` hold, or `None`.
pub(crate) fn secret_in(bytes: &[u8]) -> Option<&'static str> {
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    if lines.into_iter().any(is_private_key_line) {
        Some("a private key")
    } else if bytes.windows(ACCESS_KEY_LENGTH).any(is_access_key) {
        Some("an AWS access key id")
    } else {
        None
    }
}

/// The line that opens a PEM or OpenPGP private key; a script that merely mentions it has more on it.
fn is_private_key_line(line: &[u8]) -> bool {
    let inner = line
        .strip_prefix(b"-----BEGIN ")
        .and_then(|rest| rest.strip_suffix(b"-----"));
    inner.is_some_and(|kind| kind.ends_with(b"PRIVATE KEY") || kind == b"PGP PRIVATE KEY BLOCK")
}

/// `AKIA` or `ASIA` and sixteen more.
const ACCESS_KEY_LENGTH: usize = 20;

fn is_access_key(window: &[u8]) -> bool {
    (window.starts_with(b"AKIA") || window.starts_with(b"ASIA"))
        && window
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::secret_in;

    #[test]
    fn secrets_are_known_by_their_shape() {
        for (text, expected) in [
            ("-----BEGIN PRIVATE KEY-----\nMIIE\n", Some("a private key")),
            (
                "# note\r\n-----BEGIN OPENSSH PRIVATE KEY-----\r\nb3Bl\r\n",
                Some("a private key"),
            ),
            (
                "  -----BEGIN PGP PRIVATE KEY BLOCK-----\n",
                Some("a private key"),
            ),
            ("-----BEGIN PGP PUBLIC KEY BLOCK-----\n", None),
            ("grep -r -- '-----BEGIN PRIVATE KEY-----' /etc\n", None),
            (
                "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n",
                Some("an AWS access key id"),
            ),
            ("AKIA is a prefix", None),
            ("", None),
        ] {
            assert_eq!(secret_in(text.as_bytes()), expected, "{text:?}");
        }
    }
}
