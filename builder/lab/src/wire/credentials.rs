//! Owns the access keys of the simulated account: the operator's, and those that roles get on
//! instances. Must not check signatures.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::random::Random;

/// As long as EC2's credentials of an instance profile last.
const LIFETIME: Duration = Duration::from_hours(6);

/// EC2 has new ones well before the old ones expire, so that no client is without.
const RENEWED_BEFORE: Duration = Duration::from_hours(1);

const KEY_ID_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// An access key with what belongs to it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// `AKIA...` for users, `ASIA...` for roles.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
    /// Only roles' keys have one.
    pub session_token: Option<String>,
    /// Who signs with it.
    pub arn: String,
    /// When it was made, since the start of the simulation.
    pub issued: Duration,
    /// Roles' keys expire.
    pub expires: Option<Duration>,
}

/// Leaves the secrets out.
impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey")
            .field("access_key_id", &self.access_key_id)
            .field("arn", &self.arn)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// All keys that the simulation accepts.
#[derive(Clone, Debug)]
pub struct Credentials {
    account_id: String,
    random: Random,
    lifetime: Duration,
    operator: AccessKey,
    /// By access key id.
    sessions: BTreeMap<String, AccessKey>,
    /// Role and session to the access key id that IMDS shows now.
    newest: BTreeMap<(String, String), String>,
}

impl Credentials {
    /// Makes the operator's key pair; it follows from `seed`.
    pub fn new(account_id: &str, seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x6b65_7973);
        let operator = AccessKey {
            access_key_id: format!("AKIA{}", random.text(16, KEY_ID_ALPHABET)),
            secret_access_key: random.text(40, SECRET_ALPHABET),
            session_token: None,
            arn: format!("arn:aws:iam::{account_id}:user/operator"),
            issued: Duration::ZERO,
            expires: None,
        };
        Self {
            account_id: account_id.to_owned(),
            random,
            lifetime: LIFETIME,
            operator,
            sessions: BTreeMap::new(),
            newest: BTreeMap::new(),
        }
    }

    /// An account whose operator has these keys, for the examples of AWS's documentation.
    #[cfg(test)]
    pub(super) fn with_operator(access_key_id: &str, secret_access_key: &str) -> Self {
        let mut credentials = Self::new("123456789012", 1);
        access_key_id.clone_into(&mut credentials.operator.access_key_id);
        secret_access_key.clone_into(&mut credentials.operator.secret_access_key);
        credentials
    }

    /// The key pair for people and their tools.
    pub fn operator(&self) -> &AccessKey {
        &self.operator
    }

    /// Changes for how long keys of roles last from now on, so that a test need not wait for hours.
    pub fn set_lifetime(&mut self, lifetime: Duration) {
        self.lifetime = lifetime;
    }

    /// The credentials that the metadata service of an instance shows at `now`: the same ones until
    /// they come near their end, then new ones. `session` is the instance id.
    pub fn issue(&mut self, role: &str, session: &str, now: Duration) -> AccessKey {
        let name = (role.to_owned(), session.to_owned());
        let current = self.newest.get(&name).and_then(|id| self.sessions.get(id));
        let margin = RENEWED_BEFORE.min(self.lifetime / 2);
        if let Some(key) = current
            && key
                .expires
                .is_some_and(|expires| expires > now.saturating_add(margin))
        {
            return key.clone();
        }
        // A key that expired an hour ago can still be told from one that never was.
        self.sessions.retain(|_, key| {
            key.expires
                .is_some_and(|expires| expires.saturating_add(RENEWED_BEFORE) > now)
        });
        let key = AccessKey {
            access_key_id: format!("ASIA{}", self.random.text(16, KEY_ID_ALPHABET)),
            secret_access_key: self.random.text(40, SECRET_ALPHABET),
            session_token: Some(format!(
                "IQoJb3JpZ2lu{}",
                self.random.text(200, SECRET_ALPHABET)
            )),
            arn: format!(
                "arn:aws:sts::{}:assumed-role/{role}/{session}",
                self.account_id
            ),
            issued: now,
            expires: Some(now.saturating_add(self.lifetime)),
        };
        self.newest.insert(name, key.access_key_id.clone());
        self.sessions.insert(key.access_key_id.clone(), key.clone());
        key
    }

    /// The key with that id, expired or not.
    pub(crate) fn find(&self, access_key_id: &str) -> Option<&AccessKey> {
        if self.operator.access_key_id == access_key_id {
            return Some(&self.operator);
        }
        self.sessions.get(access_key_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_keys_follow_from_the_seed() {
        let one = Credentials::new("123456789012", 1);
        assert_eq!(
            one.operator(),
            Credentials::new("123456789012", 1).operator()
        );
        assert_ne!(
            one.operator(),
            Credentials::new("123456789012", 2).operator()
        );
        assert_eq!(one.operator().access_key_id.len(), 20);
        assert_eq!(one.operator().secret_access_key.len(), 40);
    }

    #[test]
    fn roles_keys_rotate_before_they_expire_and_overlap() {
        let mut credentials = Credentials::new("123456789012", 1);
        let at = Duration::from_hours;
        let first = credentials.issue("web", "i-1", at(0));
        assert_eq!(first.arn, "arn:aws:sts::123456789012:assumed-role/web/i-1");
        assert_eq!(first.expires, Some(at(6)));
        assert_eq!(credentials.issue("web", "i-1", at(4)), first);
        assert_ne!(
            credentials.issue("web", "i-2", at(4)),
            first,
            "each instance has its own"
        );
        let second = credentials.issue("web", "i-1", at(5));
        assert_ne!(second.access_key_id, first.access_key_id);
        assert_eq!(second.expires, Some(at(11)));
        assert!(
            credentials.find(&first.access_key_id).is_some(),
            "the old one is still known"
        );
        credentials.issue("web", "i-1", at(12));
        assert!(
            credentials.find(&first.access_key_id).is_none(),
            "and forgotten in the end"
        );
    }
}
