//! Owns the two forms in which S3 writes times, and reading the one that clients send.

use std::time::Duration;

use jiff::Timestamp;

fn timestamp(time: Duration) -> Timestamp {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

/// As in headers: `Tue, 25 Nov 2025 12:00:00 GMT`.
pub(super) fn http(time: Duration) -> String {
    timestamp(time)
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}

/// As in documents: `2025-11-25T12:00:00.000Z`.
pub(super) fn iso(time: Duration) -> String {
    timestamp(time)
        .strftime("%Y-%m-%dT%H:%M:%S.000Z")
        .to_string()
}

/// Reads a header's time; what cannot be read is ignored, as HTTP says.
pub(super) fn parse_http(text: &str) -> Option<Duration> {
    let time = jiff::fmt::rfc2822::parse(text).ok()?;
    u64::try_from(time.timestamp().as_second())
        .ok()
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_s3s_forms() {
        let time = Duration::from_hours(490_020);
        assert_eq!(http(time), "Tue, 25 Nov 2025 12:00:00 GMT");
        assert_eq!(iso(time), "2025-11-25T12:00:00.000Z");
        assert_eq!(parse_http(&http(time)), Some(time));
        assert_eq!(parse_http("soon"), None);
    }
}
