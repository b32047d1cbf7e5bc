//! Owns fleet plans: what `vmimage fleet apply` will make or change in AWS, complete and printable.
//! Must not look at AWS; what is there comes in as a [`FleetInventory`].

pub mod action;
mod groups;
pub mod inventory;
pub mod names;
mod network;
mod networks;
pub mod objects;
mod placement;
mod problem;
mod region;
mod render;
mod secrets;
mod target_groups;
mod templates;
mod user_data;

pub use action::{Action, Step};
pub use inventory::FleetInventory;
pub use network::{Network, Subnet};
pub use networks::Networks;
pub use problem::{RegionProblem, Shortfall};
pub use region::{Place, RegionPlan};
pub use user_data::{FleetUserData, UserData, UserDataError};

use serde::Serialize;

use crate::definition::{Fleet, Region};

use self::action::create;
use self::inventory::{BucketObservation, Unreadable};
use self::objects::field;
use self::region::Common;

/// What will be done for a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FleetPlan {
    /// 1.
    pub format: u32,
    /// The cluster.
    pub cluster: String,
    /// The definition's path.
    pub definition: String,
    /// The account.
    pub account: String,
    /// The image.
    pub image: String,
    /// The primary region.
    pub primary: String,
    /// What is done in the primary region before the regions' own steps.
    pub steps: Vec<Step>,
    /// Why the state's bucket cannot be planned.
    #[serde(serialize_with = "render::problem")]
    pub problem: Option<RegionProblem>,
    /// The regions, by wave.
    pub regions: Vec<RegionPlan>,
}

impl FleetPlan {
    /// Whether nothing has to be done: every object in every region is as it should be, and has what
    /// it should have.
    pub fn is_empty(&self) -> bool {
        self.step_count() == 0
            && self.problems().next().is_none()
            && self.shortfalls().next().is_none()
    }

    /// How many steps there are.
    pub fn step_count(&self) -> usize {
        let regions = self.regions.iter().map(|region| region.steps.len());
        self.steps.len() + regions.sum::<usize>()
    }

    /// What cannot be planned, with its region.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &RegionProblem)> {
        let own = self.problem.iter().map(|p| (self.primary.as_str(), p));
        let regions = self.regions.iter();
        let theirs = regions.filter_map(|r| Some((r.region.as_str(), r.problem.as_ref()?)));
        own.chain(theirs)
    }
}

impl FleetPlan {
    /// What is missing though no step brings it, with its region.
    pub fn shortfalls(&self) -> impl Iterator<Item = (&str, &Shortfall)> {
        let regions = self.regions.iter();
        regions.flat_map(|region| {
            let shortfalls = region.shortfalls.iter();
            shortfalls.map(|shortfall| (region.region.as_str(), shortfall))
        })
    }
}

/// Plans what makes AWS as `fleet` says, given what is there. `user_data` is what its nodes run.
pub fn plan_fleet(
    fleet: &Fleet,
    user_data: &FleetUserData,
    inventory: &FleetInventory,
) -> FleetPlan {
    let (secrets, secret_steps) = secrets::plan_sources(fleet, inventory);
    let common = Common {
        user_data,
        secrets,
        networks: Networks::of(fleet, inventory),
    };
    let regions = fleet.regions.iter().map(|region| {
        let mut observed = inventory.regions.iter();
        match observed.find(|o| o.region == region.name).map(|o| &o.found) {
            Some(Ok(found)) => region::plan_region(fleet, region, found, &common),
            Some(Err(unreadable)) => unread(region, unreadable.clone()),
            None => unread(region, Unreadable::not_looked_at(&region.name)),
        }
    });
    let mut regions: Vec<RegionPlan> = regions.collect();
    let (steps, problem) = match plan_bucket(fleet, inventory) {
        Ok(bucket_steps) => ([bucket_steps, secret_steps].concat(), None),
        Err(problem) => {
            for region in &mut regions {
                hold_back(region, fleet);
            }
            (Vec::new(), Some(problem))
        }
    };
    FleetPlan {
        format: 1,
        cluster: fleet.cluster.clone(),
        definition: fleet.path.clone(),
        account: inventory.account.clone(),
        image: fleet.image.clone(),
        primary: fleet.primary.clone(),
        steps,
        problem,
        regions,
    }
}

/// No node becomes one without the state, so nothing is made that would launch some.
fn hold_back(region: &mut RegionPlan, fleet: &Fleet) {
    if !region.steps.is_empty() && region.problem.is_none() {
        region.problem = Some(RegionProblem::NoState {
            region: region.region.clone(),
            bucket: fleet.state.bucket.clone(),
        });
    }
    region.steps.clear();
}

fn unread(region: &Region, why: Unreadable) -> RegionPlan {
    RegionPlan {
        region: region.name.clone(),
        wave: region.wave,
        place: None,
        steps: Vec::new(),
        unchanged: 0,
        surplus: Vec::new(),
        notes: Vec::new(),
        shortfalls: Vec::new(),
        problem: Some(RegionProblem::Unreadable(why)),
    }
}

/// The bucket of the state. What it says already about public access and encryption is left as it
/// is; where it says nothing, an earlier run may have been killed.
fn plan_bucket(fleet: &Fleet, inventory: &FleetInventory) -> Result<Vec<Step>, RegionProblem> {
    let found = match &inventory.bucket {
        BucketObservation::Unreadable(why) => return Err(RegionProblem::Unreadable(why.clone())),
        BucketObservation::Found(found) => Some(found),
        BucketObservation::Missing => None,
    };
    let bucket = fleet.state.bucket.clone();
    let object = format!("bucket `{bucket}`");
    let mut steps = Vec::new();
    match found {
        Some(found) if found.region != fleet.primary => {
            return Err(RegionProblem::BucketElsewhere {
                bucket,
                is: found.region.clone(),
                primary: fleet.primary.clone(),
            });
        }
        Some(_) => {}
        None => steps.push(create(
            object.clone(),
            vec![field("region", &fleet.primary)],
            Action::CreateBucket {
                bucket: bucket.clone(),
            },
        )),
    }
    if !found.is_some_and(|found| found.public_access_block) {
        steps.push(create(
            format!("public access block of {object}"),
            vec![field("public access", "blocked")],
            Action::BlockPublicAccess {
                bucket: bucket.clone(),
            },
        ));
    }
    if !found.is_some_and(|found| found.encryption) {
        steps.push(create(
            format!("encryption of {object}"),
            vec![field("encryption", "AES256")],
            Action::EncryptBucket { bucket },
        ));
    }
    Ok(steps)
}
