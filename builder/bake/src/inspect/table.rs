//! Owns how columns and sizes are written for people.

use std::fmt::Write as _;

/// Appends `rows` with aligned columns, each line indented by two spaces. Columns whose index is in
/// `right` are aligned to the right.
pub(super) fn push_rows(text: &mut String, rows: &[Vec<String>], right: &[usize]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            line.push_str("  ");
            // Writing to a string cannot fail.
            let _ = if right.contains(&column) {
                write!(line, "{cell:>width$}")
            } else {
                write!(line, "{cell:<width$}")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// A size for people, with one decimal: `1.4 GiB`.
pub(super) fn size(bytes: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes >> shift > 0 {
            let tenths = u128::from(bytes) * 10 / (1 << shift);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} B")
}

/// A difference of sizes, with its sign.
pub(super) fn change(before: u64, after: u64) -> String {
    if after < before {
        format!("-{}", size(before - after))
    } else {
        format!("+{}", size(after - before))
    }
}

#[cfg(test)]
mod tests {
    use super::{change, size};

    #[test]
    fn sizes_are_written_with_one_decimal() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size((1 << 30) - 1), "1023.9 MiB");
        assert_eq!(size(u64::MAX), "17179869183.9 GiB");
        assert_eq!(change(2048, 1024), "-1.0 KiB");
        assert_eq!(change(0, 0), "+0 B");
    }
}
