//! Owns how a group launches: what it launches, where, why, and what it does when it cannot.

use std::time::Duration;

use super::group::{Group, Source};
use super::member::{Lifecycle, Member, Used};
use crate::aws::ec2::{LaunchSpec, Origin, check_for_metadata};
use crate::aws::error::ApiError;
use crate::aws::launch::Change;
use crate::aws::params::Params;
use crate::aws::region::Region;
use crate::aws::schedule::Event;

/// How long a group waits after its first failed launch; twice as long each time after it.
const RETRY: Duration = Duration::from_secs(15);
/// It never waits longer.
const RETRY_AT_MOST: Duration = Duration::from_mins(10);

/// What a group launches, ready.
struct Prepared {
    spec: LaunchSpec,
    template: Used,
}

/// A template that is told by id and name is found by its id.
fn by_id(named: Params) -> Params {
    if named.filled("LaunchTemplateId").is_none() {
        return named;
    }
    named.only(|name| name != "LaunchTemplateName")
}

impl Region {
    /// What `source` launches. Refusals are those of EC2.
    pub(crate) fn launch_data(&self, source: &Source) -> Result<(Params, Used), ApiError> {
        let overrides = match source {
            Source::Template(_) => None,
            Source::Mixed(policy) => {
                let overrides = policy.list("LaunchTemplate.Overrides");
                overrides.first().map(|first| (*first).clone())
            }
        };
        let own = overrides
            .as_ref()
            .and_then(|first| first.node("LaunchTemplateSpecification"));
        let named = own.cloned().unwrap_or_else(|| source.template());
        let found = self.templates.resolve(&by_id(named))?;
        let used = Used {
            id: found.template.id.clone(),
            name: found.template.name.clone(),
            version: found.number,
        };
        let over = overrides.unwrap_or_default();
        let over = over.only(|name| name == "InstanceType" || name == "ImageId");
        Ok((found.data.clone().overlaid(over), used))
    }

    fn prepare_launch(&self, name: &str) -> Result<Prepared, ApiError> {
        let group = self.scaling.group(name)?;
        let (data, template) = self.launch_data(&group.source)?;
        let mut spec = self.launch_spec(&data)?;
        for (key, (value, propagates)) in &group.tags {
            if *propagates {
                spec.tags.insert(key.clone(), value.clone());
            }
        }
        if spec.metadata.tags {
            check_for_metadata(spec.tags.keys())?;
        }
        let own = [
            ("aws:autoscaling:groupName", group.name.clone()),
            ("aws:ec2launchtemplate:id", template.id.clone()),
            (
                "aws:ec2launchtemplate:version",
                template.version.to_string(),
            ),
        ];
        let own = own.map(|(key, value)| (key.to_owned(), value));
        spec.tags.extend(own);
        Ok(Prepared { spec, template })
    }

    /// Launches as many members as are missing, or as can be had.
    pub(crate) fn launch_members(&mut self, name: &str, missing: u32) {
        let Ok(group) = self.scaling.group(name) else {
            return;
        };
        if group.suspends("Launch") || self.now < group.retry_at {
            return;
        }
        let prepared = match self.prepare_launch(name) {
            Ok(prepared) => prepared,
            Err(error) => {
                self.launch_failed(name, ("", ""), &error);
                self.retry_later(name);
                return;
            }
        };
        for _ in 0..missing {
            if !self.launch_member(name, &prepared) {
                self.retry_later(name);
                return;
            }
        }
        if let Some(group) = self.scaling.groups.get_mut(name) {
            group.failures = 0;
        }
    }

    /// Launches one member in the zone with the fewest, or in the next that has room.
    fn launch_member(&mut self, name: &str, prepared: &Prepared) -> bool {
        let Ok(group) = self.scaling.group(name) else {
            return false;
        };
        let mut places = group.subnets.clone();
        places.sort_by_key(|(_, zone)| group.in_zone(zone));
        for (subnet, zone) in &places {
            let reservation_id = self.ids.resource("r");
            let origin = Origin {
                reservation_id: &reservation_id,
                client_token: None,
                group: Some(name),
            };
            match self.launch_instance(&prepared.spec, subnet, &origin) {
                Ok(id) => {
                    self.add_member(name, &id, (subnet, zone), prepared);
                    return true;
                }
                Err(error) => self.launch_failed(name, (subnet, zone), &error),
            }
        }
        false
    }

