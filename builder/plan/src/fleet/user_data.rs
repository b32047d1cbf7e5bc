//! Owns the user data of launch templates: its text is a file beside this one, its carrier is gzip.
//! The same inputs give the same bytes, so that an unchanged template gets no new version.

use std::fmt;
use std::io::Write as _;

use firstboot::{Role, USER_DATA_LIMIT_BYTES};
use flate2::{Compression, GzBuilder};

use super::names;
use super::objects::UserDataId;
use crate::digest::sha256_hex;

/// What an instance runs at launch. `vmimage-launch` and cloud-init both take a script in gzip.
const LAUNCH: &str = include_str!("launch.sh");

/// gzip's mark for an unknown operating system (RFC 1952): the bytes must not depend on this one.
const UNKNOWN_SYSTEM: u8 = 255;

/// The bytes of user data, before base64.
#[derive(Clone, PartialEq, Eq)]
pub struct UserData(Vec<u8>);

/// User data that EC2 would not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot make a launch template for `{}`: its user data has {bytes} bytes, and EC2 takes {USER_DATA_LIMIT_BYTES}",
    role.as_str()
)]
pub struct UserDataTooLarge {
    /// The role that it is for.
    pub role: Role,
    /// Its size.
    pub bytes: usize,
}

impl UserData {
    /// What the nodes of a role run.
    pub fn of_role(cluster: &str, role: Role) -> Result<Self, UserDataTooLarge> {
        // A cluster's name and a role's are DNS labels, so nothing in them means anything to a shell.
        let script = LAUNCH
            .replace("@CLUSTER@", cluster)
            .replace("@ROLE@", role.as_str())
            .replace("@HOOK@", names::LAUNCH_HOOK);
        Self::carry(role, script.as_bytes())
    }

    fn carry(role: Role, program: &[u8]) -> Result<Self, UserDataTooLarge> {
        let mut gzip = GzBuilder::new()
            .mtime(0)
            .operating_system(UNKNOWN_SYSTEM)
            .write(Vec::new(), Compression::best());
        let bytes = gzip
            .write_all(program)
            .and_then(|()| gzip.finish())
            .expect("writing to memory does not fail");
        if bytes.len() > USER_DATA_LIMIT_BYTES {
            let bytes = bytes.len();
            return Err(UserDataTooLarge { role, bytes });
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its digest and size.
    pub fn id(&self) -> UserDataId {
        UserDataId::of(&self.0)
    }
}

impl UserDataId {
    /// The digest and size of user data.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: sha256_hex(bytes),
            bytes: bytes.len(),
        }
    }
}

/// Leaves the bytes out.
impl fmt::Debug for UserData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{LAUNCH, UserData};
    use firstboot::Role;
    use flate2::read::GzDecoder;

    #[test]
    fn a_role_s_user_data_is_its_script_in_gzip_and_always_the_same() {
        let data = UserData::of_role("hosting", Role::Storage).unwrap();
        assert_eq!(data, UserData::of_role("hosting", Role::Storage).unwrap());
        // Magic, deflate, no flags, no time, best compression, unknown system.
        assert_eq!(
            data.as_bytes()[..10],
            [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]
        );
        let mut script = String::new();
        GzDecoder::new(data.as_bytes())
            .read_to_string(&mut script)
            .unwrap();
        assert!(script.starts_with("#!/bin/sh\n"), "{script}");
        assert!(script.contains("group=hosting-storage"), "{script}");
        assert!(script.contains("hook=vmimage-launch"), "{script}");
        for mark in ["@CLUSTER@", "@ROLE@", "@HOOK@"] {
            assert!(LAUNCH.contains(mark) && !script.contains(mark), "{mark}");
        }
        assert!(
            !LAUNCH.to_lowercase().contains("mime-version:"),
            "cloud-init looks for it"
        );
    }

    #[test]
    fn what_ec2_would_refuse_is_refused_here() {
        // Numbers by a linear congruential generator do not compress.
        let mut state = 1_u32;
        let mut noise = |count: usize| -> Vec<u8> {
            let next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            };
            std::iter::repeat_with(next).take(count).collect()
        };
        let fits = UserData::carry(Role::Web, &noise(16_300)).unwrap();
        assert!(fits.as_bytes().len() <= 16_384);
        let error = UserData::carry(Role::Web, &noise(16_384)).unwrap_err();
        assert!(error.bytes > 16_384);
        assert_eq!(
            error.to_string(),
            format!(
                "cannot make a launch template for `web`: its user data has {} bytes, and EC2 takes 16384",
                error.bytes
            )
        );
    }
}
