//! Owns looking packages up in unpacked indexes, which are bytes and not always UTF-8. Reads them as
//! apt does, and keeps only where each stanza is: an index has 60 MB.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::ResolveError;
use super::stanza::{Fields, Stanza};

/// The longest stanza that is believed.
const STANZA_LIMIT: u64 = 4 << 20;

/// Where the stanzas of all packages are.
#[derive(Debug, Default)]
pub(crate) struct PackageIndex {
    files: Vec<IndexFile>,
    places: HashMap<Box<str>, Vec<Place>>,
}

/// An unpacked index.
#[derive(Debug)]
struct IndexFile {
    path: PathBuf,
    /// The place of its suite in the sources.
    suite: usize,
    /// What people call it.
    label: String,
}

/// Where one stanza is.
#[derive(Debug)]
struct Place {
    file: usize,
    offset: u64,
    length: u64,
    version: Box<str>,
    architecture: Box<str>,
}

/// What is known of the stanza that is being read. Of a field that is there twice the last counts,
/// as for apt.
#[derive(Debug, Default)]
struct Heading {
    /// The line that it begins on, counted from 1.
    line: u64,
    offset: u64,
    has_fields: bool,
    fields: Fields,
    package: Option<Box<str>>,
    version: Option<Box<str>>,
    architecture: Option<Box<str>>,
}

impl PackageIndex {
    /// Adds the index at `path`, which belongs to the suite at place `suite` in the sources.
    pub(crate) fn add(
        &mut self,
        path: &Path,
        suite: usize,
        label: &str,
    ) -> Result<(), ResolveError> {
        let read = |source| ResolveError::Io {
            operation: "read",
            path: path.to_owned(),
            source,
        };
        self.files.push(IndexFile {
            path: path.to_owned(),
            suite,
            label: label.to_owned(),
        });
        let mut reader = BufReader::with_capacity(1 << 18, File::open(path).map_err(read)?);
        let (mut line, mut offset, mut number) = (Vec::new(), 0, 0);
        let mut heading = Heading::at(1, 0);
        loop {
            line.clear();
            let count = reader.read_until(b'\n', &mut line).map_err(read)? as u64;
            number += 1;
            let is_blank = matches!(line.as_slice(), b"" | b"\n" | b"\r\n");
            if is_blank && (count == 0 || !heading.fields.is_swallowing()) {
                self.keep(heading, offset)?;
                heading = Heading::at(number + 1, offset + count);
            } else {
                heading.read(&line);
            }
            if count == 0 {
                return Ok(());
            }
            offset += count;
        }
    }

    /// Remembers where the stanza that ends before `end` is.
    fn keep(&mut self, heading: Heading, end: u64) -> Result<(), ResolveError> {
        if !heading.has_fields && !heading.fields.is_swallowing() {
            return Ok(());
        }
        let file = self.files.len().saturating_sub(1);
        let malformed = |why| ResolveError::MalformedIndex {
            index: self.label_of(file),
            line: heading.line,
            why,
        };
        if heading.fields.is_swallowing() {
            return Err(malformed("ends in a line that is no field"));
        }
        let Some(package) = heading.package else {
            return Err(malformed("has no `Package`"));
        };
        // Without a version apt knows only the name. Without an architecture it installs what dpkg
        // then refuses.
        let Some(version) = heading.version else {
            return Ok(());
        };
        let architecture = heading.architecture.unwrap_or_else(|| "none".into());
        let place = Place {
            file,
            offset: heading.offset,
            length: end - heading.offset,
            version,
            architecture,
        };
        self.places.entry(package).or_default().push(place);
        Ok(())
    }

    fn label_of(&self, file: usize) -> String {
        self.files
            .get(file)
            .map_or_else(String::new, |file| file.label.clone())
    }

    /// The stanza of a package's version. Where several archives have it, it is the first one's, and
    /// they must have the same file.
    pub(crate) fn find(
        &self,
        name: &str,
        version: &str,
        architecture: &str,
    ) -> Result<Stanza, ResolveError> {
        let mut found: Option<Stanza> = None;
        for place in self.places.get(name).into_iter().flatten() {
            if *place.version != *version || *place.architecture != *architecture {
                continue;
            }
            let stanza = self.read(name, place)?;
            match &found {
                None => found = Some(stanza),
                Some(first) if first.is_same_file(&stanza) => {}
                Some(_) => {
                    return Err(ResolveError::Ambiguous {
                        package: name.to_owned(),
                        version: version.to_owned(),
                    });
                }
            }
        }
        found.ok_or_else(|| ResolveError::NotIndexed {
            package: name.to_owned(),
            version: version.to_owned(),
        })
    }

