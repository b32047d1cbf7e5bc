//! Owns the meaning of a verified Release file, as apt reads it. Must not see unverified bytes.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::date::parse_date;
use super::listed::{Listed, parse_fields};

/// How far a Release file's date may lie ahead of this machine's clock, in seconds, as for apt
/// (`Acquire::Max-FutureTime`).
const CLOCK_SLACK: i64 = 10;

/// What a Release file says.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    fields: HashMap<String, String>,
    /// When it was made; `None` where it does not say, or not as a date.
    pub(crate) date: Option<Timestamp>,
    /// When it stops being valid.
    pub(crate) valid_until: Option<Timestamp>,
    files: HashMap<String, Listed>,
}

/// What is wrong with a verified Release file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what each variant and field means"
)]
pub enum ReleaseError {
    #[error(
        "it vouches for its indexes by no SHA-256 and no SHA-512, and weaker hashes prove nothing"
    )]
    WeakHashes,
    #[error("its `{field}` is malformed: `{value}`")]
    Malformed { field: &'static str, value: String },
    #[error("its line `{line}` is no field")]
    NoField { line: String },
    #[error("it is from the future: its date is {date}, and it is {now}")]
    FromTheFuture { date: Timestamp, now: Timestamp },
    #[error("it expired {} ago, on {valid_until}", human(*late_secs))]
    Expired {
        valid_until: Timestamp,
        late_secs: i64,
    },
    #[error("it has no component `{component}`; it has {}", list(components))]
    NoComponent {
        component: String,
        components: Vec<String>,
    },
}

