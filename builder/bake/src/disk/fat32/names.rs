//! Owns how FAT writes names: the short form, and the long one in entries before it.

/// The attributes that mark an entry as a part of a long name.
const LONG_NAME: u8 = 0x0f;

/// How many entries the long form of `name` takes.
pub(super) fn long_slots(name: &str) -> usize {
    name.encode_utf16().count().div_ceil(13)
}

/// The 8.3 name: upper case where that is all it takes, otherwise numbered by its place in the
/// directory, which makes it unique.
pub(super) fn short_name(name: &str, index: usize) -> [u8; 11] {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut short = *b"           ";
    if plain(stem) && plain(extension) && (1..=8).contains(&stem.len()) && extension.len() <= 3 {
        fill(&mut short[..8], stem);
    } else {
        let number = format!("~{}", index + 1);
        let stem: String = stem
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(8 - number.len().min(7))
            .collect();
        fill(&mut short[..8], &format!("{stem}{number}"));
    }
    let extension: String = extension
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(3)
        .collect();
    fill(&mut short[8..], &extension);
    short
}

fn fill(field: &mut [u8], text: &str) {
    for (to, from) in field.iter_mut().zip(text.bytes()) {
        *to = from.to_ascii_uppercase();
    }
}

/// Every name gets its long form, so that its case is kept.
pub(super) fn push_long_name(entries: &mut Vec<u8>, name: &str, short: &[u8; 11]) {
    let sum = short
        .iter()
        .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    let slots = long_slots(name);
    let mut units: Vec<u16> = name.encode_utf16().collect();
    if units.len() < slots * 13 {
        units.push(0);
    }
    units.resize(slots * 13, 0xffff);
    for (index, part) in units.chunks(13).enumerate().rev() {
        let last = if index + 1 == slots { 0x40 } else { 0 };
        let mut slot = [0; 32];
        slot[0] = u8::try_from(index + 1).unwrap_or(u8::MAX) | last;
        slot[11] = LONG_NAME;
        slot[13] = sum;
        let places = (1..11)
            .step_by(2)
            .chain((14..26).step_by(2))
            .chain([28, 30]);
        for (at, unit) in places.zip(part) {
            slot[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        entries.extend(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn short_names_are_unique_in_their_directory() {
        assert_eq!(&short_name("BOOTX64.EFI", 0), b"BOOTX64 EFI");
        assert_eq!(&short_name("loader.conf", 1), b"LOADER~2CON");
        assert_eq!(&short_name("systemd-bootx64.efi", 11), b"SYSTE~12EFI");
        assert_eq!(&short_name("entries", 0), b"ENTRIES    ");
    }
}
