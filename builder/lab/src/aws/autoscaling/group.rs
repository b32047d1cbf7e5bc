//! Owns what an Auto Scaling group is: what it wants, what it launches, who its members are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::activities::Activity;
use super::hooks::Hook;
use super::member::{Lifecycle, Member};
use crate::aws::ApiError;
use crate::aws::params::Params;

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) created: String,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) desired: u32,
    pub(crate) cooldown: Duration,
    /// When its capacity was last changed by a user.
    pub(crate) scaled_at: Option<Duration>,
    pub(crate) source: Source,
    /// Subnets and their zones, in the order given.
    pub(crate) subnets: Vec<(String, String)>,
    /// Whether its targets' health counts, besides that of its instances.
    pub(crate) elb_health: bool,
    pub(crate) grace: Duration,
    pub(crate) target_groups: Vec<String>,
    pub(crate) hooks: BTreeMap<String, Hook>,
    /// Values, and whether instances get the tag.
    pub(crate) tags: BTreeMap<String, (String, bool)>,
    pub(crate) policies: Vec<String>,
    pub(crate) protects_new: bool,
    pub(crate) suspended: BTreeSet<&'static str>,
    /// What is kept and told, but means nothing here.
    pub(crate) kept: Params,
    pub(crate) members: BTreeMap<String, Member>,
    /// Oldest first.
    pub(crate) activities: Vec<Activity>,
    /// Why its wanted capacity changed, until it is reached.
    pub(crate) cause: String,
    /// How many launches replace unhealthy instances.
    pub(crate) replacing: u32,
    /// The instance that was launched to spread the group, until it is in service.
    pub(crate) rebalancing: Option<String>,
    /// Launches failed so many times in a row; the next one waits until then.
    pub(crate) failures: u32,
    pub(crate) retry_at: Duration,
    pub(crate) deleting: bool,
}

/// What a group launches.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A template's id, name and version.
    Template(Params),
    /// A policy with a template and what overrides it.
    Mixed(Params),
}

impl Source {
    /// How the template is named.
    pub(crate) fn template(&self) -> Params {
        match self {
            Self::Template(named) => named.clone(),
            Self::Mixed(policy) => {
                let node = policy.node("LaunchTemplate.LaunchTemplateSpecification");
                node.cloned().unwrap_or_default()
            }
        }
    }
}

impl Group {
    /// The members that count towards what it wants.
    pub(crate) fn counted(&self) -> impl Iterator<Item = &Member> {
        let members = self.members.values();
        members.filter(|member| member.lifecycle.is_counted())
    }

    /// A member that a call names.
    pub(crate) fn named(&self, id: &str) -> Result<&Member, ApiError> {
        self.members.get(id).ok_or_else(|| {
            ApiError::validation(format!(
                "The instance {id} is not part of Auto Scaling group {}.",
                self.name
            ))
        })
    }

    /// How many count.
    pub(crate) fn size(&self) -> u32 {
        u32::try_from(self.counted().count()).unwrap_or(u32::MAX)
    }

    /// Whether a process is suspended.
    pub(crate) fn suspends(&self, process: &str) -> bool {
        self.suspended.contains(process)
    }

    /// How many counted members a zone has.
    pub(crate) fn in_zone(&self, zone: &str) -> usize {
        self.counted().filter(|member| member.zone == zone).count()
    }

    /// The activity with this id.
    pub(crate) fn activity_mut(&mut self, id: &str) -> Option<&mut Activity> {
        // What is still changed is near the end.
        let mut newest_first = self.activities.iter_mut().rev();
        newest_first.find(|activity| activity.id == id)
    }

    /// Whether every counted member is in service.
    pub(crate) fn is_settled(&self) -> bool {
        self.members
            .values()
            .all(|member| !member.lifecycle.is_pending())
    }

    /// How many members wait for its rebalancing: they are more than it wants, for a while.
    pub(crate) fn surplus_allowed(&self) -> u32 {
        let new = self
            .rebalancing
            .as_ref()
            .and_then(|id| self.members.get(id));
        u32::from(new.is_some_and(|member| member.lifecycle.is_pending()))
    }

    /// The members in service.
    pub(crate) fn in_service(&self) -> impl Iterator<Item = &Member> {
        let members = self.members.values();
        members.filter(|member| member.lifecycle == Lifecycle::InService)
    }
}
