//! Owns looking packages up in unpacked indexes. Keeps only where each stanza is: an index has 60 MB.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::ResolveError;

/// The longest stanza that is believed.
const STANZA_LIMIT: u64 = 4 << 20;

/// Where the stanzas of all packages are.
#[derive(Debug, Default)]
pub(crate) struct PackageIndex {
    files: Vec<(PathBuf, usize)>,
    places: HashMap<Box<str>, Vec<Place>>,
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

/// One version of a package as an index describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stanza {
    /// The place of its suite in the sources.
    pub(crate) suite: usize,
    /// The whole text.
    pub(crate) text: String,
    /// `Filename`.
    pub(crate) path: String,
    /// `SHA256`.
    pub(crate) sha256: String,
    /// `Size`.
    pub(crate) size: u64,
}

impl PackageIndex {
    /// Adds the index at `path`, which belongs to the suite at place `suite` in the sources.
    pub(crate) fn add(&mut self, path: &Path, suite: usize) -> Result<(), ResolveError> {
        let read = |source| ResolveError::Io {
            operation: "read",
            path: path.to_owned(),
            source,
        };
        let file = self.files.len();
        self.files.push((path.to_owned(), suite));
        let mut reader = BufReader::with_capacity(1 << 18, File::open(path).map_err(read)?);
        let (mut line, mut offset, mut start) = (Vec::new(), 0, 0);
        let mut fields: [Option<Box<str>>; 3] = [None, None, None];
        loop {
            line.clear();
            let count = reader.read_until(b'\n', &mut line).map_err(read)? as u64;
            if count == 0 || line.trim_ascii().is_empty() {
                if let [Some(name), Some(version), Some(architecture)] = fields {
                    let length = offset - start;
                    let place = Place {
                        file,
                        offset: start,
                        length,
                        version,
                        architecture,
                    };
                    self.places.entry(name).or_default().push(place);
                }
                fields = [None, None, None];
                start = offset + count;
            }
            if count == 0 {
                return Ok(());
            }
            offset += count;
            for (slot, key) in fields
                .iter_mut()
                .zip(["Package:", "Version:", "Architecture:"])
            {
                if let Some(value) = line.strip_prefix(key.as_bytes()) {
                    *slot = Some(String::from_utf8_lossy(value).trim().into());
                }
            }
        }
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
                Some(first) if first.sha256 == stanza.sha256 => {}
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
        let malformed = || ResolveError::MalformedStanza {
            package: name.to_owned(),
        };
        let (path, suite) = self.files.get(place.file).ok_or_else(malformed)?;
        if place.length > STANZA_LIMIT {
            return Err(malformed());
        }
        let read = || -> io::Result<String> {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(place.offset))?;
            let mut text = String::new();
            file.take(place.length).read_to_string(&mut text)?;
            Ok(text)
        };
        let text = read().map_err(|source| ResolveError::Io {
            operation: "read",
            path: path.clone(),
            source,
        })?;
        let field = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key))
                .map(|value| value.trim().to_owned())
        };
        let (path, sha256) = (field("Filename:"), field("SHA256:"));
        let size = field("Size:").and_then(|size| size.parse().ok());
        let (Some(path), Some(sha256), Some(size)) = (path, sha256, size) else {
            return Err(malformed());
        };
        let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
        let inside = path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..");
        let hexadecimal = sha256.len() == 64
            && sha256
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !inside || !hexadecimal {
            return Err(malformed());
        }
        Ok(Stanza {
            suite: *suite,
            text,
            path,
            sha256,
            size,
        })
    }
}

impl Stanza {
    /// What dpkg's status file says of the package once it is installed.
    pub(crate) fn as_installed(&self) -> String {
        let (first, rest) = self.text.split_once('\n').unwrap_or((&self.text, ""));
        format!(
            "{first}\nStatus: install ok installed\n{}\n\n",
            rest.trim_end()
        )
    }
}
