//! Owns what an instance is, and the set of all instances of a region. Must not know how they
//! come and go.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use crate::aws::error::ApiError;
use crate::aws::filter::{Filters, Tags};
use crate::aws::history::History;

/// One instance.
#[derive(Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "`instance_type` is EC2's own name"
)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) reservation_id: String,
    pub(crate) interface_id: String,
    pub(crate) image_id: String,
    pub(crate) instance_type: String,
    pub(crate) architecture: String,
    pub(crate) zone: String,
    pub(crate) subnet_id: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) private_dns: String,
    pub(crate) key_name: Option<String>,
    pub(crate) client_token: Option<String>,
    pub(crate) user_data: Arc<[u8]>,
    pub(crate) tags: History<Tags>,
    pub(crate) state: History<State>,
    /// Why it is in its state, as a code and a text.
    pub(crate) reason: Option<(&'static str, String)>,
    pub(crate) metadata: MetadataOptions,
    /// The instance profile's name.
    pub(crate) profile: Option<String>,
    pub(crate) security_groups: Vec<String>,
    /// Devices and volumes, the root volume first.
    pub(crate) devices: Vec<(String, String)>,
    /// The Auto Scaling group it belongs to.
    pub(crate) group: Option<String>,
    pub(crate) monitoring: bool,
    pub(crate) ebs_optimized: bool,
    pub(crate) termination_protected: bool,
    pub(crate) launched_at: Duration,
    pub(crate) launch_time: String,
    /// Why its status checks are impaired, if they are.
    pub(crate) impaired: Option<String>,
    /// What `GetConsoleOutput` gives.
    pub(crate) console: Vec<u8>,
}

/// The state of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
    Stopping,
    Stopped,
}

impl State {
    /// EC2's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    /// EC2's number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }

    /// Whether it is gone or going.
    pub(crate) fn is_ending(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

/// How an instance may use its metadata service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are EC2's own four switches"
)]
pub(crate) struct MetadataOptions {
    pub(crate) enabled: bool,
    pub(crate) tokens_required: bool,
    pub(crate) hop_limit: u8,
    pub(crate) tags: bool,
    pub(crate) ipv6: bool,
}

/// All instances of a region, found by id and by tag.
#[derive(Debug, Default)]
pub(crate) struct Instances {
    all: BTreeMap<String, Instance>,
    /// Ids by key and value of their tags, as they are now.
    by_tag: HashMap<String, HashMap<String, BTreeSet<String>>>,
    /// How many instances in each zone use capacity.
    in_zone: BTreeMap<String, usize>,
}

impl Instances {
    /// The instance with this id.
    pub(crate) fn get(&self, id: &str) -> Option<&Instance> {
        self.all.get(id)
    }

    /// The instance with this id, to change; its tags and its state only by the functions for it.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Instance> {
        self.all.get_mut(id)
    }

    /// All of them, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Instance> {
        self.all.values()
    }

    /// How many instances a zone holds that use capacity.
    pub(crate) fn in_zone(&self, zone: &str) -> usize {
        self.in_zone.get(zone).copied().unwrap_or_default()
    }

    /// Adds a new one.
    pub(crate) fn insert(&mut self, instance: Instance) {
        *self.in_zone.entry(instance.zone.clone()).or_default() += 1;
        self.index(&instance.id, instance.tags.get());
        self.all.insert(instance.id.clone(), instance);
    }

    /// Removes one as if it had never been.
    pub(crate) fn forget(&mut self, id: &str) {
        if let Some(instance) = self.all.remove(id) {
            self.unindex(id, instance.tags.get());
        }
    }

    /// Changes the tags of one.
    pub(crate) fn set_tags(&mut self, id: &str, now: Duration, tags: &Tags) {
        let Some(instance) = self.all.get_mut(id) else {
            return;
        };
        let before = instance.tags.get().clone();
        instance.tags.set(now, tags.clone());
        self.unindex(id, &before);
        self.index(id, tags);
    }

    /// Changes the state of one.
    pub(crate) fn set_state(&mut self, id: &str, now: Duration, state: State) {
        let Some(instance) = self.all.get_mut(id) else {
            return;
        };
        let used = uses_capacity(*instance.state.get());
        instance.state.set(now, state);
        let count = self.in_zone.entry(instance.zone.clone()).or_default();
        match (used, uses_capacity(state)) {
            (false, true) => *count += 1,
            (true, false) => *count = count.saturating_sub(1),
            (true, true) | (false, false) => (),
        }
    }

    fn index(&mut self, id: &str, tags: &Tags) {
        for (key, value) in tags {
            let values = self.by_tag.entry(key.clone()).or_default();
            let ids = values.entry(value.clone()).or_default();
            ids.insert(id.to_owned());
        }
    }

    fn unindex(&mut self, id: &str, tags: &Tags) {
        for (key, value) in tags {
            let values = self.by_tag.get_mut(key);
            if let Some(ids) = values.and_then(|values| values.get_mut(value)) {
                ids.remove(id);
            }
        }
    }

    /// Those that may match `filters`, sorted by id, all after `after`: the fewest that an index
    /// can tell. Each must still be held against the filters.
    pub(crate) fn candidates<'i>(
        &'i self,
        filters: &Filters,
        after: Option<&str>,
    ) -> Box<dyn Iterator<Item = &'i Instance> + 'i> {
        use std::ops::Bound;
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.to_owned()));
        let range = (start, Bound::<String>::Unbounded);
        let indexed = filters
            .exact_tags()
            .filter_map(|(key, values)| match values {
                [value] => Some(self.with_tag(key, value)),
                _ => None,
            });
        match indexed.min_by_key(|ids| ids.map_or(0, BTreeSet::len)) {
            None => Box::new(self.all.range(range).map(|(_, instance)| instance)),
            Some(None) => Box::new(std::iter::empty()),
            Some(Some(ids)) => Box::new(ids.range(range).filter_map(|id| self.all.get(id))),
        }
    }

    fn with_tag(&self, key: &str, value: &str) -> Option<&BTreeSet<String>> {
        self.by_tag.get(key)?.get(value)
    }
}

fn uses_capacity(state: State) -> bool {
    matches!(state, State::Pending | State::Running | State::Stopping)
}

/// Nobody has this instance.
pub(crate) fn instance_not_found(id: &str) -> ApiError {
    if id.starts_with("i-") {
        let text = format!("The instance ID '{id}' does not exist");
        ApiError::new("InvalidInstanceID.NotFound", text)
    } else {
        let text = format!("Invalid id: \"{id}\" (expecting \"i-...\")");
        ApiError::new("InvalidInstanceID.Malformed", text)
    }
}
