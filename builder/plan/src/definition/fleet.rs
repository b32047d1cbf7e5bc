//! Owns the fleet (`images/fleet.toml`): what runs where, and when an upgrade goes on.

use firstboot::Role;
use serde::{Serialize, Serializer};

/// A checked fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fleet {
    /// The definition's path.
    pub path: String,
    /// The cluster's name, a DNS label.
    pub cluster: String,
    /// The environment, for example `production`.
    pub environment: String,
    /// The public domain.
    pub domain: String,
    /// Where the nodes keep their shared state.
    pub state: StateLocation,
    /// The image that its instances are made of.
    pub image: String,
    /// The region that has the state's bucket and makes the secrets; one of `regions`.
    pub primary: String,
    /// Parameters below `/vmimage/<cluster>/` that are made up when they are absent, the same in
    /// every region; sorted.
    pub secrets: Vec<String>,
    /// Its regions, by wave and then as written.
    pub regions: Vec<Region>,
    /// Its roles, each once, in the order of [`Role::ALL`].
    pub roles: Vec<FleetRole>,
}

/// A prefix in a bucket of S3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateLocation {
    /// The bucket.
    pub bucket: String,
    /// The prefix, without a slash at either end.
    pub prefix: String,
}

/// A region of AWS that the fleet runs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Region {
    /// Its name, for example `eu-west-1`.
    pub name: String,
    /// Regions of one wave are upgraded together, after those of the waves before; from 1.
    pub wave: u32,
}

/// What the instances of one role are, in each region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FleetRole {
    /// The role.
    #[serde(serialize_with = "role_name")]
    pub role: Role,
    /// Their instance type.
    pub instance_type: String,
    /// The least of them.
    pub min: u32,
    /// How many there are to begin with.
    pub desired: u32,
    /// The most of them.
    pub max: u32,
    /// Size of each one's root volume.
    pub root_volume_gib: u32,
    /// The instance profile that gives its instances their AWS permissions; `None` where they have none.
    pub instance_profile: Option<String>,
    /// Size of each one's data volume; `None` where the role keeps no data of its own.
    pub data_volume_gib: Option<u32>,
    /// Size of every third one's data volume, which then holds names and no contents: the arbiter of
    /// its set of three. `None` where all three hold the same.
    pub arbiter_volume_gib: Option<u32>,
    /// When an upgrade of the role goes on.
    pub health: Health,
}

/// Bricks of a set of GlusterFS, each of which has every file; the last may be an arbiter.
pub(super) const REPLICAS: u32 = 3;

impl FleetRole {
    /// Size of the data volume of `slot`, counted from 1; `None` where the role keeps no data of its own.
    pub fn volume_gib(&self, slot: u32) -> Option<u32> {
        let of_arbiter = self
            .arbiter_volume_gib
            .filter(|_| slot.is_multiple_of(REPLICAS));
        of_arbiter.or(self.data_volume_gib)
    }

    /// How many of each set of three are arbiters.
    pub fn arbiters(&self) -> u32 {
        u32::from(self.arbiter_volume_gib.is_some())
    }
}

/// A health gate: it opens after `samples` good samples in a row, and fails when it is not open in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Good samples in a row.
    pub samples: u32,
    /// Time between samples.
    pub every_secs: u32,
    /// Time until it must be open.
    pub at_most_secs: u32,
    /// The HTTPS request that must be answered; `None` where the node's own report is all there is.
    pub https: Option<HttpsProbe>,
}

/// An HTTPS request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpsProbe {
    /// Port.
    pub port: u16,
    /// Path.
    pub path: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's `serialize_with` passes a reference"
)]
fn role_name<S: Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(role.as_str())
}
