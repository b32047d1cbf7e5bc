//! Owns the simulated account: EC2, Auto Scaling, Elastic Load Balancing and STS in several
//! regions. Must not do input or output, read a clock, or know how requests arrive: time is
//! passed in, what machines must do is passed out, and the same seed and the same calls give the
//! same answers.

mod autoscaling;
mod check;
mod ec2;
mod elbv2;
mod error;
mod filter;
mod history;
mod ids;
mod launch;
mod operation;
mod page;
mod params;
mod region;
mod report;
mod schedule;
mod sts;
mod time;
mod xml;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use check::{Codes, Question, TargetCheck, TargetFailure};
pub use ec2::{Image, ImageState};
pub use error::{ApiError, Fault};
pub use launch::{Attachment, Change, Launch};
pub use params::Params;
pub use report::{GroupReport, MemberReport, TargetAnswer, TargetReport};

use operation::Call;
use region::Region;
use time::Epoch;
use xml::Xml;

/// What an account is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Twelve digits.
    pub account_id: String,
    /// Decides every identifier.
    pub seed: u64,
    /// The regions there are.
    pub regions: Vec<RegionSettings>,
}

/// What a region is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionSettings {
    /// For example `eu-west-1`.
    pub name: String,
    /// The first two octets of the default VPC's range, a /16: AWS's own is `[172, 31]`.
    pub vpc: [u8; 2],
    /// How many zones, at most sixteen. Each has a default subnet, a /20.
    pub zones: usize,
}

/// A service that speaks a Query protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Instances, templates, images, volumes, tags.
    Ec2,
    /// Auto Scaling groups.
    AutoScaling,
    /// Target groups and load balancers.
    ElbV2,
    /// Who is calling.
    Sts,
}

impl Service {
    /// The XML namespace of its answers.
    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
            Self::AutoScaling => "http://autoscaling.amazonaws.com/doc/2011-01-01/",
            Self::ElbV2 => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        }
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The access key's id.
    pub access_key_id: String,
    /// The user or the assumed role.
    pub arn: String,
}

/// A request whose signature is verified already.
#[derive(Clone, Copy, Debug)]
pub struct QueryCall<'a> {
    /// The service.
    pub service: Service,
    /// The region.
    pub region: &'a str,
    /// The operation's name.
    pub action: &'a str,
    /// The API version.
    pub version: &'a str,
    /// Its parameters.
    pub params: &'a Params,
    /// Who calls.
    pub caller: &'a Caller,
    /// Since the start of the simulation.
    pub now: Duration,
    /// Is told in the answer.
    pub request_id: &'a str,
}

/// Who runs the machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Machines {
    /// Nobody: instances and targets come up by themselves after a while.
    #[default]
    Imagined,
    /// The outside, which reports what becomes of them.
    Real,
}

/// A whole account.
#[derive(Debug)]
pub struct Aws {
    regions: BTreeMap<String, Region>,
}

impl Aws {
    /// An account as it is when it is opened: only default VPCs.
    pub fn new(settings: Settings) -> Self {
        let Settings {
            account_id,
            seed,
            regions,
        } = settings;
        let names: Vec<String> = regions.iter().map(|region| region.name.clone()).collect();
        let make = |region: RegionSettings| {
            let made = Region::new(&account_id, seed, &region, &names);
            (region.name, made)
        };
        Self {
            regions: regions.into_iter().map(make).collect(),
        }
    }

    /// Says who runs the machines.
    pub fn set_machines(&mut self, machines: Machines) {
        for region in self.regions.values_mut() {
            region.machines = machines;
        }
    }

    /// Says when, counted from 1970, the simulation started. Before the first call only.
    pub fn set_start(&mut self, since_1970: Duration) {
        for region in self.regions.values_mut() {
            region.epoch = Epoch::at(since_1970);
        }
    }

    /// Answers a request with a body of XML.
    pub fn query(&mut self, call: &QueryCall<'_>) -> Result<String, ApiError> {
        let service = call.service;
        let operation = operation::find(service, call.action)
            .ok_or_else(|| ApiError::unknown_action(service, call.action, call.version))?;
        let region = self.regions.get_mut(call.region).ok_or_else(|| {
            let text = format!("The region {} is not part of this simulation", call.region);
            ApiError::new("InvalidRegion", text)
        })?;
        region.advance(call.now);
        let mut xml = Xml::answer(service, call.action, call.request_id);
        let inner = Call {
            params: call.params,
            caller: call.caller,
        };
        let handled = operation.check(call.params).and_then(|()| {
            if !operation.writes {
                inner.proceed()?;
            }
            (operation.handle)(region, &inner, &mut xml)
        });
        handled.map_err(|error| error.in_words_of(service))?;
        Ok(xml.finish(service, call.action, call.request_id))
    }

