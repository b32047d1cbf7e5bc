//! Owns the credentials of a role in the form in which a metadata service shows them.

use std::time::Duration;

use super::cloud::Cloud;
use crate::imds::InstanceRole;

impl Cloud {
    /// What the metadata service of an instance shows of its role at `now`: the same credentials until
    /// they come near their end, then new ones. Ask again for every request.
    pub fn instance_role(&mut self, role: &str, instance_id: &str, now: Duration) -> InstanceRole {
        let key = self.credentials.issue(role, instance_id, now);
        let date = |time: Duration| rfc3339(self.start.saturating_add(time));
        InstanceRole {
            name: role.to_owned(),
            last_updated: date(key.issued),
            expiration: date(key.expires.unwrap_or(key.issued)),
            access_key_id: key.access_key_id,
            secret_access_key: key.secret_access_key,
            token: key.session_token.unwrap_or_default(),
        }
    }
}

fn rfc3339(since_1970: Duration) -> String {
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metadata_service_shows_credentials_that_the_services_take() {
        let mut cloud = Cloud::example(1);
        let role = cloud.instance_role("web", "i-1", Duration::from_hours(1));
        assert_eq!(role.last_updated, "2026-01-01T01:00:00Z");
        assert_eq!(role.expiration, "2026-01-01T07:00:00Z");
        let key = cloud.credentials().find(&role.access_key_id).unwrap();
        assert_eq!(key.session_token, Some(role.token.clone()));
        assert_eq!(key.secret_access_key, role.secret_access_key);
        assert_eq!(
            cloud.instance_role("web", "i-1", Duration::from_hours(5)),
            role
        );
        assert_ne!(
            cloud.instance_role("web", "i-1", Duration::from_hours(6)),
            role
        );
    }
}
