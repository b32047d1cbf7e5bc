//! Owns reading what a group is to be from the parameters that creating and updating share. What
//! is not said stays as it is.

use std::time::Duration;

use super::group::{Group, Source};
use crate::aws::error::ApiError;
use crate::aws::operation::Takes;
use crate::aws::params::Params;
use crate::aws::region::Region;

/// What creating and updating share.
pub(crate) const SETTINGS: Takes = (
    "",
    &[
        "AutoScalingGroupName",
        "AvailabilityZoneDistribution.CapacityDistributionStrategy",
        "AvailabilityZones.#",
        "CapacityRebalance",
        "Context",
        "DefaultCooldown",
        "DefaultInstanceWarmup",
        "DesiredCapacity",
        "DesiredCapacityType",
        "HealthCheckGracePeriod",
        "HealthCheckType",
        "InstanceMaintenancePolicy.MaxHealthyPercentage",
        "InstanceMaintenancePolicy.MinHealthyPercentage",
        "LaunchTemplate.LaunchTemplateId",
        "LaunchTemplate.LaunchTemplateName",
        "LaunchTemplate.Version",
        "MaxInstanceLifetime",
        "MaxSize",
        "MinSize",
        "NewInstancesProtectedFromScaleIn",
        "ServiceLinkedRoleARN",
        "TerminationPolicies.#",
        "VPCZoneIdentifier",
    ],
);

/// A mixed instances policy.
pub(crate) const MIXED: Takes = (
    "MixedInstancesPolicy",
    &[
        "InstancesDistribution.OnDemandAllocationStrategy",
        "InstancesDistribution.OnDemandBaseCapacity",
        "InstancesDistribution.OnDemandPercentageAboveBaseCapacity",
        "InstancesDistribution.SpotAllocationStrategy",
        "InstancesDistribution.SpotInstancePools",
        "InstancesDistribution.SpotMaxPrice",
        "LaunchTemplate.LaunchTemplateSpecification.LaunchTemplateId",
        "LaunchTemplate.LaunchTemplateSpecification.LaunchTemplateName",
        "LaunchTemplate.LaunchTemplateSpecification.Version",
        "LaunchTemplate.Overrides.#.ImageId",
        "LaunchTemplate.Overrides.#.InstanceType",
        "LaunchTemplate.Overrides.#.LaunchTemplateSpecification.LaunchTemplateId",
        "LaunchTemplate.Overrides.#.LaunchTemplateSpecification.LaunchTemplateName",
        "LaunchTemplate.Overrides.#.LaunchTemplateSpecification.Version",
        "LaunchTemplate.Overrides.#.WeightedCapacity",
    ],
);

/// What is kept and told, but means nothing here.
const KEPT: &[&str] = &[
    "AvailabilityZoneDistribution",
    "CapacityRebalance",
    "Context",
    "DefaultInstanceWarmup",
    "DesiredCapacityType",
    "InstanceMaintenancePolicy",
    "MaxInstanceLifetime",
    "ServiceLinkedRoleARN",
];

/// The termination policies there are, but for functions of one's own.
const POLICIES: &[&str] = &[
    "Default",
    "OldestInstance",
    "NewestInstance",
    "OldestLaunchConfiguration",
    "OldestLaunchTemplate",
    "ClosestToNextInstanceHour",
    "AllocationStrategy",
];

/// The changes that a request makes to a group; everything in it was checked.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
    pub(crate) desired: Option<u32>,
    pub(crate) source: Option<Source>,
    pub(crate) subnets: Option<Vec<(String, String)>>,
    cooldown: Option<Duration>,
    elb_health: Option<bool>,
    grace: Option<Duration>,
    policies: Option<Vec<String>>,
    protects_new: Option<bool>,
    kept: Params,
}

impl Changes {
    /// Reads and checks them.
    pub(crate) fn parse(region: &Region, params: &Params) -> Result<Self, ApiError> {
        let source = match source(params)? {
            None => None,
            Some(source) => Some(region.checked_source(source)?),
        };
        Ok(Self {
            min: params.integer("MinSize")?,
            max: params.integer("MaxSize")?,
            desired: params.integer("DesiredCapacity")?,
            source,
            subnets: subnets(region, params)?,
            cooldown: params.integer("DefaultCooldown")?.map(Duration::from_secs),
            elb_health: health_check(params)?,
            grace: params
                .integer("HealthCheckGracePeriod")?
                .map(Duration::from_secs),
            policies: policies(params)?,
            protects_new: params.boolean("NewInstancesProtectedFromScaleIn")?,
            kept: params.only(|name| KEPT.contains(&name)),
        })
    }