    /// Whether an operation changes anything; `None` if there is no such operation.
    pub fn writes(service: Service, action: &str) -> Option<bool> {
        operation::find(service, action).map(|operation| operation.writes)
    }

    /// Lets everything happen that is due until `now`.
    pub fn advance(&mut self, now: Duration) {
        for region in self.regions.values_mut() {
            region.advance(now);
        }
    }

    /// When something is due next, since the start of the simulation. It may lie in the past.
    pub fn next_due(&self) -> Option<Duration> {
        let due = self.regions.values().filter_map(Region::next_due);
        due.min()
    }

    /// What the outside must do, in order. Each is told once.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let regions = self.regions.values_mut();
        regions
            .flat_map(|region| std::mem::take(&mut region.changes))
            .collect()
    }

    /// All that a node and its metadata service need, as it is now.
    pub fn launch(&self, region: &str, instance_id: &str) -> Option<Launch> {
        self.regions.get(region)?.launch_of(instance_id)
    }

    /// The outside says that a machine's first process runs. Ignored unless it was starting.
    pub fn instance_running(&mut self, region: &str, instance_id: &str, now: Duration) {
        if let Some(region) = self.at(region, now) {
            region.instance_running(instance_id);
        }
    }

    /// The outside says that a machine could not be started, or broke: its status checks are
    /// impaired, and its Auto Scaling group replaces it.
    pub fn instance_failed(
        &mut self,
        region: &str,
        instance_id: &str,
        reason: &str,
        now: Duration,
    ) {
        if let Some(region) = self.at(region, now) {
            region.instance_failed(instance_id, reason);
        }
    }

    /// The outside says how a target answers its health check.
    pub fn target_health(&mut self, report: &TargetReport<'_>, now: Duration) {
        if let Some(region) = self.at(report.region, now) {
            region.target_health(report);
        }
    }

    /// The targets that are to be checked now, in all regions: whoever runs the machines checks them
    /// and says so with [`Aws::target_health`].
    pub fn target_checks(&self) -> Vec<TargetCheck> {
        let regions = self.regions.values();
        regions.flat_map(Region::target_checks).collect()
    }

    /// Text for `GetConsoleOutput`.
    pub fn set_console(&mut self, region: &str, instance_id: &str, text: Vec<u8>) {
        if let Some(region) = self.regions.get_mut(region) {
            region.set_console(instance_id, text);
        }
    }

    /// Offers an image as an AMI without `RegisterImage`; gives its id. `None`: no such region.
    pub fn register_image(&mut self, region: &str, image: Image, now: Duration) -> Option<String> {
        Some(self.at(region, now)?.register_image(image))
    }

    /// Changes the state of an AMI: images that are still being made, or failed.
    pub fn set_image_state(&mut self, region: &str, image_id: &str, state: ImageState) {
        if let Some(region) = self.regions.get_mut(region) {
            region.set_image_state(image_id, state);
        }
    }

    /// EC2 describes of the region show what was `lag` ago; zero ends it.
    pub fn set_stale(&mut self, region: &str, lag: Duration) {
        if let Some(region) = self.regions.get_mut(region) {
            region.stale = lag;
        }
    }

    /// Says which instance types zones of the region do not offer, each as zone and type.
    pub fn set_unoffered(&mut self, region: &str, unoffered: BTreeSet<(String, String)>) {
        if let Some(region) = self.regions.get_mut(region) {
            region.unoffered = unoffered;
            region.reconcile_all();
        }
    }

    /// Lets a zone hold only so many instances; `None` ends it.
    pub fn set_capacity(&mut self, region: &str, zone: &str, instances: Option<usize>) {
        if let Some(region) = self.regions.get_mut(region) {
            region.set_capacity(zone, instances);
        }
    }

    /// The regions' names, sorted.
    pub fn regions(&self) -> impl Iterator<Item = &str> {
        self.regions.keys().map(String::as_str)
    }

    /// The Auto Scaling groups of a region with their instances, for `lab status`.
    pub fn groups(&self, region: &str) -> Vec<GroupReport> {
        let region = self.regions.get(region);
        region.map(Region::group_reports).unwrap_or_default()
    }

    fn at(&mut self, region: &str, now: Duration) -> Option<&mut Region> {
        let region = self.regions.get_mut(region)?;
        region.advance(now);
        Some(region)
    }
}
