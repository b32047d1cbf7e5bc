//! Owns which targets are to be checked from the outside, and how. Must not check them.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::target_groups::TargetGroup;
use super::targets::{Health, Target};
use crate::aws::check::{Codes, Question, TargetCheck};
use crate::aws::ec2::State;
use crate::aws::region::Region;

/// What is good where nothing is said: as for the network load balancer's groups.
const USUAL_CODES: &str = "200-399";

impl Region {
    /// The targets that somebody checks: those that run, in groups that a listener forwards to.
    pub(crate) fn target_checks(&self) -> impl Iterator<Item = TargetCheck> {
        let groups = self.balancing.target_groups.values();
        let checked = groups.filter(|group| {
            self.balancing.is_used(&group.arn)
                && group.check.get("HealthCheckEnabled").map(String::as_str) != Some("false")
        });
        checked.flat_map(move |group| {
            let targets = group.targets.values();
            let targets = targets.filter(|target| !matches!(target.health, Health::Draining(_)));
            targets.filter_map(move |target| self.target_check(group, target))
        })
    }

    fn target_check(&self, group: &TargetGroup, target: &Target) -> Option<TargetCheck> {
        let setting = |name: &str| group.check.get(name).map(String::as_str);
        let port = match setting("HealthCheckPort") {
            Some("traffic-port") | None => target.port,
            Some(port) => port.parse().ok()?,
        };
        let page = |tls| {
            let codes = setting("Matcher.HttpCode").unwrap_or(USUAL_CODES);
            Some(Question::Http {
                tls,
                path: setting("HealthCheckPath").unwrap_or("/").to_owned(),
                codes: Codes::parse(codes)?,
            })
        };
        let question = match setting("HealthCheckProtocol") {
            Some("HTTP") => page(false)?,
            Some("HTTPS") => page(true)?,
            Some(_) | None => Question::Tcp,
        };
        let seconds = |name: &str| Duration::from_secs(group.check_number(name));
        Some(TargetCheck {
            region: self.name.clone(),
            target_group: group.arn.clone(),
            target: target.id.clone(),
            port: target.port,
            address: SocketAddrV4::new(self.address_of(&target.id)?, port),
            question,
            interval: seconds("HealthCheckIntervalSeconds"),
            timeout: seconds("HealthCheckTimeoutSeconds"),
            healthy: group.check_number("HealthyThresholdCount"),
            unhealthy: group.check_number("UnhealthyThresholdCount"),
        })
    }

    /// Where a target is, if it is there: an instance that runs, or an address.
    fn address_of(&self, id: &str) -> Option<Ipv4Addr> {
        match self.instances.get(id) {
            Some(instance) => {
                let runs = *instance.state.get() == State::Running;
                runs.then_some(instance.address)
            }
            None => id.parse().ok(),
        }
    }
}