    /// Makes all but the sizes so.
    pub(crate) fn apply(self, group: &mut Group) {
        set(&mut group.source, self.source);
        set(&mut group.subnets, self.subnets);
        set(&mut group.cooldown, self.cooldown);
        set(&mut group.elb_health, self.elb_health);
        set(&mut group.grace, self.grace);
        set(&mut group.policies, self.policies);
        set(&mut group.protects_new, self.protects_new);
        group.kept = std::mem::take(&mut group.kept).overlaid(self.kept);
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn source(params: &Params) -> Result<Option<Source>, ApiError> {
    let template = params.node("LaunchTemplate");
    let mixed = params.node("MixedInstancesPolicy");
    match (template, mixed) {
        (Some(named), None) => Ok(Some(Source::Template(named.clone()))),
        (None, Some(policy)) => Ok(Some(Source::Mixed(policy.clone()))),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(ApiError::validation(
            "Valid requests must contain either launchTemplate, launchConfigurationName, \
             instanceId or mixedInstancesPolicy parameter.",
        )),
    }
}

fn subnets(region: &Region, params: &Params) -> Result<Option<Vec<(String, String)>>, ApiError> {
    let zones = params.strings("AvailabilityZones");
    let ids = params.filled("VPCZoneIdentifier");
    let mut subnets = Vec::new();
    for id in ids
        .into_iter()
        .flat_map(|ids| ids.split(','))
        .map(str::trim)
    {
        let subnet = region.network.subnet(id);
        let subnet = subnet.map_err(|error| ApiError::validation(error.message))?;
        if zones.is_empty() || zones.contains(&subnet.zone.as_str()) {
            subnets.push((subnet.id.clone(), subnet.zone.clone()));
        } else {
            return Err(ApiError::validation(
                "The availability zones of the specified subnets and the AutoScalingGroup do not \
                 match",
            ));
        }
    }
    if ids.is_none() {
        for zone in &zones {
            let subnet = region.network.in_zone(zone).ok_or_else(|| {
                ApiError::validation(format!("Invalid availability zones [{zone}]."))
            })?;
            subnets.push((subnet.id.clone(), subnet.zone.clone()));
        }
    }
    Ok((!subnets.is_empty()).then_some(subnets))
}

fn health_check(params: &Params) -> Result<Option<bool>, ApiError> {
    let Some(text) = params.filled("HealthCheckType") else {
        return Ok(None);
    };
    let kinds: Vec<&str> = text.split(',').map(str::trim).collect();
    if let Some(kind) = kinds.iter().find(|kind| !["EC2", "ELB"].contains(kind)) {
        return Err(ApiError::validation(format!(
            "Invalid HealthCheckType {kind}: valid types here are EC2 and ELB"
        )));
    }
    Ok(Some(kinds.contains(&"ELB")))
}

fn policies(params: &Params) -> Result<Option<Vec<String>>, ApiError> {
    let policies = params.strings("TerminationPolicies");
    if let Some(policy) = policies.iter().find(|policy| !POLICIES.contains(policy)) {
        return Err(ApiError::validation(format!(
            "Invalid termination policy {policy}"
        )));
    }
    let owned: Vec<String> = policies.into_iter().map(str::to_owned).collect();
    Ok((!owned.is_empty()).then_some(owned))
}

impl Region {
    /// What a group would launch is judged when it is set, not only at the first launch. A
    /// template is told by id and by name from then on, however it was named.
    fn checked_source(&self, source: Source) -> Result<Source, ApiError> {
        let judged = self.launch_data(&source).and_then(|(data, used)| {
            self.launch_spec(&data)?;
            Ok(used)
        });
        let used = judged.map_err(|error| {
            ApiError::validation(format!(
                "You must use a valid fully-formed launch template. {}",
                error.message
            ))
        })?;
        match source {
            Source::Mixed(policy) => Ok(Source::Mixed(policy)),
            Source::Template(named) => {
                let version = named.filled("Version").unwrap_or("$Default");
                let pairs = [
                    ("LaunchTemplateId", used.id.as_str()),
                    ("LaunchTemplateName", used.name.as_str()),
                    ("Version", version),
                ];
                Ok(Source::Template(Params::from_pairs(pairs)?))
            }
        }
    }
}
/// Checks the sizes of a group against each other.
pub(crate) fn check_sizes(min: u32, max: u32, desired: u32) -> Result<(), ApiError> {
    if max < min {
        return Err(ApiError::validation(format!(
            "Max bound, {max}, must be greater than or equal to min bound, {min}"
        )));
    }
    if !(min..=max).contains(&desired) {
        return Err(ApiError::validation(format!(
            "Desired capacity:{desired} must be between the specified min size:{min} and max \
             size:{max}"
        )));
    }
    Ok(())
}