/// Names for people.
fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
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
    /// Reads a text and checks that it may be used at `now`.
    pub(crate) fn parse(text: &[u8], now: Timestamp) -> Result<Self, ReleaseError> {
        // What decides is ASCII. A byte that is no UTF-8 is in a text for people.
        let (fields, files) = parse_fields(&String::from_utf8_lossy(text))?;
        let date = fields.get("date").and_then(|value| parse_date(value));
        let valid_until = match fields.get("valid-until").filter(|text| !text.is_empty()) {
            Some(value) => Some(parse_date(value).ok_or_else(|| ReleaseError::Malformed {
                field: "Valid-Until",
                value: value.clone(),
            })?),
            None => None,
        };
        if files.is_empty() {
            return Err(ReleaseError::WeakHashes);
        }
        let release = Self {
            fields,
            date,
            valid_until,
            files,
        };
        release.check_times(now)?;
        Ok(release)
    }

    fn check_times(&self, now: Timestamp) -> Result<(), ReleaseError> {
        match self.date {
            Some(date) if date.as_second() > now.as_second() + CLOCK_SLACK => {
                return Err(ReleaseError::FromTheFuture { date, now });
            }
            Some(_) | None => {}
        }
        match self.valid_until {
            Some(valid_until) if valid_until < now => Err(ReleaseError::Expired {
                valid_until,
                late_secs: now.as_second() - valid_until.as_second(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// What it calls itself, where that is not what was asked for as `suite`. apt only warns then:
    /// archives often have one Release file under several names.
    pub(crate) fn other_names(&self, asked: &str) -> Option<Vec<String>> {
        let names: BTreeSet<&str> = [self.field("suite"), self.field("codename")]
            .into_iter()
            .flatten()
            .filter(|name| !name.is_empty())
            .collect();
        // `trixie/updates` may call itself `trixie`.
        let parent = asked.rsplit_once('/').map_or(asked, |(parent, _)| parent);
        if names.contains(asked) || names.contains(parent) {
            return None;
        }
        Some(names.into_iter().map(str::to_owned).collect())
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
        let value = self.field("acquire-by-hash").unwrap_or_default();
        ["yes", "true", "with", "on", "enable", "1"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word))
    }

    /// A listed file.
    pub(crate) fn file(&self, path: &str) -> Option<&Listed> {
        self.files.get(path)
    }

    /// The `binary-` folders of `component` that hold what `architecture` installs: its own, and
    /// `all` where the archive keeps that apart. None is as good as an empty one.
    pub(crate) fn index_folders(
        &self,
        component: &str,
        architecture: &str,
    ) -> Result<Vec<String>, ReleaseError> {
        let listed = |name: &str| {
            let folder = format!("{component}/binary-{name}");
            self.files
                .contains_key(&format!("{folder}/Packages"))
                .then_some(folder)
        };
        let apart = self.has_architecture("all")
            && !self
                .words("no-support-for-architecture-all")
                .any(|name| name == "Packages");
        let all = if apart { listed("all") } else { None };
        let own = listed(architecture);
        if own.is_none() && !self.has_component(component) {
            return Err(ReleaseError::NoComponent {
                component: component.to_owned(),
                components: self.words("components").map(str::to_owned).collect(),
            });
        }
        Ok(own.into_iter().chain(all).collect())
    }

    fn has_architecture(&self, architecture: &str) -> bool {
        let mut names = self.words("architectures").peekable();
        names.peek().is_none() || names.any(|name| name == architecture)
    }

    /// `Components: updates/main` may mean indexes of `main`, as Debian's security archive had it.
    fn has_component(&self, component: &str) -> bool {
        let mut names = self.words("components").peekable();
        names.peek().is_none()
            || names.any(|name| {
                name == component
                    || name
                        .rsplit_once('/')
                        .is_some_and(|(_, end)| end == component)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Digest;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const TEXT: &str = "Origin: Debian\nSuite: stable\nCodename: trixie\n\
        Date: Sat, 21 Nov 2026 09:15:44 UTC\nValid-Until: Sat, 28 Nov 2026 09:15:44 UTC\n\
        Acquire-By-Hash: yes\nArchitectures: all amd64 arm64\nComponents: main updates/extra\n\
        No-Support-for-Architecture-all: Packages\nMD5Sum:\n abc 1 main/binary-s390x/Packages\n\
        SHA256:\n e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 7 main/binary-amd64/Packages\n";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn parse(text: &str) -> Result<Release, ReleaseError> {
        Release::parse(text.as_bytes(), at("2026-11-25T00:00:00Z"))
    }

    #[test]
    fn a_release_says_what_it_vouches_for() {
        let release = parse(TEXT).unwrap();
        assert_eq!(release.date, Some(at("2026-11-21T09:15:44Z")));
        assert_eq!(release.valid_until, Some(at("2026-11-28T09:15:44Z")));
        assert!(release.by_hash());
        assert_eq!(
            release.file("main/binary-s390x/Packages"),
            None,
            "MD5 is not read"
        );
        assert_eq!(
            release.file("main/binary-amd64/Packages"),
            Some(&Listed {
                digests: vec![Digest::Sha256(EMPTY.to_owned())],
                size: 7
            })
        );
        assert_eq!(
            release.index_folders("main", "amd64").unwrap(),
            ["main/binary-amd64"]
        );
    }

    #[test]
    fn it_is_read_however_it_is_written() {
        let (head, sums) = TEXT.split_at(TEXT.find("MD5Sum").unwrap());
        let sha512 = format!(
            "sha512 :\r\n {} 7 main/binary-amd64/Packages\r\n",
            "AB".repeat(64)
        );
        let text = format!(
            "{}no field\nSuite: swallowed\n{}{sha512}",
            sums.replace(EMPTY, &EMPTY.to_uppercase()),
            head.to_lowercase().replace('\n', "\r\n"),
        );
        let bytes = [text.as_bytes(), b"Label: Jos\xe9\n"].concat();
        // Dates are the one thing that is not the same in small letters: `utc` is no zone.
        let release = Release::parse(&bytes, at("2026-11-25T00:00:00Z"));
        assert_eq!(
            release.unwrap_err().to_string(),
            "its `Valid-Until` is malformed: `sat, 28 nov 2026 09:15:44 utc`"
        );
        let bytes = [text.replace("utc", "UTC").as_bytes(), b"Label: Jos\xe9\n"].concat();
        let release = Release::parse(&bytes, at("2026-11-25T00:00:00Z")).unwrap();
        assert_eq!(release.date, Some(at("2026-11-21T09:15:44Z")));
        assert_eq!(
            release.file("main/binary-amd64/Packages").unwrap().digests,
            [
                Digest::Sha256(EMPTY.to_owned()),
                Digest::Sha512("ab".repeat(64))
            ]
        );
    }

    #[test]
    fn every_way_in_which_a_release_cannot_be_used_is_named() {
        let check = |text: &str, now: &str| {
            Release::parse(text.as_bytes(), at(now))
                .unwrap_err()
                .to_string()
        };
        let now = "2026-11-25T00:00:00Z";
        assert_eq!(
            check(TEXT, "2026-11-29T12:15:44Z"),
            "it expired 1 day 3 hours ago, on 2026-11-28T09:15:44Z"
        );
        assert_eq!(
            check(TEXT, "2026-11-21T09:15:33Z"),
            "it is from the future: its date is 2026-11-21T09:15:44Z, and it is 2026-11-21T09:15:33Z"
        );
        assert!(Release::parse(TEXT.as_bytes(), at("2026-11-21T09:15:34Z")).is_ok());
        assert_eq!(
            check(&TEXT.replace("Valid-Until: Sat", "Valid-Until: x"), now),
            "its `Valid-Until` is malformed: `x, 28 Nov 2026 09:15:44 UTC`"
        );
        assert_eq!(
            check(&TEXT.replace("SHA256:", "SHA1:"), now),
            "it vouches for its indexes by no SHA-256 and no SHA-512, and weaker hashes prove nothing"
        );
        assert_eq!(
            check(&TEXT.replace(" 7 main", " 7 a main"), now),
            format!("its `SHA256` is malformed: `{EMPTY} 7 a main/binary-amd64/Packages`")
        );
    }

    #[test]
    fn a_line_that_is_no_field_takes_the_next_with_it_or_ends_it() {
        let release = parse(&TEXT.replace("Codename", "no field\nCodename")).unwrap();
        assert_eq!(
            release.other_names("trixie"),
            Some(vec!["stable".to_owned()])
        );
        let refusal = parse(&format!("{TEXT}no field\n")).unwrap_err();
        assert_eq!(refusal.to_string(), "its line `no field` is no field");
    }

    #[test]
    fn a_release_without_a_date_is_used() {
        for text in [
            TEXT.replace("Date: Sat", "Date: x"),
            TEXT.replace("Date: ", "Day: "),
        ] {
            assert_eq!(parse(&text).unwrap().date, None);
        }
    }

    #[test]
    fn a_release_of_another_name_says_its_names() {
        let names = |text: &str, asked: &str| parse(text).unwrap().other_names(asked);
        for same in ["trixie", "stable", "trixie/updates"] {
            assert_eq!(names(TEXT, same), None);
        }
        assert_eq!(
            names(TEXT, "bookworm"),
            Some(vec!["stable".to_owned(), "trixie".to_owned()])
        );
        let unnamed = TEXT.replace("Suite: stable\nCodename: trixie\n", "");
        assert_eq!(names(&unnamed, "trixie"), Some(vec![]));
    }

    #[test]
    fn an_archive_may_keep_architecture_all_apart() {
        let folders = |text: &str, component: &str, architecture: &str| {
            parse(text).unwrap().index_folders(component, architecture)
        };
        let apart = TEXT.replace("No-Support-for-Architecture-all: Packages\n", "")
            + &format!(" {EMPTY} 7 main/binary-all/Packages\n");
        let none: [&str; 0] = [];
        assert_eq!(
            folders(&apart, "main", "amd64").unwrap(),
            ["main/binary-amd64", "main/binary-all"]
        );
        assert_eq!(
            folders(&apart, "main", "riscv64").unwrap(),
            ["main/binary-all"]
        );
        assert_eq!(folders(TEXT, "main", "arm64").unwrap(), none);
        assert_eq!(folders(TEXT, "extra", "amd64").unwrap(), none);
        let unsaid = apart.replace("Architectures: all amd64 arm64\n", "");
        assert_eq!(
            folders(&unsaid, "main", "riscv64").unwrap(),
            ["main/binary-all"]
        );
        let unsupported = apart.replace("all amd64", "amd64");
        assert_eq!(folders(&unsupported, "main", "riscv64").unwrap(), none);
        assert_eq!(
            folders(&apart, "contrib", "amd64").unwrap_err().to_string(),
            "it has no component `contrib`; it has `main`, `updates/extra`"
        );
        let unsaid = apart.replace("Components: main updates/extra\n", "");
        assert_eq!(folders(&unsaid, "contrib", "riscv64").unwrap(), none);
    }
}
