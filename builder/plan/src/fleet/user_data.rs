//! Owns the user data of launch templates: the program of a role, carried by the engine.
//! The same inputs give the same bytes, so that an unchanged template gets no new version.

use std::collections::BTreeMap;
use std::fmt;

use firstboot::{Role, USER_DATA_LIMIT_BYTES};

use super::objects::UserDataId;
use crate::address::AddressRange;
use crate::definition::{Architecture, Fleet, Recipe};
use crate::digest::sha256_hex;
use crate::role::{NoEngine, ProgramError, Sizes, carry, compile, encode};

/// The bytes of user data, before base64.
#[derive(Clone, PartialEq, Eq)]
pub struct UserData {
    bytes: Vec<u8>,
    sizes: Sizes,
}

/// Why a role has no user data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserDataError {
    /// Its boot halves make no program.
    #[error("cannot make the program of role `{}`", role.as_str())]
    Program {
        /// The role.
        role: Role,
        /// Why.
        #[source]
        source: ProgramError,
    },
    /// Nothing can run it.
    #[error(transparent)]
    NoEngine(#[from] NoEngine),
    /// EC2 would not take it.
    #[error(
        "the user data of role `{}` has {} bytes, and EC2 takes {USER_DATA_LIMIT_BYTES}: an engine of {} bytes and a program of {} came to {} in xz",
        role.as_str(), sizes.whole, sizes.engine, sizes.program, sizes.compressed
    )]
    TooLarge {
        /// The role.
        role: Role,
        /// How it came to this.
        sizes: Sizes,
    },
}

impl UserDataError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Program { .. } => None,
            Self::NoEngine(error) => Some(error.hint().to_owned()),
            Self::TooLarge { role, .. } => Some(format!(
                "put what does not depend on the node into files of the image, and leave less to the boot halves for `{}`",
                role.as_str()
            )),
        }
    }
}

impl UserData {
    /// What the nodes of `role` run: the boot halves of the image's `recipes`.
    pub fn of_role(
        fleet: &Fleet,
        networks: &[AddressRange],
        recipes: &[Recipe],
        architecture: Architecture,
        role: Role,
    ) -> Result<Self, UserDataError> {
        let failed = |source| UserDataError::Program { role, source };
        let compiled = compile(fleet, networks, recipes, role).map_err(failed)?;
        let program = encode(&compiled.program).map_err(failed)?;
        let carrier = carry(architecture, &program)?;
        if carrier.sizes.left().is_none() {
            let sizes = carrier.sizes;
            return Err(UserDataError::TooLarge { role, sizes });
        }
        Ok(Self {
            bytes: carrier.bytes,
            sizes: carrier.sizes,
        })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How it came to its size.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Its digest and size.
    pub fn id(&self) -> UserDataId {
        UserDataId::of(&self.bytes)
    }
}

/// The user data of every role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetUserData(BTreeMap<Role, UserData>);

impl FleetUserData {
    /// What the nodes of each role run: the boot halves of the image's `recipes`. They let in nodes with
    /// addresses in `networks`.
    pub fn new(
        fleet: &Fleet,
        networks: &[AddressRange],
        recipes: &[Recipe],
        architecture: Architecture,
    ) -> Result<Self, UserDataError> {
        let of = |role| {
            Ok((
                role,
                UserData::of_role(fleet, networks, recipes, architecture, role)?,
            ))
        };
        Role::ALL
            .into_iter()
            .map(of)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// That of `role`.
    pub fn of(&self, role: Role) -> &UserData {
        // There is one for every role.
        &self.0[&role]
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
