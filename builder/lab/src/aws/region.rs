//! Owns one region: everything in it, and its time. Must not know what the objects do; their
//! behaviour lies beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::autoscaling::Scaling;
use super::ec2::{Instances, Network, RegisteredImage, Templates, Tokens, Volume};
use super::elbv2::Balancing;
use super::ids::Ids;
use super::launch::Change;
use super::schedule::{Event, Schedule};
use super::time::Epoch;
use super::{Machines, RegionSettings};

/// One region of the account.
#[derive(Debug)]
pub(crate) struct Region {
    /// For example `eu-west-1`.
    pub(crate) name: String,
    /// Twelve digits.
    pub(crate) account_id: String,
    /// The names of all regions.
    pub(crate) all_regions: Vec<String>,
    pub(crate) epoch: Epoch,
    pub(crate) machines: Machines,
    /// The latest time that was passed in.
    pub(crate) now: Duration,
    /// How far EC2's describes lag behind.
    pub(crate) stale: Duration,
    pub(crate) ids: Ids,
    pub(crate) schedule: Schedule,
    /// What the outside was not told yet.
    pub(crate) changes: Vec<Change>,
    pub(crate) network: Network,
    pub(crate) images: BTreeMap<String, RegisteredImage>,
    pub(crate) instances: Instances,
    /// What was created under which client token.
    pub(crate) tokens: Tokens,
    pub(crate) templates: Templates,
    pub(crate) volumes: BTreeMap<String, Volume>,
    /// Zones and the instance types that they do not offer.
    pub(crate) unoffered: BTreeSet<(String, String)>,
    /// How many instances a zone holds at most.
    pub(crate) capacity: BTreeMap<String, usize>,
    pub(crate) scaling: Scaling,
    pub(crate) balancing: Balancing,
}

impl Region {
    /// A region with nothing but its default VPC.
    pub(crate) fn new(
        account_id: &str,
        seed: u64,
        settings: &RegionSettings,
        all_regions: &[String],
    ) -> Self {
        let mut ids = Ids::new(seed, &settings.name);
        let network = Network::new(settings, &mut ids);
        Self {
            name: settings.name.clone(),
            account_id: account_id.to_owned(),
            all_regions: all_regions.to_vec(),
            epoch: Epoch::default(),
            machines: Machines::default(),
            now: Duration::ZERO,
            stale: Duration::ZERO,
            ids,
            schedule: Schedule::default(),
            changes: Vec::new(),
            network,
            images: BTreeMap::new(),
            instances: Instances::default(),
            tokens: Tokens::default(),
            templates: Templates::default(),
            volumes: BTreeMap::new(),
            unoffered: BTreeSet::new(),
            capacity: BTreeMap::new(),
            scaling: Scaling::default(),
            balancing: Balancing::default(),
        }
    }

    /// Lets everything happen that is due until `now`. Time never goes back.
    pub(crate) fn advance(&mut self, now: Duration) {
        while let Some((when, event)) = self.schedule.take_due(now) {
            self.now = self.now.max(when);
            self.happen(event);
        }
        self.now = self.now.max(now);
    }

    /// When something is due next.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.schedule.next_due()
    }

    /// Lets `event` happen `delay` from now.
    pub(crate) fn later(&mut self, delay: Duration, event: Event) {
        self.schedule.at(self.now + delay, event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::InstanceStarted(id) => self.instance_started(&id),
            Event::InstanceStopped(id) => self.instance_stopped(&id),
            Event::InstanceTerminated(id) => self.instance_terminated(&id),
            Event::InstanceForgotten(id) => self.instances.forget(&id),
            Event::VolumeCreated(id) => self.volume_created(&id),
            Event::Reconcile(group) => self.reconcile(&group),
            Event::HealthCheck { group, instance_id } => self.check_health(&group, &instance_id),
            Event::LifecycleTimeout {
                group,
                instance_id,
                token,
            } => self.lifecycle_timeout(&group, &instance_id, &token),
            Event::LifecycleProceed { group, instance_id } => {
                self.lifecycle_proceed(&group, &instance_id);
            }
            Event::TargetDrained {
                target_group,
                target,
            } => self.target_drained(&target_group, &target),
            Event::TargetHealthy {
                target_group,
                target,
            } => self.target_healthy(&target_group, &target),
            Event::LoadBalancerActive(arn) => self.load_balancer_active(&arn),
        }
    }

    /// The time that EC2's describes show.
    pub(crate) fn view(&self) -> Duration {
        self.now.saturating_sub(self.stale)
    }

    /// What time it is, as AWS says it.
    pub(crate) fn time_text(&self) -> String {
        self.epoch.text(self.now)
    }

    /// The ARN of something in this region.
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        format!(
            "arn:aws:{service}:{}:{}:{resource}",
            self.name, self.account_id
        )
    }

    /// Lets a zone hold only so many instances.
    pub(crate) fn set_capacity(&mut self, zone: &str, instances: Option<usize>) {
        match instances {
            Some(most) => {
                self.capacity.insert(zone.to_owned(), most);
            }
            None => {
                self.capacity.remove(zone);
            }
        }
        self.reconcile_all();
    }
}