    fn read(&self, name: &str, place: &Place) -> Result<Stanza, ResolveError> {
        let malformed = |why: String| ResolveError::MalformedStanza {
            package: name.to_owned(),
            index: self.label_of(place.file),
            why,
        };
        let Some(file) = self.files.get(place.file) else {
            return Err(malformed("is in no index".to_owned()));
        };
        if place.length > STANZA_LIMIT {
            return Err(malformed(format!("is longer than {STANZA_LIMIT} bytes")));
        }
        let read = || -> io::Result<Vec<u8>> {
            let mut input = File::open(&file.path)?;
            input.seek(SeekFrom::Start(place.offset))?;
            let mut text = Vec::new();
            input.take(place.length).read_to_end(&mut text)?;
            Ok(text)
        };
        let text = read().map_err(|source| ResolveError::Io {
            operation: "read",
            path: file.path.clone(),
            source,
        })?;
        Stanza::parse(file.suite, text).map_err(malformed)
    }
}

impl Heading {
    fn at(line: u64, offset: u64) -> Self {
        Self {
            line,
            offset,
            ..Self::default()
        }
    }

    fn read(&mut self, line: &[u8]) {
        let Some((name, value)) = self.fields.read(line) else {
            return;
        };
        self.has_fields = true;
        let slot = if name.eq_ignore_ascii_case(b"package") {
            &mut self.package
        } else if name.eq_ignore_ascii_case(b"version") {
            &mut self.version
        } else if name.eq_ignore_ascii_case(b"architecture") {
            &mut self.architecture
        } else {
            return;
        };
        let value = String::from_utf8_lossy(value);
        // Names in capitals become small ones for apt and dpkg.
        *slot = (!value.is_empty()).then(|| match name.first() {
            Some(b'p' | b'P') => value.to_ascii_lowercase().into(),
            _ => (*value).into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::PackageIndex;

    fn index(text: &[u8]) -> Result<PackageIndex, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Packages");
        std::fs::write(&path, text).unwrap();
        let mut index = PackageIndex::default();
        index
            .add(&path, 0, "index `main/binary-amd64`")
            .map_err(|error| error.to_string())?;
        Ok(index)
    }

    fn versions(text: &[u8], name: &str) -> Vec<(String, String)> {
        let index = index(text).unwrap();
        let places = index.places.get(name);
        places
            .into_iter()
            .flatten()
            .map(|place| (place.version.to_string(), place.architecture.to_string()))
            .collect()
    }

    #[test]
    fn stanzas_are_found_however_they_are_written() {
        let pair =
            |version: &str, architecture: &str| (version.to_owned(), architecture.to_owned());
        let check = |text: &[u8], expected: (String, String)| {
            assert_eq!(versions(text, "app"), [expected], "{}", text.escape_ascii());
        };
        check(
            b"Package: app\nVersion: 1\nArchitecture: all\n",
            pair("1", "all"),
        );
        check(
            b"ARCHITECTURE: all\r\nversion : 1\r\npackage:app\r\n\r\n",
            pair("1", "all"),
        );
        check(
            b"Package: App\nVersion: 1~A\nVersion: 2~A\n",
            pair("2~A", "none"),
        );
        check(
            b" x\n# Package: x\nDescription: Jos\xe9\n \n Package: y\nPackage: app\nVersion: 1\nArchitecture: all",
            pair("1", "all"),
        );
        assert_eq!(versions(b"Package: app\nArchitecture: all\n", "app"), []);
        assert_eq!(
            versions(
                b"\n\nPackage: a\nVersion: 1\n\n\nPackage: app\nVersion: 2\n\n\n",
                "app"
            ),
            [pair("2", "none")]
        );
    }

    #[test]
    fn a_line_that_is_no_field_swallows_what_follows_up_to_a_colon_as_for_apt() {
        let pair =
            |version: &str, architecture: &str| (version.to_owned(), architecture.to_owned());
        assert_eq!(
            versions(
                b"Package: app\nno field\n\n# a\nVersion: 1\nVersion: 2\n",
                "app"
            ),
            [pair("2", "none")]
        );
        assert_eq!(
            index(b"Package: a\nVersion: 1\n\nPackage: b\nno field\n").unwrap_err(),
            "the stanza at line 4 of the index `main/binary-amd64` ends in a line that is no field"
        );
    }

    #[test]
    fn a_stanza_without_a_package_is_named_by_its_line() {
        assert_eq!(
            index(b"Package: a\nVersion: 1\n\nVersion: 2\nDescription: x\n").unwrap_err(),
            "the stanza at line 4 of the index `main/binary-amd64` has no `Package`"
        );
    }
}
