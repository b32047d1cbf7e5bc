//! Owns the meaning of a verified Release text. Must not see unverified text.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// How far a Release file's date may lie ahead of this machine's clock, in seconds.
const CLOCK_SLACK: i64 = 60;

/// What a Release file says.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    fields: HashMap<String, String>,
    /// When it was made.
    pub(crate) date: Timestamp,
    /// When it stops being valid.
    pub(crate) valid_until: Option<Timestamp>,
    files: HashMap<String, Listed>,
}

/// A file that a Release file vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// SHA-256, lower-case hexadecimal.
    pub(crate) sha256: String,
    /// Size in bytes.
    pub(crate) size: u64,
}

/// What is wrong with a verified Release file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what each variant and field means"
)]
pub enum ReleaseError {
    #[error("it has no `{field}`")]
    Missing { field: &'static str },
    #[error("its `{field}` is malformed: `{value}`")]
    Malformed { field: &'static str, value: String },
    #[error("it is from the future: its date is {date}, and it is {now}")]
    FromTheFuture { date: Timestamp, now: Timestamp },
    #[error("it expired {} ago, on {valid_until}", human(*late_secs))]
    Expired {
        valid_until: Timestamp,
        late_secs: i64,
    },
    #[error("it is for suite `{suite}`, codename `{codename}`")]
    OtherSuite { suite: String, codename: String },
    #[error("it lists no index of component `{component}` for `{architecture}`")]
    NoIndex {
        component: String,
        architecture: String,
    },
}

/// A span of time in its two largest units.
fn human(secs: i64) -> String {
    let (days, hours, minutes) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    let unit =
        |count: i64, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    match (days, hours) {
        (0, 0) => unit(minutes.max(1), "minute"),
        (0, _) => format!("{} {}", unit(hours, "hour"), unit(minutes, "minute")),
        _ => format!("{} {}", unit(days, "day"), unit(hours, "hour")),
    }
}

impl Release {
    /// Reads a text and checks that it may be used at `now` for what was asked for as `suite`.
    pub(crate) fn parse(text: &str, suite: &str, now: Timestamp) -> Result<Self, ReleaseError> {
        let (fields, files) = parse_fields(text)?;
        let date = match fields.get("date") {
            Some(value) => parse_date("Date", value)?,
            None => return Err(ReleaseError::Missing { field: "Date" }),
        };
        let valid_until = match fields.get("valid-until") {
            Some(value) => Some(parse_date("Valid-Until", value)?),
            None => None,
        };
        if files.is_empty() {
            return Err(ReleaseError::Missing { field: "SHA256" });
        }
        let release = Self {
            fields,
            date,
            valid_until,
            files,
        };
        release.check_times(now)?;
        release.check_suite(suite)?;
        Ok(release)
    }

    fn check_times(&self, now: Timestamp) -> Result<(), ReleaseError> {
        if self.date.as_second() > now.as_second() + CLOCK_SLACK {
            return Err(ReleaseError::FromTheFuture {
                date: self.date,
                now,
            });
        }
        match self.valid_until {
            Some(valid_until) if valid_until < now => Err(ReleaseError::Expired {
                valid_until,
                late_secs: now.as_second() - valid_until.as_second(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// A mirror must not pass off one suite as another, though both are signed by the same key.
    fn check_suite(&self, asked: &str) -> Result<(), ReleaseError> {
        let (suite, codename) = (self.field("suite"), self.field("codename"));
        match (suite, codename) {
            (None, None) => Err(ReleaseError::Missing { field: "Suite" }),
            _ if suite == Some(asked) || codename == Some(asked) => Ok(()),
            _ => Err(ReleaseError::OtherSuite {
                suite: suite.unwrap_or_default().to_owned(),
                codename: codename.unwrap_or_default().to_owned(),
            }),
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.field(name)
            .unwrap_or_default()
            .split_ascii_whitespace()
    }

    /// The archive's `Origin`.
    pub(crate) fn origin(&self) -> Option<&str> {
        self.field("origin")
    }

    /// Whether files are also found by their hash.
    pub(crate) fn by_hash(&self) -> bool {
        self.field("acquire-by-hash") == Some("yes")
    }

    /// A listed file.
    pub(crate) fn file(&self, path: &str) -> Option<&Listed> {
        self.files.get(path)
    }

    /// The `binary-` folders of `component` that hold what `architecture` installs: its own, and
    /// `all` where the archive keeps that apart.
    pub(crate) fn index_folders(
        &self,
        component: &str,
        architecture: &str,
    ) -> Result<Vec<String>, ReleaseError> {
        let apart = self.words("architectures").any(|name| name == "all")
            && !self
                .words("no-support-for-architecture-all")
                .any(|name| name == "Packages");
        let listed = |name: &str| {
            let folder = format!("{component}/binary-{name}");
            let stem = format!("{folder}/Packages");
            ["", ".xz", ".gz", ".zst"]
                .iter()
                .any(|extension| self.files.contains_key(&format!("{stem}{extension}")))
                .then_some(folder)
        };
        let own = listed(architecture);
        let all = if apart { listed("all") } else { None };
        // An archive that claims the architecture must list it; one with `all` alone need not.
        let claimed = self.words("architectures").any(|name| name == architecture);
        if own.is_none() && (claimed || all.is_none()) {
            return Err(ReleaseError::NoIndex {
                component: component.to_owned(),
                architecture: architecture.to_owned(),
            });
        }
        Ok(own.into_iter().chain(all).collect())
    }
}

type Fields = (HashMap<String, String>, HashMap<String, Listed>);

/// Field names become lower case. Of the lists of files only SHA-256 is read.
fn parse_fields(text: &str) -> Result<Fields, ReleaseError> {
    let (mut fields, mut files) = (HashMap::new(), HashMap::new());
    let mut current = String::new();
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            if current == "sha256" {
                let (path, listed) = parse_listed(line).ok_or_else(|| ReleaseError::Malformed {
                    field: "SHA256",
                    value: line.trim().to_owned(),
                })?;
                files.insert(path, listed);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            current = name.to_ascii_lowercase();
            fields
                .entry(current.clone())
                .or_insert_with(|| value.trim().to_owned());
        } else if line.trim().is_empty() {
            if !fields.is_empty() {
                break;
            }
        } else {
            return Err(ReleaseError::Malformed {
                field: "fields",
                value: line.to_owned(),
            });
        }
    }
    Ok((fields, files))
}

fn parse_listed(line: &str) -> Option<(String, Listed)> {
    let mut words = line.split_ascii_whitespace();
    let (sha256, size, path) = (words.next()?, words.next()?, words.next()?);
    let hexadecimal = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hexadecimal || words.next().is_some() {
        return None;
    }
    let listed = Listed {
        sha256: sha256.to_ascii_lowercase(),
        size: size.parse().ok()?,
    };
    Some((path.to_owned(), listed))
}

/// A date as Debian writes it: RFC 2822 with `UTC` for the zone.
fn parse_date(field: &'static str, value: &str) -> Result<Timestamp, ReleaseError> {
    let plain = ["UTC", "GMT", "Z"]
        .iter()
        .find_map(|zone| value.trim().strip_suffix(zone))
        .map_or_else(
            || value.trim().to_owned(),
            |rest| format!("{} +0000", rest.trim_end()),
        );
    DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(&plain)
        .map_err(|_unhelpful| ReleaseError::Malformed {
            field,
            value: value.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Origin: Debian\nSuite: stable\nCodename: trixie\n\
        Date: Sat, 21 Nov 2026 09:15:44 UTC\nValid-Until: Sat, 28 Nov 2026 09:15:44 UTC\n\
        Acquire-By-Hash: yes\nArchitectures: all amd64 arm64\n\
        No-Support-for-Architecture-all: Packages\nMD5Sum:\n abc 1 main/binary-amd64/Packages\n\
        SHA256:\n e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 7 main/binary-amd64/Packages.xz\n";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_release_says_what_it_vouches_for() {
        let release = Release::parse(TEXT, "trixie", at("2026-11-25T00:00:00Z")).unwrap();
        assert_eq!(release.date, at("2026-11-21T09:15:44Z"));
        assert_eq!(release.valid_until, Some(at("2026-11-28T09:15:44Z")));
        assert!(release.by_hash());
        assert_eq!(
            release.file("main/binary-amd64/Packages"),
            None,
            "MD5 is not read"
        );
        assert_eq!(
            release.file("main/binary-amd64/Packages.xz").unwrap().size,
            7
        );
        assert_eq!(
            release.index_folders("main", "amd64").unwrap(),
            ["main/binary-amd64"]
        );
    }

    #[test]
    fn every_way_in_which_a_release_cannot_be_used_is_named() {
        let check = |text: &str, suite: &str, now: &str| {
            Release::parse(text, suite, at(now))
                .unwrap_err()
                .to_string()
        };
        let now = "2026-11-25T00:00:00Z";
        assert_eq!(
            check(TEXT, "bookworm", now),
            "it is for suite `stable`, codename `trixie`"
        );
        assert_eq!(
            check(TEXT, "trixie", "2026-11-29T12:15:44Z"),
            "it expired 1 day 3 hours ago, on 2026-11-28T09:15:44Z"
        );
        assert_eq!(
            check(TEXT, "trixie", "2026-11-20T00:00:00Z"),
            "it is from the future: its date is 2026-11-21T09:15:44Z, and it is 2026-11-20T00:00:00Z"
        );
        assert_eq!(
            check(&TEXT.replace("Date: Sat", "Date: x"), "trixie", now),
            "its `Date` is malformed: `x, 21 Nov 2026 09:15:44 UTC`"
        );
        assert_eq!(
            check(&TEXT.replace("SHA256:", "SHA1:"), "trixie", now),
            "it has no `SHA256`"
        );
        assert_eq!(
            check(
                &TEXT.replace("Suite: stable\nCodename: trixie\n", ""),
                "trixie",
                now
            ),
            "it has no `Suite`"
        );
        assert_eq!(
            check(&TEXT.replace("Date: ", "Day: "), "trixie", now),
            "it has no `Date`"
        );
    }

    #[test]
    fn an_archive_may_keep_architecture_all_apart() {
        let now = at("2026-11-25T00:00:00Z");
        let folders = |text: &str, architecture: &str| {
            Release::parse(text, "trixie", now)
                .unwrap()
                .index_folders("main", architecture)
        };
        let apart = TEXT.replace("No-Support-for-Architecture-all: Packages\n", "")
            + " e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 7 main/binary-all/Packages\n";
        assert_eq!(
            folders(&apart, "amd64").unwrap(),
            ["main/binary-amd64", "main/binary-all"]
        );
        assert_eq!(folders(&apart, "riscv64").unwrap(), ["main/binary-all"]);
        assert_eq!(
            folders(&apart, "arm64").unwrap_err().to_string(),
            "it lists no index of component `main` for `arm64`"
        );
    }
}
