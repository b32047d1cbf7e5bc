//! Owns reading the fields of a Release file and its lists of files, as apt reads them.

use std::collections::HashMap;

use super::release::ReleaseError;
use crate::fetch::Digest;

/// A file that a Release file vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// What it hashes to, by every strong digest that is listed; the first is the one to check.
    pub(crate) digests: Vec<Digest>,
    /// Size in bytes.
    pub(crate) size: u64,
}

type Fields = (HashMap<String, String>, HashMap<String, Listed>);

/// Field names become lower case. Of the lists of files only those of strong hashes are read.
pub(crate) fn parse_fields(text: &str) -> Result<Fields, ReleaseError> {
    let (mut fields, mut files) = (HashMap::new(), HashMap::new());
    let mut current = String::new();
    // As for apt, a line without a colon takes what follows with it, up to the next colon.
    let mut swallowing = None;
    for line in text.lines() {
        if swallowing.is_some() {
            swallowing = swallowing.filter(|_| !line.contains(':'));
        } else if line.starts_with([' ', '\t']) {
            read_listed(&current, line, &mut files)?;
        } else if let Some((name, value)) = line.split_once(':') {
            current = name.trim_end().to_ascii_lowercase();
            read_listed(&current, value, &mut files)?;
            fields.insert(current.clone(), value.trim().to_owned());
        } else if !line.is_empty() {
            swallowing = Some(line);
        } else if !fields.is_empty() {
            break;
        }
    }
    match swallowing {
        None => Ok((fields, files)),
        Some(line) => Err(ReleaseError::NoField {
            line: line.to_owned(),
        }),
    }
}

/// Reads a line of the list of files `field`, if that is one.
fn read_listed(
    field: &str,
    line: &str,
    files: &mut HashMap<String, Listed>,
) -> Result<(), ReleaseError> {
    let (name, read): (_, fn(&str) -> Option<Digest>) = match field {
        "sha256" => ("SHA256", Digest::sha256),
        "sha512" => ("SHA512", Digest::sha512),
        _ => return Ok(()),
    };
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [digest, size, path] = words.as_slice() else {
        if words.is_empty() {
            return Ok(());
        }
        return Err(ReleaseError::Malformed {
            field: name,
            value: line.trim().to_owned(),
        });
    };
    // What is no digest can be had by nobody, and apt minds it only where the file is wanted.
    let (Some(digest), Ok(size)) = (read(digest), size.parse()) else {
        return Ok(());
    };
    let listed = files.entry((*path).to_owned()).or_insert(Listed {
        digests: Vec::new(),
        size,
    });
    // A Release file that lists two sizes for a file has none that can be checked.
    if listed.size != size {
        return Err(ReleaseError::Malformed {
            field: name,
            value: line.trim().to_owned(),
        });
    }
    listed.digests.push(digest);
    listed.digests.sort_by_key(Digest::algorithm);
    Ok(())
}
