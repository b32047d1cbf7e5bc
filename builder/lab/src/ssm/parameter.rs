//! Owns one parameter and its versions, and how they are shown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha512};

use super::Context;

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    List,
    Secure,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "String",
            Self::List => "StringList",
            Self::Secure => "SecureString",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Text, Self::List, Self::Secure]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// One version.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) number: u64,
    pub(super) value: String,
    pub(super) kind: Kind,
    pub(super) key_id: Option<String>,
    pub(super) description: Option<String>,
    pub(super) tier: &'static str,
    pub(super) data_type: String,
    pub(super) modified: Duration,
    pub(super) user: String,
    pub(super) labels: BTreeSet<String>,
}

/// Leaves the value out: it may be a secret.
impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Version")
            .field("number", &self.number)
            .field("kind", &self.kind)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

/// A parameter; there is always one version at least.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    older: Vec<Version>,
    newest: Version,
    pub(super) tags: BTreeMap<String, String>,
}

impl Parameter {
    pub(super) fn new(name: &str, first: Version) -> Self {
        Self {
            name: name.to_owned(),
            older: Vec::new(),
            newest: first,
            tags: BTreeMap::new(),
        }
    }

    pub(super) fn newest(&self) -> &Version {
        &self.newest
    }

    /// Oldest first.
    pub(super) fn versions(&self) -> impl Iterator<Item = &Version> {
        self.older.iter().chain([&self.newest])
    }

    pub(super) fn versions_mut(&mut self) -> impl Iterator<Item = &mut Version> {
        self.older.iter_mut().chain([&mut self.newest])
    }

    pub(super) fn version(&self, number: u64) -> Option<&Version> {
        self.versions().find(|version| version.number == number)
    }

    pub(super) fn labelled(&self, label: &str) -> Option<&Version> {
        self.versions()
            .find(|version| version.labels.contains(label))
    }

    pub(super) fn push(&mut self, version: Version) {
        self.older
            .push(std::mem::replace(&mut self.newest, version));
    }

    /// The version that has to go when there are too many; `None` while there is only one.
    pub(super) fn oldest(&self) -> Option<&Version> {
        self.older.first()
    }

    pub(super) fn drop_oldest(&mut self) {
        if !self.older.is_empty() {
            self.older.remove(0);
        }
    }

    pub(super) fn arn(&self, context: &Context<'_>) -> String {
        let name = self.name.trim_start_matches('/');
        format!(
            "arn:aws:ssm:{}:{}:parameter/{name}",
            context.region, context.account_id
        )
    }

    /// As `GetParameter` shows it.
    pub(super) fn show(
        &self,
        version: &Version,
        selector: Option<&str>,
        decrypt: bool,
        context: &Context<'_>,
    ) -> Value {
        let mut shown = json!({
            "Name": self.name,
            "Type": version.kind.name(),
            "Value": version.shown_value(decrypt),
            "Version": version.number,
            "LastModifiedDate": seconds(version.modified),
            "ARN": self.arn(context),
            "DataType": version.data_type,
        });
        if let (Some(selector), Some(members)) = (selector, shown.as_object_mut()) {
            members.insert("Selector".to_owned(), json!(selector));
        }
        shown
    }
}

impl Version {
    /// A secret that is not to be decrypted is shown as the key service's ciphertext.
    pub(super) fn shown_value(&self, decrypt: bool) -> String {
        if decrypt || self.kind != Kind::Secure {
            return self.value.clone();
        }
        let mut blob = vec![1, 2, 2, 0];
        let salted = format!("{}\0{}", self.number, self.value);
        blob.extend_from_slice(&Sha512::digest(salted.as_bytes()));
        STANDARD.encode(blob)
    }

    /// What descriptions and histories show of it.
    pub(super) fn metadata(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
        put("Type", json!(self.kind.name()));
        put("LastModifiedDate", seconds(self.modified));
        put("LastModifiedUser", json!(self.user));
        put("Version", json!(self.number));
        put("Tier", json!(self.tier));
        put("Policies", json!([]));
        put("DataType", json!(self.data_type));
        if let Some(key_id) = &self.key_id {
            put("KeyId", json!(key_id));
        }
        if let Some(description) = &self.description {
            put("Description", json!(description));
        }
        shown
    }
}

/// Times are seconds with milliseconds, as JSON 1.1 has them.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit for 280,000 years"
)]
fn seconds(time: Duration) -> Value {
    json!(time.as_millis() as f64 / 1_000.0)
}
