//! Owns where the secrets of a role go, and the look at each whether it fits there. That is taken right
//! after a secret was read, so that a launch ends with the secret's name and the character, and not with
//! a server that refuses a part of it.

use std::collections::{BTreeMap, BTreeSet};

use super::compile::SECRET;
use super::lower::{Operation, check_secret, lower};
use crate::definition::{BootStep, Quote};

/// For each secret the ways in which it is quoted, of those that do not take every value.
#[derive(Debug)]
pub(super) struct SecretPlaces(BTreeMap<String, BTreeSet<&'static str>>);

impl SecretPlaces {
    /// Where the secrets go that are read by `steps`.
    pub(super) fn of(steps: &[&BootStep]) -> Self {
        let mut places: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
        let operations = steps.iter().flat_map(|step| lower(step));
        for (fact, quote) in operations.flat_map(|operation| operation.texts()) {
            if let Some(name) = fact.strip_prefix(SECRET).filter(|_| is_choosy(quote)) {
                places
                    .entry(name.to_owned())
                    .or_default()
                    .insert(quote.as_str());
            }
        }
        Self(places)
    }

    /// The look at a secret that was read.
    pub(super) fn check(&self, name: &str) -> Option<Operation> {
        let places = self.0.get(name)?;
        Some(check_secret(name, places.iter().copied()))
    }
}

/// Whether a way of quoting refuses what a secret may have.
const fn is_choosy(quote: Quote) -> bool {
    match quote {
        Quote::Plain
        | Quote::Json
        | Quote::Number
        | Quote::Pem40
        | Quote::OptionFile
        | Quote::Environment => true,
        Quote::Sql | Quote::Shell | Quote::Raw => false,
    }
}
