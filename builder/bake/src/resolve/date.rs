//! Owns the dates of Release files: the three forms of HTTP's dates that apt takes (RFC 7231,
//! section 7.1.1.1). All are in UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The time that `text` says, or `None` where apt finds none in it.
pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (weekday, rest) = words.split_first()?;
    let (weekday, comma) = match weekday.strip_suffix(',') {
        Some(weekday) => (weekday, true),
        None => (*weekday, false),
    };
    if weekday.len() < 3 || position(&WEEKDAYS, weekday).is_none() {
        return None;
    }
    match (weekday.len(), comma, rest) {
        // `Sun Nov  6 08:49:37 1994`
        (3, false, [month, day, time, year]) => civil(day, month, year, time),
        // `Sun, 06 Nov 1994 08:49:37 GMT`
        (3, true, [day, month, year, time, zone]) if is_utc(zone) => civil(day, month, year, time),
        // `Sunday, 06-Nov-94 08:49:37 GMT`
        (4.., true, [date, time, zone]) if is_utc(zone) => {
            let mut parts = date.splitn(3, '-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            let year = match year.parse::<u8>().ok()? {
                year @ 69..=99 => 1900 + i16::from(year),
                year @ 0..=68 => 2000 + i16::from(year),
                100.. => return None,
            };
            civil(day, month, &year.to_string(), time)
        }
        _ => None,
    }
}

/// Which of the names `text` is, or begins.
fn position(names: &[&str], text: &str) -> Option<usize> {
    let text = text.to_ascii_lowercase();
    names.iter().position(|name| name.starts_with(&text))
}

fn civil(day: &str, month: &str, year: &str, time: &str) -> Option<Timestamp> {
    let month = position(&MONTHS, month).filter(|_| month.len() >= 3)?;
    let mut parts = time.splitn(3, ':');
    let mut part = || parts.next()?.parse::<i8>().ok();
    let (hour, minute, second) = (part()?, part()?, part()?);
    let time = DateTime::new(
        year.parse().ok()?,
        i8::try_from(month + 1).ok()?,
        day.parse().ok()?,
        hour,
        minute,
        second,
        0,
    );
    TimeZone::UTC.to_timestamp(time.ok()?).ok()
}

/// Whether a zone is UTC's: by a name of it, or as a number.
fn is_utc(zone: &str) -> bool {
    ["GMT", "UTC", "Z"].contains(&zone) || zone.parse::<i32>().is_ok_and(|offset| offset == 0)
}

#[cfg(test)]
mod tests {
    use super::parse_date;

    #[test]
    fn the_forms_of_dates_that_apt_takes_are_taken() {
        // `tests/tests/lock_as_apt` asks apt about all of them.
        for (text, expected) in [
            (
                "Sat, 21 Nov 2026 09:15:44 UTC",
                Some("2026-11-21T09:15:44Z"),
            ),
            (
                "Sat, 21 Nov 2026 09:15:44 GMT",
                Some("2026-11-21T09:15:44Z"),
            ),
            ("SAT, 21 nov 2026  09:15:44 Z", Some("2026-11-21T09:15:44Z")),
            (
                "Sat, 21 Nov 2026 09:15:44 +0000",
                Some("2026-11-21T09:15:44Z"),
            ),
            ("Mon, 1 Nov 2026 9:5:4 -0000", Some("2026-11-01T09:05:04Z")),
            (
                "Saturday, 21-Nov-26 09:15:44 GMT",
                Some("2026-11-21T09:15:44Z"),
            ),
            ("Sat Nov 21 09:15:44 2026", Some("2026-11-21T09:15:44Z")),
            ("Satu, 21-Nov-26 09:15:44 0", Some("2026-11-21T09:15:44Z")),
            (
                "Sat, 21 November 2026 09:15:44 UTC",
                Some("2026-11-21T09:15:44Z"),
            ),
            ("Saxx, 21-Nov-26 09:15:44 GMT", None),
            ("Sat, 21 Nov 2026 09:15:44 utc", None),
            ("Sat, 21 Nov 2026 09:15:44 +00:00", None),
            ("Sat, 21 Nov 2026 09:15:44 UTC trailing", None),
            ("Sat, 21 Nov 2026 09:15 UTC", None),
            ("Sat, 21 Nov 2026 09:15:44 +0200", None),
            ("Sat, 21 Nov 2026 09:15:44 CET", None),
            ("Sat, 21 Nov 2026 09:15:44", None),
            ("21 Nov 2026 09:15:44 UTC", None),
            ("x, 21 Nov 2026 09:15:44 UTC", None),
            ("Sat, 41 Nov 2026 09:15:44 UTC", None),
            ("2026-11-21T09:15:44Z", None),
            ("", None),
        ] {
            let expected = expected.map(|time| time.parse().unwrap());
            assert_eq!(parse_date(text), expected, "{text}");
        }
    }
}