    fn add_member(
        &mut self,
        name: &str,
        id: &str,
        (subnet, zone): (&str, &str),
        prepared: &Prepared,
    ) {
        let cause = self.launch_cause(name);
        let description = format!("Launching a new EC2 instance: {id}");
        let activity = self.begin_activity(name, description, cause, (subnet, zone));
        self.note_activity(name, &activity, "PreInService", 25);
        let zone_id = self.network.in_zone(zone);
        let zone_id = zone_id.map(|subnet| subnet.zone_id.clone());
        let now = self.now;
        if let Some(group) = self.scaling.groups.get_mut(name) {
            group.replacing = group.replacing.saturating_sub(1);
            let member = Member {
                instance_id: id.to_owned(),
                zone: zone.to_owned(),
                zone_id: zone_id.unwrap_or_default(),
                instance_type: prepared.spec.instance_type.clone(),
                image_id: prepared.spec.image_id.clone(),
                lifecycle: Lifecycle::Pending,
                healthy: true,
                protected: group.protects_new,
                template: prepared.template.clone(),
                waits: Vec::new(),
                activity,
                launched_at: now,
                in_service_since: None,
            };
            group.members.insert(id.to_owned(), member);
        }
        self.start_machine(id, Change::Launch);
    }

    fn launch_cause(&self, name: &str) -> String {
        let at = self.epoch.to_the_second(self.now);
        let Ok(group) = self.scaling.group(name) else {
            return String::new();
        };
        let (size, desired) = (group.size(), group.desired);
        if group.replacing > 0 {
            return format!(
                "At {at} an instance was launched in response to an unhealthy instance needing to \
                 be replaced."
            );
        }
        if size >= desired {
            return format!(
                "At {at} instances were launched to balance instances in zones with other zones \
                 resulting in more than desired number of instances in the group."
            );
        }
        let why = &group.cause;
        let space = if why.is_empty() { "" } else { "  " };
        format!(
            "{why}{space}At {at} an instance was started in response to a difference between \
             desired and actual capacity, increasing the capacity from {size} to {desired}."
        )
    }

    fn launch_failed(&mut self, name: &str, place: (&str, &str), error: &ApiError) {
        let message = format!(
            "{}. Launching EC2 instance failed.",
            error.message.trim_end_matches('.')
        );
        let description = format!("Launching a new EC2 instance.  Status Reason: {message}");
        let cause = self.launch_cause(name);
        let activity = self.begin_activity(name, description, cause, place);
        self.end_activity(name, &activity, "Failed", Some(message));
    }

    /// Lets the next launch wait, the longer the more have failed.
    pub(crate) fn retry_later(&mut self, name: &str) {
        let now = self.now;
        let Some(group) = self.scaling.groups.get_mut(name) else {
            return;
        };
        let doubled = RETRY * 2_u32.pow(group.failures.min(10));
        group.failures += 1;
        group.retry_at = now + doubled.min(RETRY_AT_MOST);
        let event = Event::Reconcile(name.to_owned());
        self.schedule.at(group.retry_at, event);
    }

    /// Launches one more instance where a zone has two fewer than another: `reconcile` then ends
    /// one in the other zone.
    pub(crate) fn rebalance(&mut self, name: &str) {
        let Ok(group) = self.scaling.group(name) else {
            return;
        };
        let suspended = ["AZRebalance", "Launch", "Terminate"];
        if suspended.iter().any(|process| group.suspends(process))
            || !group.is_settled()
            || self.now < group.retry_at
            || !self.is_spread_badly(group)
        {
            return;
        }
        let Ok(prepared) = self.prepare_launch(name) else {
            return;
        };
        let before: Vec<String> = group.members.keys().cloned().collect();
        self.launch_member(name, &prepared);
        if let Some(group) = self.scaling.groups.get_mut(name) {
            let mut new = group.members.keys().filter(|id| !before.contains(id));
            group.rebalancing = new.next().cloned();
        }
    }

    /// Whether a zone with room has two fewer than another that could give one up.
    fn is_spread_badly(&self, group: &Group) -> bool {
        let has_room = |(id, zone): &&(String, String)| {
            let subnet = self.network.subnet(id);
            self.room_in(zone) > 0 && subnet.is_ok_and(|subnet| subnet.free() > 0)
        };
        let roomy = group.subnets.iter().filter(has_room);
        let fewest = roomy.map(|(_, zone)| group.in_zone(zone)).min();
        let in_service = group.in_service().filter(|member| !member.protected);
        let fullest = in_service.map(|member| group.in_zone(&member.zone)).max();
        match (fewest, fullest) {
            (Some(fewest), Some(fullest)) => fullest >= fewest + 2,
            _ => false,
        }
    }

    /// Every group may do better now.
    pub(crate) fn reconcile_all(&mut self) {
        let names: Vec<String> = self.scaling.groups.keys().cloned().collect();
        for name in names {
            self.reconcile_soon(&name);
        }
    }
}
