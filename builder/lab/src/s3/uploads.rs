//! Owns uploads in parts: what is kept of one until it is completed, and the object that comes of it.
//! Must not know requests.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::checksum::{self, Kind};
use super::store::Object;

/// All parts but the last have at least so many bytes.
pub(super) const LEAST_PART_BYTES: usize = 5 * 1_024 * 1_024;

/// An upload that was begun.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) key: String,
    /// What the object gets beside its content.
    pub(super) headers: Vec<(String, String)>,
    pub(super) tags: BTreeMap<String, String>,
    /// The header of the checksum that was asked for.
    pub(super) checksum: Option<&'static str>,
    pub(super) kind: Kind,
    pub(super) parts: BTreeMap<u32, Part>,
}

/// A part, which can be sent again and then takes the place of the first.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) body: Bytes,
    /// With its quotes.
    pub(super) etag: String,
    pub(super) checksum: (String, String),
    pub(super) modified: Duration,
}

/// A part as a client names it when it completes an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) number: u32,
    pub(super) etag: String,
    pub(super) checksum: Option<String>,
}

/// Why an upload cannot be completed with the parts that a client names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Their numbers do not rise.
    Order,
    /// It was not uploaded, or is another one.
    Part(Named),
    /// The checksum that its kind needs is not named.
    Unnamed(u32),
    /// It is not the last one and has fewer bytes than the least.
    Small(Named, usize),
}

impl Upload {
    /// How many bytes are kept of it.
    pub(super) fn size(&self) -> usize {
        self.parts.values().map(|part| part.body.len()).sum()
    }

    /// The object of these parts.
    pub(super) fn assemble(&self, named: &[Named]) -> Result<Object, Wrong> {
        let in_order = named
            .windows(2)
            .all(|pair| matches!(pair, [one, other] if one.number < other.number));
        if !in_order {
            return Err(Wrong::Order);
        }
        let mut parts = Vec::new();
        for (index, name) in named.iter().enumerate() {
            let part = self.part(name)?;
            let is_last = index + 1 == named.len();
            if !is_last && part.body.len() < LEAST_PART_BYTES {
                return Err(Wrong::Small(name.clone(), part.body.len()));
            }
            parts.push(part);
        }
        let mut body = BytesMut::with_capacity(parts.iter().map(|part| part.body.len()).sum());
        for part in &parts {
            body.extend_from_slice(&part.body);
        }
        let etags: Vec<&str> = parts.iter().map(|part| part.etag.as_str()).collect();
        let header = self.checksum.unwrap_or(checksum::USUAL);
        let sum = match self.kind {
            Kind::FullObject => checksum::compute(header, &body),
            Kind::Composite => {
                let sums = parts.iter().map(|part| part.checksum.1.as_str());
                checksum::of_checksums(header, sums)
            }
        };
        Ok(Object {
            body: body.freeze(),
            etag: checksum::etag_of_parts(&etags),
            headers: self.headers.clone(),
            checksum: Some((header.to_owned(), sum)),
            tags: self.tags.clone(),
        })
    }

    fn part(&self, name: &Named) -> Result<&Part, Wrong> {
        let wrong = || Wrong::Part(name.clone());
        let part = self.parts.get(&name.number).ok_or_else(wrong)?;
        if part.etag.trim_matches('"') != name.etag.trim_matches('"') {
            return Err(wrong());
        }
        match &name.checksum {
            Some(sum) if *sum != part.checksum.1 => Err(wrong()),
            None if self.kind == Kind::Composite => Err(Wrong::Unnamed(name.number)),
            Some(_) | None => Ok(part),
        }
    }
}
