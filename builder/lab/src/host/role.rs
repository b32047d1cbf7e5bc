//! Owns the credentials that an instance gets for its role: issued, and again before they expire.

use std::time::Duration;

use crate::aws::Launch;
use crate::imds::InstanceRole;
use crate::wire::AccessKey;

use super::Shared;

/// The role's credentials as its metadata service tells them; none without an instance profile.
pub(super) fn credentials(shared: &Shared, launch: &Launch) -> Option<InstanceRole> {
    let name = launch.instance_profile.clone()?;
    let moment = shared.clock.moment();
    let key = shared
        .cloud()
        .credentials_mut()
        .issue(&name, &launch.instance_id, moment.now);
    Some(told(name, &key, shared.clock.epoch()))
}

fn told(name: String, key: &AccessKey, epoch: Duration) -> InstanceRole {
    let time = |since_start: Duration| {
        let seconds = i64::try_from((epoch + since_start).as_secs()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |at| at.to_string())
    };
    InstanceRole {
        name,
        access_key_id: key.access_key_id.clone(),
        secret_access_key: key.secret_access_key.clone(),
        token: key.session_token.clone().unwrap_or_default(),
        last_updated: time(key.issued),
        expiration: key.expires.map(time).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::told;
    use crate::wire::Cloud;
    use std::time::Duration;

    #[test]
    fn credentials_are_told_with_their_times() {
        let mut cloud = Cloud::example(1);
        let now = Duration::from_secs(60);
        let key = cloud.credentials_mut().issue("node", "i-1", now);
        let role = told("node".to_owned(), &key, Duration::from_secs(1_767_225_600));
        assert_eq!(role.last_updated, "2026-01-01T00:01:00Z");
        assert_eq!(role.expiration, "2026-01-01T06:01:00Z");
        assert_eq!(role.access_key_id, key.access_key_id);
        assert!(role.access_key_id.starts_with("ASIA"));
    }
}
